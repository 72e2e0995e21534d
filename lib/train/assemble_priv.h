/* SPDX-License-Identifier: Apache-2.0
 * What fresh, grown and joined models have in common.
 */
#ifndef TRAIN_ASSEMBLE_PRIV_H
#define TRAIN_ASSEMBLE_PRIV_H

#include "store/json.h"
#include "text/steps.h"
#include "text/template.h"
#include "train/assemble.h"

#define TOK_END  "<|im_end|>"
#define TOK_PAD  "<|endoftext|>"

enum { CONFIG_MAX = 1 << 22 };

/* New tokens, and of each the ids of its description. Zero-initialise. */
struct means { struct tok_ids *ids; int count; };
/* Add those that t lacks: the 17 of the step format; those of a chat template, tags of up to side x side tiles with them. */
MUST_USE int means_add_steps(struct means *s, struct tokenizer *t);
MUST_USE int means_add_chat(struct means *s, struct tokenizer *t, const struct chat_template *c, int side);
/* Gives them their rows: the last ones of the tokenizer's. */
MUST_USE int means_apply(const struct means *s, struct model *m, const struct tokenizer *t);
void means_free(struct means *s);

MUST_USE int assemble_put(const struct model *m, const struct tokenizer *t, const char *dir, enum dtype save);
MUST_USE int assemble_dtype(const char *dir, enum dtype *t);               /* bf16 only where every weight is */

/* ---- config.json ---- */
/* Of families that see images, those whose folders we can write. */
struct sight { const char *family, *image_token, *chat; enum pre_kind kind; bool own; };     /* own: config.json has the image settings */
const struct sight *sight_of(const json_t *doc);         /* NULL + fail() */
json_t *assemble_text(json_t *doc);            /* the decoder's object */
MUST_USE int assemble_parse(const json_t *doc, const char *name, struct model_cfg *c);
/* What depends on tokenizer and tiling. */
void assemble_image_settings(json_t *doc, const struct sight *s, const struct tokenizer *t, const struct chat_template *c, int max_tiles);
int  assemble_grid(int max_tiles);             /* the most tiles along one side of what PRE_SPLIT cuts up */
/* preprocessor_config.json; levels from `tower` (a folder) where it has some. */
MUST_USE int assemble_put_processor(const struct sight *s, const struct model_cfg *c, int max_tiles, const char *tower, const char *dir);

#endif
