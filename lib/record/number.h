/* SPDX-License-Identifier: Apache-2.0
 * Numbers as JSON text. Floats are written with the fewest digits that read back to the same bits, always with a
 * point or an exponent, so that they stay apart from integers.
 */
#ifndef RECORD_NUMBER_H
#define RECORD_NUMBER_H

#include <stdbool.h>
#include "base/mem.h"

void number_put_i64(struct buf *b, int64_t x);
void number_put_u64(struct buf *b, uint64_t x);
void number_put_f64(struct buf *b, double x);            /* finite */
void number_put_f32(struct buf *b, float x);             /* finite; the digits a float needs, not a double */

struct number { enum { NUMBER_INT, NUMBER_UINT, NUMBER_FLOAT } type; int64_t i; uint64_t u; double f; };
/* The JSON number at s: bytes taken, 0 if there is none or it does not fit (then *why says which; static). INT is
 * below zero. Integers beyond 64 bits and floats beyond the range of double do not fit. */
size_t number_get(const char *s, size_t n, struct number *x, const char **why);

#endif
