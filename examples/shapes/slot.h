/* SPDX-License-Identifier: Apache-2.0
 * The slots of the grammar's phrasings: how each kind of value is written and read.
 */
#ifndef SHAPES_SLOT_H
#define SHAPES_SLOT_H

#include "grammar.h"

enum form { PLAIN, PLURAL, OTHER };            /* OTHER: the slot's second wording */
struct slot_def {
    const char *name;
    enum slot slot;
    enum form form;
    void (*write)(struct buf *, enum form, int64_t);
    const char *(*read)(const char *, enum form, int64_t *);
    const struct words *words;                 /* instead of the two: one word of a list */
};

/* The slot whose "{name}" stands at *text, which goes behind it. Asserts that there is such a slot. */
const struct slot_def *slot_at(const char **text);
void slot_write(const struct slot_def *d, int64_t v, struct buf *out);           /* appends */
/* Returns where the value at s ends, NULL if there is no such value. s: lower case, single spaces. */
const char *slot_read(const struct slot_def *d, const char *s, int64_t *v);

#endif
