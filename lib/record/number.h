/* SPDX-License-Identifier: Apache-2.0
 * Numbers as JSON text. Floats are written with the fewest digits that read back to the same bits, always with a
 * point or an exponent, so that they stay apart from integers.
 */
#ifndef RECORD_NUMBER_H
#define RECORD_NUMBER_H

#include <stdbool.h>
#include "base/mem.h"

enum { NUMBER_TEXT = 48 };                     /* characters that any number needs, and some */
char *number_u64(char *p, uint64_t x);         /* write at p, no NUL; return the end */
char *number_f64(char *p, double x);           /* finite */
char *number_f32(char *p, float x);            /* finite; the digits a float needs, not a double */
void number_put_i64(struct buf *b, int64_t x);
void number_put_u64(struct buf *b, uint64_t x);

struct number { enum { NUMBER_INT, NUMBER_UINT, NUMBER_FLOAT } type; int64_t i; uint64_t u; double f; };
/* The JSON number at s: bytes taken, 0 if there is none or it does not fit (then *why says which; static). INT is
 * below zero. Integers beyond 64 bits and floats beyond the range of double do not fit. */
size_t number_get(const char *s, size_t n, struct number *x, const char **why);

#endif
