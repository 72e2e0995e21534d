/* SPDX-License-Identifier: Apache-2.0
 * A generated path in the record's form (record/record.h).
 */
#ifndef SEARCH_PATH_RECORD_H
#define SEARCH_PATH_RECORD_H

#include "model/input.h"
#include "search/engine.h"

/* {"index", "end", "steps": [{"name", "thought", "reflection", "span"}], "answer", "tokens", "logprobs": {DIGEST: ..},
 *  "tokenizer"} in the zone. A token that ends the response (io->stop) is in tokens and logprobs, and outside all spans.
 * end: "length" where the path was cut off; "stop" where it ended by itself as a complete chain; "format" where it ended
 * by itself and is none: then the text is kept under "text", and steps and answer are what could be read of it. */
val path_record(msgpack_zone *z, const struct gen_path *p, const struct model_io *io, const char *model_digest);

/* The same for a path made step by step, where generation stops behind each step, too: "step" where the path is whole so
 * far and may go on; "length" where it has max_tokens, or more than max_steps steps (0: no bound). p: all of it from the
 * first step on; logprob NULL: they are not known. */
struct step_rule { int step_end, max_steps, max_tokens; };     /* step_end: the token <|reasoning_step_end|> */
val path_record_step(msgpack_zone *z, const struct gen_path *p, const struct model_io *io, const char *model_digest,
                     const struct step_rule *rule);

/* Makes the record a sample with this path: drops what belonged to another path ("scores", "chosen", "rejected"). */
void path_into(struct record *r, val path);

#endif
