/* SPDX-License-Identifier: Apache-2.0
 * Model folders to begin with: a fresh model from a config.json, one assembled from a vision tower, a projector and a decoder,
 * or an existing one that gets the tokens of the step format. All are whole Hugging Face folders, and appear whole.
 *
 * Each of the 17 tokens of text/steps.h starts, in the input embedding and in the output head, with the mean of the
 * embeddings of its description's tokens (paper's rule).
 */
#ifndef TRAIN_ASSEMBLE_H
#define TRAIN_ASSEMBLE_H

#include "model/model.h"
#include "record/record.h"
#include "text/tokenizer.h"

/* Everything a model will read or write of a record: question, choices, answer, the path's or paths' texts. */
MUST_USE int assemble_learn(struct tok_trainer *tr, const struct record *r);
/* The tokenizer of a fresh model: learned (frees tr), with at most `vocab` tokens in all, or read from a file. The chat template's
 * tokens are added where they lack. NULL + fail(). */
struct tokenizer *assemble_learned(struct tok_trainer *tr, int vocab);
struct tokenizer *assemble_read(const char *path);

struct assemble_fresh {
    const char *config;                        /* config.json; its vocabulary and token ids are set from the tokenizer */
    struct tokenizer *tok;                     /* the 17 tokens are added to it */
    uint64_t seed;
    int max_tiles;                             /* of an image; 1: no tiling */
};
MUST_USE int assemble_fresh(const struct assemble_fresh *f, struct ops *o, const char *out);

/* A vision-language model out of parts, each a folder (model_join, in model.h, says what it may hold): internvl_chat with an
 * InternViT, llava_next with a CLIP tower, idefics3 and smolvlm with a SigLIP tower, internvl with one of its own; the decoder
 * is of any kind. The tokens of the chat template, images and steps that the decoder's tokenizer lacks are added, with means
 * of descriptions too (of what has none: of the token's own words); *added: how many. */
struct assemble_join {
    const char *config;                        /* config.json; vision_config and the decoder's object, where absent, are the folders' */
    const char *tower, *projector, *decoder;   /* tower, projector: NULL: random weights */
    uint64_t seed;
    int max_tiles;
};
MUST_USE int assemble_joined(const struct assemble_join *j, struct ops *o, const char *out, int *added);

/* A copy of the folder `model` with those of the 17 tokens that it lacks; *added: how many. Fails when it has all.
 * The vocabulary never shrinks. */
MUST_USE int assemble_add(const char *model, struct ops *o, const char *out, int *added);

#endif
