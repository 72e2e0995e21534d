/* SPDX-License-Identifier: Apache-2.0
 * ggml's blocks of quantised numbers (github.com/ggml-org/ggml, docs and gguf-py are the reference), to f32. d, m are f16.
 *   Q4_0, Q5_0  x = d (q - 8), d (q - 16)      Q4_1, Q5_1  x = d q + m      Q8_0  x = d q
 *   Q4_K, Q5_K  256 numbers in 8 groups: x = (d s) q - (dmin m), s and m of 6 bits for each group
 *   Q6_K        256 numbers in 16 groups: x = (d s) (q - 32), s of 8 bits
 * Private to store/.
 */
#ifndef STORE_QUANT_H
#define STORE_QUANT_H

#include "store/tensor.h"

enum { QUANT_MAX = 256 };                      /* elements of the largest block */

/* One block of type t (>= ST_PLAIN) at p, to out[st_dtype_block(t)]. */
void quant_get(enum st_dtype t, const uint8_t *p, float *out);

#endif
