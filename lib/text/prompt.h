/* SPDX-License-Identifier: Apache-2.0
 * From a question to the tokens the model sees: the chat template with image places. The response comes behind it
 * (text/response.h), then the template's end of turn.
 *
 *     const struct chat_template *c = chat_find("internvl");
 *     struct prompt_in in = { .question = { q, n }, .image_tokens = places, .nimage = 1 };
 *     if (prompt_encode(tok, c, &in, &ids, pos)) ...
 */
#ifndef TEXT_PROMPT_H
#define TEXT_PROMPT_H

#include "text/response.h"
#include "text/tokenizer.h"

/* How a family writes a conversation. One table of these, chosen by name. */
struct chat_template {
    const char *name;                                      /* "internvl", "chatml", ... */
    const char *system;                                    /* default system text, NULL: no system turn */
    const char *sys_open, *sys_close, *user_open, *user_close, *asst_open, *asst_close;
    const char *img_open, *img_token, *img_close;          /* "<img>", "<IMG_CONTEXT>", "</img>" */
    const char *img_after;                                 /* behind an image that the text does not place */
};
/* NULL + fail() naming the known ones. asst_close begins with the token that ends a response: it is appended to what a
 * model is trained on, and generation stops at it. */
const struct chat_template *chat_find(const char *name);
int chat_end_token(const struct tokenizer *t, const struct chat_template *c);   /* that token's id; -1 + fail() if t lacks it */

/* A question, its choices and its images. An <image> in the question marks an image's place; images without a mark come
 * first, each followed by the template's img_after. More marks than images is an error, unless there is no image at all: then the
 * word is ordinary text. */
struct prompt_in {
    struct slice question;
    const struct slice *choice; int nchoice;
    const int *image_tokens; int nimage;                   /* placeholders of each image */
};

/* The user's text, appended: the question, and behind it a line for each choice, "A. ..." (more than 26: "1. ..."). */
void prompt_question(const struct prompt_in *in, struct buf *out);
int  prompt_images(struct slice text);                     /* how many <image> marks */

/* Appends the prompt up to and including asst_open, as Hugging Face tokenizes the rendered text, except that special
 * tokens spelt out in the question or a choice stay text. image_pos[k] gets the index of image k's first placeholder in
 * out. begin[] has no meaning here. On failure out is unchanged. */
MUST_USE int prompt_encode(const struct tokenizer *t, const struct chat_template *c, const struct prompt_in *in,
                           struct tok_ids *out, size_t *image_pos);
#endif
