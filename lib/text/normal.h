/* SPDX-License-Identifier: Apache-2.0
 * The normalizers of a tokenizer.json in their order, and where each byte of their result came from. Private to text/.
 */
#ifndef TEXT_NORMAL_H
#define TEXT_NORMAL_H

#include "text/unicode.h"

enum { NORMAL_STEPS = 8 };
enum normal_kind {
    NORMAL_FORM,                               /* a normal form of Unicode */
    NORMAL_REPLACE,                            /* every `find` becomes `put` */
    NORMAL_PREPEND,                            /* `put` in front of a text that is not empty ... */
    NORMAL_PREPEND_ONCE                        /* ... and does not begin with it */
};
struct normal_step { enum normal_kind kind; enum text_form form; char *find, *put; };
struct normal { struct normal_step step[NORMAL_STEPS]; int n; };

MUST_USE int normal_add(struct normal *s, enum normal_kind kind, enum text_form form, const char *find, const char *put);
void normal_free(struct normal *s);

/* A result. p lives in `memory`, or is the source itself where nothing changed. */
struct normal_text { const char *p; size_t n; struct text_map map[NORMAL_STEPS]; size_t hint[NORMAL_STEPS]; int nmap; };
MUST_USE int normal_run(const struct normal *s, const char *p, size_t n, struct arena *memory, struct normal_text *out);
size_t normal_origin(struct normal_text *t, size_t offset);        /* offsets asked for must not fall */
void normal_text_free(struct normal_text *t);

#endif
