/* SPDX-License-Identifier: Apache-2.0
 * Text before it is split: valid UTF-8, normal forms (utf8proc), and where each byte came from.
 */
#ifndef TEXT_UNICODE_H
#define TEXT_UNICODE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/mem.h"

size_t text_valid(const char *s, size_t n);                  /* bytes before the first that is not UTF-8; n if none */
/* Appends s with every maximal invalid part replaced by one U+FFFD (Unicode 15, 3.9, as Rust and browsers do). */
void text_repair(const char *s, size_t n, struct buf *out);
/* The code point at s (valid UTF-8, n > 0); its length in *len. */
uint32_t text_code(const char *s, size_t n, int *len);

enum text_form { FORM_NONE, FORM_NFC, FORM_NFD, FORM_NFKC, FORM_NFKD };

/* A changed text and its origin: bytes [from, next run's from) of the text came from the source beginning at `at`. Runs
 * that were not changed map byte by byte; in a changed one an offset is clipped to the run's source length. */
struct text_run { size_t from, at, len; bool changed; };
struct text_map { struct text_run *run; size_t n, cap; };
size_t text_origin(const struct text_map *m, size_t offset, size_t *hint);   /* hint: 0 at first; offsets must not fall */
void   text_map_free(struct text_map *m);
void   text_map_add(struct text_map *m, size_t from, size_t at, size_t len, bool changed);   /* the next run; unchanged ones join */

/* s (valid UTF-8) in the normal form. 1: changed, the result is appended to out and mapped; 0: s is already in that
 * form, out untouched; -1 on failure. */
MUST_USE int text_normalise(enum text_form form, const char *s, size_t n, struct buf *out, struct text_map *m);

#endif
