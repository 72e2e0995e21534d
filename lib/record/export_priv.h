/* SPDX-License-Identifier: Apache-2.0
 * A record on its way to a row: what the writers of the forms share.
 */
#ifndef RECORD_EXPORT_PRIV_H
#define RECORD_EXPORT_PRIV_H

#include "record/export.h"
#include "text/steps.h"

struct export_job {
    const struct export_cfg *cfg;
    const val *rec;
    struct record *row;
    struct arena a;
    struct export_account account;             /* of this record; dropped if it is rejected */
    const char *used[4]; int nused;            /* keys of meta that have a place of their own */
    bool answered;                             /* the right answer stands in the row already */
    const char *why;
};

int  export_reject(struct export_job *j, const char *why);                     /* returns -1 */
void export_put(struct export_job *j, const char *key, val v);
void export_put_text(struct export_job *j, const char *key, struct slice s);
val  export_text(struct export_job *j, struct slice s);
/* "id" or so, and the images: one is a string, several are a list (always a list: `list`), none is no key. */
MUST_USE int export_sample(struct export_job *j, const char *id, const char *images, bool list);
/* The question with its choices; marks: with an <image> for each image. */
MUST_USE int export_question(struct export_job *j, bool marks, struct slice *q);
MUST_USE int export_chain_of(struct export_job *j, const char *key, struct chain *c);    /* of path, chosen, ..; whole ones only */
void export_turn(struct export_job *j, struct val_list *turns, const char *from, val value);
/* "conversations": a system text (n 0: none), question and reply; later turns of meta.turns follow. */
void export_talk(struct export_job *j, struct slice sys, struct slice q, val reply);
void export_rest(struct export_job *j);                        /* right answer, choices, source, meta and unknown keys */
const val *export_meta(struct export_job *j, const char *key); /* NULL: not there; else it has a place of its own from now on */

int export_cos(struct export_job *j), export_rollouts(struct export_job *j), export_raw(struct export_job *j);
int export_scored(struct export_job *j), export_prm(struct export_job *j), export_dpo(struct export_job *j), export_llava(struct export_job *j);
int export_trl(struct export_job *j), export_mm_prm(struct export_job *j), export_visualprm(struct export_job *j);
int export_visualprm_raw(struct export_job *j);

#endif
