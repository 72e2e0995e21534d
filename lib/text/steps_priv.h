/* SPDX-License-Identifier: Apache-2.0
 * The step format as a list of markers and the texts between them: what the grammar in steps.c reads and writes, be the
 * response bytes (steps.c) or tokens (response.c).
 */
#ifndef TEXT_STEPS_PRIV_H
#define TEXT_STEPS_PRIV_H

#include "text/steps.h"

struct item {
    enum step_token marker;                    /* STEP_TOKENS: text; a tag only in lists that are written */
    struct slice text;
    size_t begin, end;                         /* where it stood, in the unit of whoever made the list */
};
struct items { struct item *v; int n; };       /* no two texts in a row, no empty text */

/* As chain_parse; begin and end of steps and answer are the items'. On failure c holds what was whole before. */
MUST_USE int items_parse(const struct items *in, struct arena *a, struct chain *c, const char **why);
void items_make(const struct chain *c, int flags, struct arena *a, struct items *out);

#endif
