/* SPDX-License-Identifier: Apache-2.0
 * How a process reward model is asked: its convention as data. A style says what text the model reads, at which token the
 * score of each step stands, and the two tokens whose logits there are compared:
 *
 *     score = exp(l[good]) / (exp(l[good]) + exp(l[bad]))
 *
 *     struct prm_style s;
 *     if (prm_style_load("mm-prm", &s)) ...                                 CoS: "cos"; a file: "mine.json"
 *     struct prm_form *f = prm_form_new(&s, chat, tok);
 *     struct prm_ids ids = {0};
 *     if (prm_form_encode(f, tail, &chain, &ids)) ...                      tail: what the prompt left over (text/prompt.h)
 *     ids.ids.id[ids.end[2] - 1];                                          the token that step 3's score is read at
 *
 * A file is JSON with the members of struct prm_style; those needed are prompt, step, answer, tag, good and bad.
 */
#ifndef TEXT_PRM_FORM_H
#define TEXT_PRM_FORM_H

#include "text/prompt.h"
#include "text/steps.h"

/* Layouts as in text/prompt.h. In step: {step} (name, thought and reflection, those that are not blank, a line each), {name},
 * {thought}, {reflection}, {k} (its number, from 1); in answer: {answer}; in all: {user}, {user_end}, {assistant}, {assistant_end}. */
struct prm_style {
    const char *name;
    const char *system;                        /* system text; NULL: the template's */
    const char *prompt;                        /* layout up to the first step */
    const char *begin, *step, *next, *close;   /* before the first step; each; between two; between the last and the answer */
    const char *answer;
    const char *tag;                           /* the score stands at its last token; tag: "ки", "<prm>", "{assistant}" */
    const char *good, *bad;                    /* as the vocabulary spells them ("▁+"; byte vocabularies: a blank for ▁) */
};

/* Copies, which prm_style_free frees. name: a built-in style, or a file (with a '/' or ending in .json). pick: the folder's,
 * its cos_prm.json; else told by the tokens of cos and mm-prm, or by config.json (a reward model of InternVL: visualprm). -1 +
 * fail(): there is no such one, it cannot be told. */
MUST_USE int prm_style_load(const char *name, struct prm_style *out);
MUST_USE int prm_style_pick(const char *dir, const struct tokenizer *t, struct prm_style *out);
MUST_USE int prm_style_save(const struct prm_style *s, const char *dir);                 /* as cos_prm.json; atomic */
void prm_style_free(struct prm_style *s);

#define PRM_STYLES "cos, math-shepherd, mm-prm, visualprm, vl-prm"
enum { PRM_TAG_MAX = 16 };
struct prm_form {
    struct prm_style style;                    /* owned */
    const struct chat_template *chat;          /* borrowed */
    const struct tokenizer *tok;               /* borrowed */
    uint32_t tag[PRM_TAG_MAX];
    int ntag, good, bad;
};
/* Takes the style. NULL + fail(): the tokenizer lacks one of its tokens. Caller prm_form_free. */
struct prm_form *prm_form_new(struct prm_style *style, const struct chat_template *chat, const struct tokenizer *tok);
void prm_form_free(struct prm_form *f);        /* NULL is fine */

/* Do the tokens id[0..i] end in the tag? */
bool prm_form_tag(const struct prm_form *f, const uint32_t *id, int i);

struct prm_ids { struct tok_ids ids; int *end; int n; };     /* end[i]: behind the tag of step i, then of the answer */
/* As much of the chain as is whole; ids end behind the last tag. Fills out (zeroed or used before). -1 + fail(): also where
 * the text of a step holds a tag, or where the tokenizer joins one to its surroundings. */
MUST_USE int prm_form_encode(const struct prm_form *f, struct slice tail, const struct chain *c, struct prm_ids *out);
void prm_ids_free(struct prm_ids *r);
/* The tokens that are new with step i: from behind the tag before it to behind its own. They follow one another without a gap. */
struct span prm_ids_step(const struct prm_ids *r, int i);

#endif
