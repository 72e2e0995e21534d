/* SPDX-License-Identifier: Apache-2.0
 * Chat templates: how a family writes a conversation. Data, chosen by name, from a file or from a model's folder.
 *
 * A file is JSON; keys may be left out where a default stands:
 *
 *     { "bos": "<s>",                                                 in front of all; none
 *       "system": "You are a helpful assistant.",                     the default system text; none
 *       "system_turn": "<|im_start|>system\n{system}<|im_end|>\n",    wanted where there is a system text
 *       "user_turn": "<|im_start|>user\n{question}<|im_end|>\n",
 *       "answer_turn": "<|im_start|>assistant\n{answer}<|im_end|>\n",
 *       "image": "<img>{image}</img>",                                an image; {image} is image_token as often as needed
 *       "image_token": "<IMG_CONTEXT>",
 *       "image_after": "\n",                                          behind an image that the question does not place; none
 *       "no_image": " ",                                              before a question that no image stands before; none
 *       "tile": "<row_{row}_col_{col}>",                              before each tile's places, where an image is cut up,
 *       "whole": "<global-img>" }                                     and before those of the whole image behind them; none
 *
 * What follows {answer} begins with the token that ends a response. Special tokens are written as the tokenizer has them.
 */
#ifndef TEXT_TEMPLATE_H
#define TEXT_TEMPLATE_H

#include "text/tokenizer.h"

struct chat_template {
    const char *name;                                      /* "internvl", "chatml", ... */
    const char *system;                                    /* default system text, NULL: no system turn */
    const char *bos;                                       /* a token that is not part of the text: "" or "<s>" */
    const char *sys_open, *sys_close, *user_open, *user_close, *asst_open, *asst_close;
    const char *img_open, *img_token, *img_close;          /* "<img>", "<IMG_CONTEXT>", "</img>" */
    const char *img_after;                                 /* behind an image that the text does not place */
    const char *no_image;                                  /* before a text that no image stands before */
    const char *tile, *whole;                              /* tags before each tile's places and those of the whole image;
                                                              "": an image's places are one run */
};

/* One of the built-in ones: NULL + fail() naming them. Never freed. */
const struct chat_template *chat_find(const char *name);

/* A template of one's own; or the folder's: its cos_template.json, else that of the family `name` (a model_type, or what
 * config.json says), told apart where a family has several by the folder's Jinja template and its tokenizer. NULL + fail(). */
struct chat_template *chat_load(const char *name_or_file);             /* caller chat_free */
struct chat_template *chat_pick(const char *dir, const char *name, const struct tokenizer *tok);      /* caller chat_free */
MUST_USE int chat_save(const struct chat_template *c, const char *dir);          /* as cos_template.json; atomic */
void chat_free(struct chat_template *c);                               /* NULL is fine */

/* The mark of a turn: "user" -> user_open, "user_end" -> user_close, "assistant", "assistant_end"; NULL: no such name. */
const char *chat_turn(const struct chat_template *c, const char *name, size_t n);
/* Appends the tag of the tile in that row and column, counted from 0, and a 0 byte. */
void chat_tile_tag(const struct chat_template *c, int row, int col, struct buf *out);
/* The id of the token that ends a response: asst_close begins with it, training appends it and generation stops at it. -1 +
 * fail() if the tokenizer lacks it. */
int chat_end_token(const struct tokenizer *t, const struct chat_template *c);

#endif
