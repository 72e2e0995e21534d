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

struct step {
    struct slice name, thought, reflection;
    size_t begin, end;                         /* bytes of the whole step in the text parsed: from its
                                                  <|reasoning_step_start|> to behind its <|reasoning_step_end|> */
};
struct chain {
    struct step *step;
    int nstep;
    struct slice answer;
    bool has_answer;
    size_t answer_begin, answer_end;           /* from <|answer_start|> to behind <|answer_end|> */
};

/* Strict parse of a complete response. 0; or -1 with the reason as message ("step 2: no thought", "no answer",
 * "text behind the answer", ...). The reason is one of a small fixed set of phrases with the numbers left out in
 * *why (static string, for counting). Slices point into text; chain->step is in the arena. Tags (ки) are accepted
 * when present behind every step and the answer. White space around markers is accepted, reported as not strict. */
MUST_USE int chain_parse(const char *text, size_t n, struct arena *a, struct chain *c, bool *strict, const char **why);

/* As far as it goes: for paths cut off in the middle. Complete steps only; has_answer only when complete. */
void chain_parse_prefix(const char *text, size_t n, struct arena *a, struct chain *c);

enum { STEPS_TAGS = 1, STEPS_OPEN = 2 };       /* OPEN: no reasoning_end and answer: a partial path to go on from */
void chain_write(const struct chain *c, int flags, struct buf *out);

/* The answer of a response in CoS form, benchmarks' rule: between the first <|answer_start|> and the next
 * <|answer_end|>, trimmed. false when a marker is missing. */
bool answer_find(const char *text, size_t n, struct slice *answer);

#endif
