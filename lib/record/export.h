/* SPDX-License-Identifier: Apache-2.0
 * Records into the JSON of others: the forms of record/form.h. What a form cannot hold is counted, never dropped in silence.
 *
 *     struct export_cfg cfg = { .form = &forms[FORM_LLAVA] };
 *     if (export_row(&cfg, record, row, &account, &why)) ...                  count(why)
 *     else jsonl_put(&row->root, &line);
 *
 * Keys of meta, and those that no record has, become keys of the row where the form has room for them (reading puts them
 * into meta again); those that would mean something else there stay in a "meta" of the row. Choices are written into the
 * question, as prompts have them. Conversations want a mark <image> for each image: missing ones are put first, and counted.
 */
#ifndef RECORD_EXPORT_H
#define RECORD_EXPORT_H

#include "record/form.h"

enum export_target { EXPORT_AS_FORM, EXPORT_HARD, EXPORT_SOFT };
#define EXPORT_TARGET_WORDS "form|hard|soft"

struct export_cfg {
    const struct form *form;                   /* with a writer */
    const char *prefix;                        /* taken off image names: "images.zip!" or "dir/"; NULL: nothing */
    const char *labels;                        /* sources ("by") with commas, the first that speaks counts; NULL: any */
    enum export_target target;                 /* of forms that have both; the others are hard (export_targets) */
    double threshold;                          /* hard: a value of this or more is right; neutral stays where it can */
};
/* Can labels be written so in this form? */
bool export_targets(const struct form *f, enum export_target t);

struct export_account { uint64_t lost[FORM_FACTS], marked; };  /* marked: questions given image marks */
void export_account_add(struct export_account *to, const struct export_account *more);

/* Fills row (cleared first), whose values may be borrowed from r, and adds to the account. -1: the form cannot have this
 * record; *why is the reason (static). Thread-safe. */
MUST_USE int export_row(const struct export_cfg *c, const struct record *r, struct record *row, struct export_account *account,
                        const char **why);

#endif
