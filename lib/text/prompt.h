/* SPDX-License-Identifier: Apache-2.0
 * From a question to the tokens the model sees: the chat template with image places. The response comes behind it
 * (text/response.h), then the template's end of turn.
 *
 *     const struct chat_template *c = chat_find("internvl");
 *     struct prompt_in in = { .question = { q, n }, .image = &(struct prompt_image){ .tokens = 256 }, .nimage = 1 };
 *     if (prompt_encode(tok, c, &in, &ids, place)) ...
 */
#ifndef TEXT_PROMPT_H
#define TEXT_PROMPT_H

#include "text/response.h"
#include "text/template.h"
#include "text/tokenizer.h"

/* A question, its choices and its images. An <image> in the question marks an image's place; images without a mark come
 * first, each followed by the template's img_after. More marks than images is an error, unless there is no image at all: then the
 * word is ordinary text. */
struct prompt_image { int tokens, cols, rows; };           /* placeholders in all; the grid it was cut into */
struct prompt_in {
    struct slice question;
    const struct slice *choice; int nchoice;
    const struct prompt_image *image; int nimage;
    const char *layout;                                    /* NULL: PROMPT_CHAT */
    const char *system;                                    /* replaces the template's; NULL: it stays */
    struct buf *tail;                                      /* not NULL: gets the text behind the last special token, which is
                                                              then not encoded, for something else to come behind it */
};
/* A layout is text and special tokens with {bos}, {system} (the system turn, if there is a system text), {user} and
 * {user_end}, {assistant} and {assistant_end} (the marks of the template's turns), {images} (those without a mark) and
 * {question} (with the choices). */
#define PROMPT_CHAT "{bos}{system}{user}{images}{question}{user_end}{assistant}"

/* The user's text, appended: the question, and behind it a line for each choice, "A. ..." (more than 26: "1. ..."). */
void prompt_question(const struct prompt_in *in, struct buf *out);
/* Takes the choices' lines, as prompt_question writes them, off the end of a question. false: they do not stand there. */
bool prompt_without_choices(struct slice *question, const struct slice *choice, int n);
int  prompt_images(struct slice text);                     /* how many <image> marks */

/* Appends the prompt up to and including asst_open, as Hugging Face tokenizes the rendered text, except that special
 * tokens spelt out in the question or a choice stay text. place[k] gets the tokens of out from the first placeholder of image k
 * to its last; all img_token among them are its placeholders, and others are tags of tiles. begin[] has no meaning here. On failure out is unchanged. */
MUST_USE int prompt_encode(const struct tokenizer *t, const struct chat_template *c, const struct prompt_in *in,
                           struct tok_ids *out, struct span *place);
#endif
