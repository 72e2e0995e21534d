/* SPDX-License-Identifier: Apache-2.0
 * UTF-8 as the wire wants it: no overlong forms, no surrogates, at most U+10FFFF (Unicode 15, table 3-7).
 */
#ifndef RECORD_UTF8_H
#define RECORD_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

size_t utf8_good(const void *p, size_t n);               /* length of the longest valid prefix; n when all is valid */
/* Bytes that U+FFFD stands for at an invalid place: the longest start of a character, at least 1. */
size_t utf8_bad_run(const void *p, size_t n);
int    utf8_put(char out[4], uint32_t code);             /* bytes written, 1 to 4; code is a scalar value */

#endif
