/* SPDX-License-Identifier: Apache-2.0
 * From a question to the tokens the model sees: the chat template with image places, and the response behind it.
 */
#ifndef TEXT_PROMPT_H
#define TEXT_PROMPT_H

#include "text/tokenizer.h"

/* How a family writes a conversation. One table of these, chosen by name. */
struct chat_template {
    const char *name;                                      /* "internvl", "chatml", ... */
    const char *system;                                    /* default system text, NULL: no system turn */
    const char *sys_open, *sys_close, *user_open, *user_close, *asst_open, *asst_close;
    const char *img_open, *img_token, *img_close;          /* "<img>", "<IMG_CONTEXT>", "</img>" */
};
const struct chat_template *chat_find(const char *name);   /* NULL + fail() naming the known ones */

/* The user turn's text of a question: the question, then the choices as "A. ...", as the datasets write it. An <image>
 * in the question marks the image's place; images without a mark come first, each followed by a newline. */
struct prompt_in {
    struct slice question;
    const struct slice *choice; int nchoice;
    const int *image_tokens; int nimage;                   /* placeholders of each image */
};

/* Appends the prompt up to and including asst_open. image_pos[k] gets the index of image k's first placeholder in out. */
MUST_USE int prompt_encode(const struct tokenizer *t, const struct chat_template *c, const struct prompt_in *in,
                           struct tok_ids *out, size_t *image_pos);
#endif
