/* SPDX-License-Identifier: Apache-2.0
 * A row on its way to a record: what import.c (sample) and import_chain.c (chains) share.
 */
#ifndef RECORD_IMPORT_PRIV_H
#define RECORD_IMPORT_PRIV_H

#include "record/import.h"
#include "text/steps.h"

enum { TICKS = 256 };
struct row { const val *map; bool used[TICKS]; };              /* keys are ticked off as they are used; later ones are not */

struct import_job {
    const struct import_cfg *cfg;
    struct row row;
    struct record *out;
    struct arena a;
    const char *why;                                           /* the first reason given to import_reject */
};

const val *import_use(struct import_job *j, const char *key);                  /* NULL: absent or null */
const val *import_use_first(struct import_job *j, const char *const *keys);    /* keys end with NULL */
int  import_reject(struct import_job *j, const char *why);                     /* returns -1 */
bool import_text(const val *v, struct slice *s);
bool import_blank(struct slice s);
val  import_text_val(struct import_job *j, struct slice s);
val  import_scalar(struct import_job *j, const val *v);        /* a string, or a number as one; nil for others */
void import_put(struct import_job *j, const char *key, val v);
void import_put_meta(struct import_job *j, const char *key, val v);
MUST_USE int import_question(struct import_job *j, struct slice q);            /* images come before it */

/* Question and reply of conversations or of keys of their own; the question is put in its place. later: turns behind them, which
 * are in meta.turns; last: the last reply among those. */
struct import_talk { struct slice question, reply, last; bool has_question, has_reply; int later; };
MUST_USE int import_read_talk(struct import_job *j, struct import_talk *k);
void import_keep_reply(struct import_job *j, struct slice s);                  /* as meta.reply */
MUST_USE int import_parse_chain(struct import_job *j, struct slice s, struct chain *c);       /* of a text in the step format */

/* A path of a chain whose tokens are added where a tokenizer is given; import_put_path puts it under "path". */
MUST_USE int import_make_path(struct import_job *j, const struct chain *c, val *path);
MUST_USE int import_put_path(struct import_job *j, const struct chain *c, val *path);

/* A label from JSON, or from k of n tries. by: whose it is. */
struct import_label { bool there; double value; int64_t k, n; };
bool import_read_label(const val *v, struct import_label *out);                /* "+", "-", true, 0.7, ..; false: malformed */
void import_add_label(struct import_job *j, val *where, const char *key, const struct import_label *l);

/* Question and chains of each form. */
int import_cos(struct import_job *j), import_llava(struct import_job *j), import_raw(struct import_job *j), import_prm(struct import_job *j);
int import_dpo(struct import_job *j), import_freeform(struct import_job *j), import_trl(struct import_job *j), import_mm_prm(struct import_job *j);
int import_visualprm(struct import_job *j), import_visualprm_raw(struct import_job *j);

#endif
