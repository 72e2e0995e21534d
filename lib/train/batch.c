/* SPDX-License-Identifier: Apache-2.0 */
#include "train/batch.h"

#include <stdlib.h>
#include <string.h>

/* ---- storage ---- */

static void need_rows(struct batch *b, size_t rows)
{
    if (rows <= b->row_cap) return;
    size_t n = b->row_cap = rows + rows / 2;
    b->id = mem_grow(b->id, n, sizeof *b->id);
    b->pos = mem_grow(b->pos, n, sizeof *b->pos);
    b->target = mem_grow(b->target, n, sizeof *b->target);
    b->lp = mem_grow(b->lp, n, sizeof *b->lp);
    b->dlp = mem_grow(b->dlp, n, sizeof *b->dlp);
    b->img_row = mem_grow(b->img_row, n, sizeof *b->img_row);
    b->img_src = mem_grow(b->img_src, n, sizeof *b->img_src);
}

static void need_seqs(struct batch *b, size_t seqs)        /* of examples; as many prefixes may come on top */
{
    if (seqs <= b->seq_cap) return;
    size_t n = b->seq_cap = seqs + seqs / 2;
    b->seq = mem_grow(b->seq, n, sizeof *b->seq);
    b->set = mem_grow(b->set, n, sizeof *b->set);
    b->start = mem_grow(b->start, 2 * n + 1, sizeof *b->start);
    b->prefix = mem_grow(b->prefix, 2 * n, sizeof *b->prefix);
}

static void need_images(struct batch *b, size_t images)
{
    if (images <= b->image_cap) return;
    b->image_cap = images + images / 2;
    b->image = mem_grow(b->image, b->image_cap, sizeof *b->image);
}

static int need_pixels(struct batch *b, size_t floats)
{
    if (floats <= b->px_cap) return 0;
    free(b->pixels);
    b->px_cap = 0;
    if (!(b->pixels = mem_try(floats * sizeof *b->pixels, "pixels of a micro-batch"))) return -1;
    b->px_cap = floats;
    return 0;
}

void batch_free(struct batch *b)
{
    void *p[] = { b->seq, b->target, b->lp, b->dlp, b->id, b->pos, b->start, b->img_row, b->img_src, b->set, b->prefix, b->image,
                  b->pixels };
    for (int i = 0; i < countof(p); i++) free(p[i]);
    *b = (struct batch){ 0 };
}

/* ---- images ---- */

static void shifted(float *to, const float *from, const struct tiles *t, int dx, int dy)
{
    for (int y = 0; y < t->h; y++) {
        const float *row = from + (size_t)mem_min(mem_max(y - dy, 0), t->h - 1) * (size_t)t->w;
        for (int x = 0; x < t->w; x++) *to++ = row[mem_min(mem_max(x - dx, 0), t->w - 1)];
    }
}

static int move_tiles(float *px, const struct tiles *t, int dx, int dy)
{
    size_t n = (size_t)t->h * (size_t)t->w;
    float *tmp = mem_try(n * sizeof *tmp, "image");
    if (!tmp) return -1;
    for (int i = 0; i < 3 * t->n; i++, px += n) {
        shifted(tmp, px, t, dx, dy);
        memcpy(px, tmp, n * sizeof *px);
    }
    free(tmp);
    return 0;
}

static int load_set(float *px, const struct batch_cfg *c, int set, uint64_t when)
{
    if (dataset_pixels(c->ds, c->io, set, px)) return -1;
    if (!c->jitter) return 0;
    const struct image_set *s = dataset_set(c->ds, set);
    struct rng_key key = rng_key(c->seed, s->digest, sizeof s->digest);
    uint32_t n = 2 * (uint32_t)c->jitter + 1;
    int dx = (int)rng_below(key, when, 0, n) - c->jitter, dy = (int)rng_below(key, when, 1, n) - c->jitter;
    for (int k = 0; k < s->nimage; px += tiles_floats(&s->tiles[k++]))
        if (move_tiles(px, &s->tiles[k], dx, dy)) return -1;
    return 0;
}

/* The first feature row of a set among the batch's; the set is appended when it is new. */
static int feature_of(struct batch *b, const struct batch_cfg *c, int set)
{
    int feature = 0;
    for (int i = 0; i < b->nset; feature += dataset_set(c->ds, b->set[i++])->nfeature)
        if (b->set[i] == set) return feature;
    const struct image_set *s = dataset_set(c->ds, set);
    b->set[b->nset++] = set;
    need_images(b, (size_t)b->in.nimage + (size_t)s->nimage);
    for (int k = 0; k < s->nimage; k++) b->image[b->in.nimage++] = (struct model_image){ .tiles = s->tiles[k] };
    return feature;
}

static int load_pixels(struct batch *b, const struct batch_cfg *c, uint64_t when)
{
    size_t total = 0;
    for (int i = 0; i < b->in.nimage; i++) total += tiles_floats(&b->image[i].tiles);
    if (need_pixels(b, total)) return -1;
    float *px = b->pixels;
    for (int i = 0, k = 0; i < b->nset; i++) {
        const struct image_set *s = dataset_set(c->ds, b->set[i]);
        if (load_set(px, c, b->set[i], when)) return -1;
        for (int end = k + s->nimage; k < end; px += tiles_floats(&b->image[k++].tiles)) b->image[k].px = px;
    }
    return 0;
}

/* ---- rows ---- */

static void open_seq(struct batch *b, struct span prefix)
{
    b->prefix[b->in.nseq] = prefix;
    b->start[b->in.nseq++] = b->in.ntok;
    b->start[b->in.nseq] = b->in.ntok;
}

/* Tokens [from, to) of a sequence become rows of the sequence opened last. */
static void put_tokens(struct batch *b, const struct train_seq *s, int from, int to)
{
    for (int j = from; j < to; j++) {
        int row = b->in.ntok++;
        b->id[row] = (int)s->id[j];
        b->pos[row] = j;
        b->target[row] = j + 1 >= s->prompt && j + 1 < s->n ? (int)s->id[j + 1] : -1;
    }
    b->start[b->in.nseq] = b->in.ntok;
}

/* The image places among tokens [from, to), whose first one is row `row`, take their features. */
static void put_images(struct batch *b, const struct batch_cfg *c, const struct example *x, int from, int to, int row)
{
    if (x->set < 0) return;
    int base = feature_of(b, c, x->set);
    for (int k = 0; k < x->nplace; k++) {
        const struct train_place *p = &x->place[k];
        const uint32_t *id = x->seq[0].id;     /* images belong to the prompt, the same in every sequence */
        int next = base + p->feature + input_places(id, p->pos, mem_min(from, p->end), p->token);
        for (int j = mem_max(p->pos, from); j < mem_min(p->end, to); j++) {
            if (id[j] != p->token) continue;
            b->img_row[b->in.nimg] = row + j - from;
            b->img_src[b->in.nimg++] = next++;
        }
    }
}

static void put_example(struct batch *b, const struct batch_cfg *c, const struct example *x, struct span prefix)
{
    int skip = prefix.end - prefix.begin;
    for (int i = 0; i < x->nseq; i++) {
        int row = b->in.ntok;
        b->seq[b->nseq++] = (struct batch_seq){ x, i, row, skip };
        open_seq(b, prefix);
        put_tokens(b, &x->seq[i], skip, x->seq[i].n);
        put_images(b, c, x, skip, x->seq[i].n, row);
        b->tokens += x->seq[i].n;
    }
    b->examples++;
}

static void put_run(struct batch *b, const struct batch_cfg *c, const struct run *run, const int *which, int n)
{
    struct span prefix = { 0, 0 };
    int shared = run_prefix(run, c->share);
    if (shared) {
        prefix = (struct span){ b->in.ntok, b->in.ntok + shared };
        open_seq(b, (struct span){ 0, 0 });
        put_tokens(b, &run->head->seq[0], 0, shared);
        put_images(b, c, run->head, 0, shared, prefix.begin);
    }
    for (int i = 0; i < n; i++) put_example(b, c, dataset_at(c->ds, which[i]), prefix);
}

static void need_room(struct batch *b, const struct batch_cfg *c, const int *which, int n)
{
    size_t rows = 0, seqs = 0;
    for (int i = 0; i < n; i++) {
        const struct example *x = dataset_at(c->ds, which[i]);
        seqs += (size_t)x->nseq;
        for (int k = 0; k < x->nseq; k++) rows += (size_t)x->seq[k].n;
    }
    need_rows(b, rows);
    need_seqs(b, seqs);
}

void batch_layout(struct batch *b, const struct batch_cfg *c, const int *which, int n)
{
    b->in = (struct model_batch){ 0 };
    b->nseq = b->nset = b->examples = 0;
    b->tokens = 0;
    need_room(b, c, which, n);
    for (int i = 0; i < n;) {
        struct run run = { 0 };
        int first = i;
        while (i < n && run_takes(&run, dataset_at(c->ds, which[i]))) run_add(&run, dataset_at(c->ds, which[i++]));
        put_run(b, c, &run, which + first, i - first);
    }
    b->in.id = b->id;
    b->in.pos = b->pos;
    b->in.start = b->start;
    b->in.prefix = b->prefix;
    b->in.image = b->image;
    b->in.img_row = b->img_row;
    b->in.img_src = b->img_src;
}

int batch_build(struct batch *b, const struct batch_cfg *c, const int *which, int n, uint64_t when)
{
    batch_layout(b, c, which, n);
    return load_pixels(b, c, when);
}
