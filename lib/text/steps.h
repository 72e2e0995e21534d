/* SPDX-License-Identifier: Apache-2.0
 * The step format of CoS (arXiv 2509.19003), parsed and written here and nowhere else.
 *
 *   <|reasoning_start|>\n
 *   [<|reasoning_proceed|>\n]                                     before step 2, 3, ...
 *   <|reasoning_step_start|>\n
 *   <|reasoning_step_name_start|>NAME<|reasoning_step_name_end|>\n
 *   <|reasoning_step_thought_start|>THOUGHT<|reasoning_step_thought_end|>\n
 *   <|reasoning_step_reflection_start|>REFLECTION<|reasoning_step_reflection_end|>\n
 *   <|reasoning_step_end|>\n                                      with tags: <|reasoning_step_end|>ки\n
 *   <|reasoning_end|>\nAnswer:\n
 *   <|answer_start|>ANSWER<|answer_end|>                          with tags: <|answer_end|>ки
 *
 *     struct arena a = {0};  struct chain c;  bool strict;  const char *why;
 *     if (chain_parse(text, n, &a, &c, &strict, &why) == 0) use(c.step, c.nstep, c.answer);
 *     else count(why);
 */
#ifndef TEXT_STEPS_H
#define TEXT_STEPS_H

#include <stdbool.h>
#include <stddef.h>
#include "base/mem.h"

/* The 17 added tokens: one table for parser, writer, tokenizer set-up and embedding initialisation. */
enum step_token {
    TOK_REASONING_START, TOK_REASONING_END, TOK_PROCEED, TOK_BACKTRACK, TOK_STEP_START, TOK_STEP_END,
    TOK_NAME_START, TOK_NAME_END, TOK_THOUGHT_START, TOK_THOUGHT_END, TOK_REFLECTION_START, TOK_REFLECTION_END,
    TOK_ANSWER_START, TOK_ANSWER_END, TOK_TAG, TOK_GOOD, TOK_BAD, STEP_TOKENS
};
struct step_token_def { const char *text, *description; };
extern const struct step_token_def step_tokens[STEP_TOKENS];

/* The piece before the next marker, and which marker it is (TOK_REASONING_START .. TOK_ANSWER_END; tags are no
 * markers: ки is also a piece of ordinary Russian words). Returns the marker's offset; n with *which = STEP_TOKENS if
 * there is none. */
size_t marker_find(const char *text, size_t n, enum step_token *which);

struct step {
    struct slice name, thought, reflection;    /* exactly the bytes between the markers */
    size_t begin, end;                         /* bytes of the whole step in the text parsed: from its
                                                  <|reasoning_step_start|> to behind its <|reasoning_step_end|> */
    enum step_token tag;                       /* TOK_TAG, TOK_GOOD or TOK_BAD behind the step; 0: none */
};
struct chain {
    struct step *step;
    int nstep;
    struct slice answer;
    bool has_answer;
    size_t answer_begin, answer_end;           /* from <|answer_start|> to behind <|answer_end|> */
    enum step_token answer_tag;                /* as step.tag */
};

/* Parse of a complete response. 0; or -1 with the reason as message ("step 2: no thought"), and in *why the same
 * without the number: one of a small fixed set of static strings, for counting. Slices point into text; c->step is in
 * the arena. Accepted beyond the exact form: white space around markers and around the whole. *strict tells whether
 * the text was exact, that is whether chain_write gives back the same bytes. A thought and an answer may not be blank;
 * name and reflection may. Tags stand behind every step and the answer, or nowhere. */
MUST_USE int chain_parse(const char *text, size_t n, struct arena *a, struct chain *c, bool *strict, const char **why);

/* As far as it goes: for paths cut off in the middle. Complete steps only; has_answer only when complete. */
void chain_parse_prefix(const char *text, size_t n, struct arena *a, struct chain *c);

enum {
    STEPS_TAGS = 1,                            /* ки behind every step and the answer */
    STEPS_LABELS = 2,                          /* the tags the chain holds: ки, к+и, к-и, or none */
    STEPS_OPEN = 4                             /* no reasoning_end and answer: a partial path to go on from */
};
/* A chain without steps is written as its answer alone, between the answer's markers: a direct answer. */
void chain_write(const struct chain *c, int flags, struct buf *out);

/* The answer of a response in CoS form, by the rule of the reference's evaluators: both markers are somewhere; what stands
 * behind the first <|answer_start|>, up to the next <|answer_start|> or <|answer_end|>, trimmed. false without a marker. */
bool answer_find(const char *text, size_t n, struct slice *answer);

struct slice slice_trim(struct slice s);       /* without ASCII white space at both ends */

#endif
