/* SPDX-License-Identifier: Apache-2.0
 * A response in CoS form as tokens: where each step and the answer stand, known from the markers' ids. Nothing is ever
 * looked for in text, and text inside steps can never become a marker.
 *
 *     struct response r = {0};
 *     if (response_encode(tok, &chain, STEPS_TAGS, &r)) ...
 *     r.ids.id[r.step[2].end];                                the tag behind step 3
 *     response_free(&r);
 */
#ifndef TEXT_RESPONSE_H
#define TEXT_RESPONSE_H

#include "text/steps.h"
#include "text/tokenizer.h"

struct step_ids { int id[STEP_TOKENS]; };
/* The ids of the 17 tokens. -1 + fail() naming the first that the tokenizer lacks or does not hold as a special one. */
MUST_USE int step_ids_find(const struct tokenizer *t, struct step_ids *out);

struct response {
    struct tok_ids ids;                        /* begin[] has no meaning here */
    struct span *step; int nstep;              /* from <|reasoning_step_start|> to behind <|reasoning_step_end|> */
    struct span answer;                        /* from <|answer_start|> to behind <|answer_end|>; empty with STEPS_OPEN */
};
/* The tokens of chain_write(c, flags): as Hugging Face tokenizes that text, except that marker names within names,
 * thoughts, reflections and answers stay text. With tags, the tag is the token behind a span. Fills r (zeroed or used
 * before: memory is reused). */
MUST_USE int response_encode(const struct tokenizer *t, const struct chain *c, int flags, struct response *r);
void response_free(struct response *r);

/* Generated tokens back to a chain; begin and end of c's steps and answer count tokens. Special tokens behind the last
 * marker (end of turn) are passed over. 0: complete; -1: c holds the complete steps, *why the reason as chain_parse has
 * it, "cut off" when generation stopped in the middle. Texts and steps are in the arena. */
MUST_USE int response_decode(const struct tokenizer *t, const uint32_t *id, size_t n, struct arena *a, struct chain *c,
                             const char **why);
#endif
