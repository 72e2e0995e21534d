/* SPDX-License-Identifier: Apache-2.0
 * From a record to what the model sees: the prompt's tokens with image places, and the images' tiles. Training and
 * generation share it, so that a model is asked exactly as it was taught.
 *
 *     struct model_io *io = model_io_load("sft", "images.zip");       tokenizer, chat template, image processor
 *     struct input in = { 0 };
 *     if (input_build(io, record, &in, &why)) ...                     why: the reason without particulars
 *     in.id[in.n]; in.image[k].pos; in.pixels
 *     input_free(&in);
 */
#ifndef MODEL_INPUT_H
#define MODEL_INPUT_H

#include "model/config.h"
#include "record/record.h"
#include "text/prm_form.h"
#include "text/prompt.h"
#include "text/tokenizer.h"

struct input_media;                            /* image processor and image store, private */
struct model_io {
    struct tokenizer *tok;                     /* owned */
    struct chat_template *chat;                /* owned */
    bool own_chat;                             /* not the folder's by itself: a copy of the model needs it saved (chat_save) */
    struct model_cfg *cfg;                     /* owned */
    int max_positions;                         /* tokens of prompt and response together */
    int *stop; int nstop;                      /* token ids that end a response: eos and end of turn, ascending */
    struct prm_form *prm;                      /* how a process reward model is asked; NULL: prompts are the chat's. Owned */
    bool own_prm;                              /* as own_chat, prm_style_save */
    int end_of_turn;                           /* the token that closes a response in training: first token of asst_close */
    struct input_media *media;
};
/* dir: a GGUF file, or a checkpoint folder (config.json, tokenizer.json, preprocessor_config.json and generation_config.json when there).
 * images: folder or archive that relative image references are looked up in; NULL: the present folder. */
struct model_io *model_io_load(const char *dir, const char *images);   /* NULL + fail() */
struct model_io_cfg {
    const char *images;                        /* as above */
    const char *chat;                          /* name or file of a chat template; NULL: the folder's (chat_pick) */
    bool prm;                                  /* it is a process reward model ... */
    const char *prm_style;                     /* ... asked in this style (text/prm_form.h); NULL: the folder's */
};
struct model_io *model_io_open(const char *dir, const struct model_io_cfg *c);         /* NULL + fail() */
struct tiles model_io_largest(const struct model_io *io);                /* of large pictures of many shapes, what takes most; n 0: no images */
void model_io_free(struct model_io *io);                               /* NULL is fine */

struct input_image {
    int pos, end;                              /* its places are the tokens of id[pos .. end) that are `token`: */
    uint32_t token;
    int n;                                     /* so many, cfg_image_tokens; they take its features in order */
    struct tiles tiles;
    size_t px;                                 /* index in pixels[] of its first float */
    uint64_t digest[2];                        /* of the tiles' shape and pixels */
};
/* How many of the tokens [begin, end) of id are such places. */
static inline int input_places(const uint32_t *id, int begin, int end, uint32_t token)
{
    int n = 0;
    for (int i = begin; i < end; i++) n += id[i] == token;
    return n;
}
struct input {
    uint32_t *id; int n;                       /* the prompt up to and including asst_open */
    char *tail; size_t ntail;                  /* of a reward model: the prompt's text that is encoded with the path; NULL: none */
    struct input_image *image; int nimage;
    float *pixels; size_t npx;                 /* the images' tiles behind one another; NULL when there are none */
};
/* The prompt of the record's sample part (question, choices, images); a path or pair in it is not looked at. Thread-safe.
 * Returns -1 with *why set for a record that cannot be asked: "no question", "unreadable image", "prompt too long", ... */
MUST_USE int input_build(const struct model_io *io, const struct record *r, struct input *in, const char **why);
/* A copy with n more tokens behind it. */
struct input input_behind(const struct input *in, const uint32_t *id, int n);
void input_drop_pixels(struct input *in);      /* frees the pixels, keeps the rest */
void input_free(struct input *in);             /* frees the contents and zeroes them */

#endif
