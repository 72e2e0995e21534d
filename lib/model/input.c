/* SPDX-License-Identifier: Apache-2.0 */
#include "model/input.h"

#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/hash.h"
#include "media/preprocess.h"
#include "media/source.h"

struct input_media { struct pre_cfg pre; struct media_source *source; };

enum { IMAGES_MAX = 256, CHOICES_MAX = 256 };          /* of one record */

/* ---- the folder ---- */

static void add_stop(struct model_io *io, int id)
{
    for (int i = 0; i < io->nstop; i++)
        if (io->stop[i] == id) return;
    io->stop = mem_grow(io->stop, (size_t)io->nstop + 1, sizeof *io->stop);
    int i = io->nstop++;
    for (; i > 0 && io->stop[i - 1] > id; i--) io->stop[i] = io->stop[i - 1];
    io->stop[i] = id;
}

static int find_stops(struct model_io *io, const struct model_cfg *c)
{
    io->end_of_turn = chat_end_token(io->tok, io->chat);
    if (io->end_of_turn < 0) return -1;
    add_stop(io, io->end_of_turn);
    for (int i = 0; i < c->neos; i++) add_stop(io, c->eos[i]);
    return 0;
}

static int check_vision(struct model_io *io, const struct model_cfg *c, const char *dir)
{
    const struct pre_cfg *p = &io->media->pre;
    int unit = c->vision.image ? 0 : c->vision.patch * c->shuffle;
    if (p->unit != unit)
        return fail("%s: the image processor makes images of multiples of %d, the vision tower takes %d (0: tiles of one size)", dir, p->unit, unit);
    if (c->newline != (p->kind == PRE_ANYRES))
        return fail("%s: the image processor %s tiles of sizes of its own, the model %s", dir, c->newline ? "does not make" : "makes",
                    c->newline ? "wants them" : "does not put them together");
    bool fits = c->vision.pos_any ? p->h == p->w && p->h >= c->vision.patch && p->h / c->vision.patch % c->shuffle == 0
                                  : p->h == c->vision.image && p->w == c->vision.image;
    if (!fits) return fail("%s: the image processor makes tiles of %dx%d, the vision tower takes %dx%d%s", dir, p->w, p->h, c->vision.image,
                           c->vision.image, c->vision.pos_any ? " and others that divide" : "");
    int id = io->chat->img_token ? tok_id(io->tok, io->chat->img_token) : -1;
    if (id < 0) return fail("%s: the tokenizer has no image token (%s)", dir, io->chat->img_token ? io->chat->img_token : "none");
    if (c->image_token_id >= 0 && id != c->image_token_id)
        return fail("%s: the image token is %d in config.json, and %d in the tokenizer (%s)", dir, c->image_token_id, id,
                    io->chat->img_token ? io->chat->img_token : "none");
    return 0;
}

static int load_prm(struct model_io *io, const char *dir, const char *style)
{
    struct prm_style s;
    io->own_prm = style;
    if (style ? prm_style_load(style, &s) : prm_style_pick(dir, io->tok, &s)) return -1;
    io->prm = prm_form_new(&s, io->chat, io->tok);
    return io->prm ? 0 : fail_in("%s", dir);
}

static int load_parts(struct model_io *io, const struct model_cfg *c, const char *dir, const struct model_io_cfg *want)
{
    if (!(io->tok = tok_load(dir))) return -1;
    if (tok_size(io->tok) > c->text.vocab)
        return fail("%s: the tokenizer has ids up to %d, the model a vocabulary of %d", dir, tok_size(io->tok) - 1, c->text.vocab);
    io->own_chat = want->chat;
    io->chat = want->chat ? chat_load(want->chat) : chat_pick(dir, c->chat, io->tok);
    if (!io->chat) return want->chat ? -1 : fail_in("%s", dir);
    if (want->prm && load_prm(io, dir, want->prm_style)) return -1;
    io->max_positions = c->text.max_pos;
    if (find_stops(io, c)) return fail_in("%s", dir);
    if (!c->has_vision) return 0;
    io->media = mem_alloc(sizeof *io->media);
    if (pre_load(&io->media->pre, dir)) return -1;
    if (!(io->media->source = media_open(want->images, NULL))) return -1;
    return check_vision(io, c, dir);
}

struct model_io *model_io_load(const char *dir, const char *images)
{
    return model_io_open(dir, &(struct model_io_cfg){ .images = images });
}

struct model_io *model_io_open(const char *dir, const struct model_io_cfg *want)
{
    struct model_cfg c;
    if (cfg_load(dir, &c)) return NULL;
    struct model_io *io = mem_alloc(sizeof *io);
    io->cfg = mem_alloc(sizeof *io->cfg);
    *io->cfg = c;
    if (!load_parts(io, io->cfg, dir, want)) return io;
    model_io_free(io);
    return NULL;
}

struct tiles model_io_largest(const struct model_io *io)
{
    static const int shape[][2] = { { 4096, 4096 }, { 8192, 4096 }, { 4096, 8192 }, { 8192, 1024 }, { 1024, 8192 }, { 6144, 4096 }, { 4096, 6144 } };
    struct tiles most = { 0 };
    for (int i = 0; io->cfg->has_vision && i < countof(shape); i++) {
        struct tiles t = pre_tiles(&io->media->pre, shape[i][0], shape[i][1]);
        if (tiles_floats(&t) > tiles_floats(&most)) most = t;
    }
    return most;
}

void model_io_free(struct model_io *io)
{
    if (!io) return;
    if (io->media) media_close(io->media->source);
    free(io->media);
    cfg_free(io->cfg);
    free(io->cfg);
    tok_free(io->tok);
    prm_form_free(io->prm);
    chat_free(io->chat);
    free(io->stop);
    free(io);
}

/* ---- a record ---- */

static int rejected(const char **why, const char *reason)
{
    *why = reason;
    return fail("%s", reason);
}

static bool is_list(const val *v) { return !v || v->type == MSGPACK_OBJECT_NIL || v->type == MSGPACK_OBJECT_ARRAY; }

/* Decodes image k of the list; -1 after fail(). */
static int load_image(const struct model_io *io, const val *images, int k, struct image *im)
{
    const val *v = val_at(images, k), *ref = val_get(v, "ref"), *data = val_get(v, "data");
    struct media_item item = { .alpha = io->media->pre.alpha };
    const uint8_t *bytes;
    if (val_bin(data, &bytes, &item.ndata)) item.data = bytes;
    else if (!val_str(ref, &item.ref, &item.nref)) return fail("image %d: neither \"ref\" nor \"data\"", k + 1);
    return media_image(io->media->source, &item, im, NULL) ? fail_in("image %d", k + 1) : 0;
}

static int tile_images(const struct model_io *io, const struct image *im, struct input *in)
{
    if (!in->nimage) return 0;
    in->pixels = mem_try(in->npx * sizeof *in->pixels, "tiles");
    if (!in->pixels) return -1;
    for (int k = 0; k < in->nimage; k++) {
        struct input_image *at = &in->image[k];
        float *px = in->pixels + at->px;
        if (pre_run(&io->media->pre, &im[k], px)) return -1;
        for (int j = 0; j < 2; j++)
            at->digest[j] = hash64(px, tiles_floats(&at->tiles) * sizeof *px, hash64(&at->tiles, sizeof at->tiles, (uint64_t)j));
    }
    return 0;
}

/* Images -> tiles. What a prompt of max_positions cannot hold is refused before memory is taken for it. */
static int build_images(const struct model_io *io, const val *images, struct input *in, const char **why)
{
    int n = val_len(images);
    if (!is_list(images)) return rejected(why, "images are not a list");
    if (!n) return 0;
    if (!io->media) return rejected(why, "images without a vision tower");
    if (n > IMAGES_MAX) return rejected(why, "too many images");
    struct image *im = mem_array((size_t)n, sizeof *im);
    in->image = mem_array((size_t)n, sizeof *in->image);
    int bad = 0;
    int64_t places = 0;
    for (int k = 0; k < n && !bad; k++) {
        if ((bad = load_image(io, images, k, &im[k]))) { *why = "unreadable image"; break; }
        struct tiles t = pre_tiles(&io->media->pre, im[k].w, im[k].h);
        if (!t.n) { bad = rejected(why, "image too narrow"); break; }
        int tokens = cfg_image_tokens(io->cfg, &t);
        in->image[in->nimage++] = (struct input_image){ .n = tokens, .tiles = t, .px = in->npx };
        in->npx += tiles_floats(&t);
        if ((places += tokens) > io->max_positions) bad = rejected(why, "prompt too long");
    }
    if (!bad && (bad = tile_images(io, im, in))) *why = "unreadable image";
    for (int k = 0; k < n; k++) image_free(&im[k]);
    free(im);
    return bad;
}

static int build_prompt(const struct model_io *io, const struct record *r, struct input *in, const char **why)
{
    struct prompt_in p = { 0 };
    const val *choices = val_get(&r->root, "choices");
    int nchoice = val_len(choices);
    if (!val_str(val_get(&r->root, "question"), &p.question.p, &p.question.n)) return rejected(why, "no question");
    if (!is_list(choices)) return rejected(why, "choices are not a list");
    if (nchoice > CHOICES_MAX) return rejected(why, "too many choices");
    struct slice choice[CHOICES_MAX];
    for (int i = 0; i < nchoice; i++)
        if (!val_str(val_at(choices, i), &choice[i].p, &choice[i].n)) return rejected(why, "a choice is not text");
    struct prompt_image image[IMAGES_MAX];
    struct span place[IMAGES_MAX];
    for (int k = 0; k < in->nimage; k++)
        image[k] = (struct prompt_image){ in->image[k].n, in->image[k].tiles.cols, in->image[k].tiles.rows };
    p.choice = choice;
    p.nchoice = nchoice;
    p.image = image;
    p.nimage = in->nimage;
    struct tok_ids ids = { 0 };
    struct buf tail = { 0 };
    if (io->prm) p.layout = io->prm->style.prompt, p.system = io->prm->style.system, p.tail = &tail;
    int bad = prompt_encode(io->tok, io->chat, &p, &ids, place);
    if (bad) *why = "image marks and images differ";
    else if (ids.n > (size_t)io->max_positions) bad = rejected(why, "prompt too long");
    in->tail = tail.p;
    in->ntail = tail.len;
    if (bad) {
        tok_ids_free(&ids);
        return -1;
    }
    for (int k = 0; k < in->nimage; k++) {
        in->image[k].pos = place[k].begin;
        in->image[k].end = place[k].end;
        in->image[k].token = (uint32_t)tok_id(io->tok, io->chat->img_token);
    }
    in->id = ids.id;
    in->n = (int)ids.n;
    free(ids.begin);
    return 0;
}

int input_build(const struct model_io *io, const struct record *r, struct input *in, const char **why)
{
    *in = (struct input){ 0 };
    if (!build_images(io, val_get(&r->root, "images"), in, why) && !build_prompt(io, r, in, why)) return 0;
    input_free(in);
    return -1;
}

struct input input_behind(const struct input *in, const uint32_t *id, int n)
{
    struct input out = *in;
    out.tail = NULL, out.ntail = 0;
    size_t images = (size_t)in->nimage, px = in->npx;
    out.n = in->n + n;
    out.id = mem_array((size_t)out.n, sizeof *out.id);
    out.image = mem_array(images, sizeof *out.image);
    out.pixels = px ? mem_array(px, sizeof *out.pixels) : NULL;
    memcpy(out.id, in->id, (size_t)in->n * sizeof *out.id);
    if (n) memcpy(out.id + in->n, id, (size_t)n * sizeof *id);
    if (images) memcpy(out.image, in->image, images * sizeof *out.image);
    if (px) memcpy(out.pixels, in->pixels, px * sizeof *out.pixels);
    return out;
}

void input_drop_pixels(struct input *in)
{
    free(in->pixels);
    in->pixels = NULL;
}

void input_free(struct input *in)
{
    free(in->id);
    free(in->tail);
    free(in->image);
    free(in->pixels);
    *in = (struct input){ 0 };
}
