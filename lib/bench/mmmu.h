/* SPDX-License-Identifier: Apache-2.0
 * MMMU's open questions: the official parser. A response gives several predictions, texts and numbers; it is right if one
 * of the numbers is a right one to two decimals, or one of the texts holds a right text.
 */
#ifndef BENCH_MMMU_H
#define BENCH_MMMU_H

#include "bench/bench_priv.h"

void mmmu_open(struct bench_item *it, struct bench_verdict *v);

#endif
