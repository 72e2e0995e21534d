/* SPDX-License-Identifier: Apache-2.0
 * The forms of JSON that others read and write: one table for both directions (import.h, export.h), for the programs' options
 * and for their help. A form that is both read and written gives the same records when it is read, written and read again.
 *
 *     { 'f', "from", FORM_WORDS, OPT_CHOICE, &set.from, 0, 0, "the form of the input" }       an index into forms[]
 */
#ifndef RECORD_FORM_H
#define RECORD_FORM_H

#include "record/record.h"

/* The names of forms[], in their order. */
#define FORM_WORDS "cos|rollouts|raw|scored|prm|dpo|llava|trl|mm-prm|visualprm|visualprm-raw|record|text"
enum { FORM_COS, FORM_ROLLOUTS, FORM_RAW, FORM_SCORED, FORM_PRM, FORM_DPO, FORM_LLAVA, FORM_TRL, FORM_MM_PRM, FORM_VISUALPRM,
       FORM_VISUALPRM_RAW, FORM_RECORD, FORM_TEXT, FORMS };

/* What a record can hold beyond id, question, images and the text of its steps. A form holds some; the rest is counted. */
enum form_fact {
    FACT_PARTS,            /* steps whose name and reflection stand apart from the thought */
    FACT_ANSWER,           /* path.answer apart from the steps */
    FACT_TEXT,             /* path.text, of replies that are not in the step format */
    FACT_LABELS, FACT_SHARES, FACT_TRIES,      /* labels; of those, what is neither right nor wrong; the k of n tries */
    FACT_SCORES,           /* of steps, and answer_score */
    FACT_GOLD, FACT_CHOICES, FACT_SOURCE, FACT_META,       /* answer, choices, source, meta and unknown keys */
    FACT_REWARDS,          /* scores of records and paths */
    FACT_VERDICTS,         /* path.correct, unparsed, end */
    FACT_TOKENS, FACT_LOGPROBS,
    FORM_FACTS
};
extern const char *const form_fact_names[FORM_FACTS];

struct import_job;
struct export_job;
struct form {
    const char *name, *looks;                  /* looks: a few lines for the help */
    unsigned holds;                            /* bits 1 << enum form_fact */
    bool whole;                                /* a row is a record as it is */
    int (*read)(struct import_job *);          /* question and chains; NULL: not read */
    int (*write)(struct export_job *);         /* the row; NULL: not written */
};
extern const struct form forms[FORMS];

const struct form *form_written(const char *name);         /* by its name; NULL + fail(): none that is written (usage) */
bool form_own_key(const val *key);             /* is it one of a record's own top-level keys? */
/* Adds how often each fact occurs in a record. */
void form_count(const struct record *r, uint64_t fact[FORM_FACTS]);
/* Appends the help: each form that is read (or written), how it looks, and when written what it drops. */
void form_help(bool written, struct buf *out);

#endif
