/* SPDX-License-Identifier: Apache-2.0 */
#include "train/example.h"

#include <stdlib.h>
#include <string.h>

static void set_digest(const struct input *in, uint64_t digest[2])
{
    digest[0] = digest[1] = 0;
    for (int k = 0; k < in->nimage; k++) {
        uint64_t part[4] = { digest[0], digest[1], in->image[k].digest[0], in->image[k].digest[1] };
        digest[0] = hash64(part, sizeof part, 0);
        digest[1] = hash64(part, sizeof part, 1);
    }
}

/* A record that holds nothing but the images. */
static int pack_images(const struct record *r, struct buf *out)
{
    struct record *only = rec_new();
    val_set(&only->zone, &only->root, "question", val_of_cstr(&only->zone, "?"));
    val_set(&only->zone, &only->root, "images", val_copy(&only->zone, val_get(&r->root, "images")));
    int bad = rec_pack(only, out);
    rec_free(only);
    return bad;
}

int draft_begin(struct draft *d, const struct model_io *io, const struct record *r, const char **why)
{
    *d = (struct draft){ .ex = { .number = r->number, .set = -1 } };
    if (input_build(io, r, &d->in, why)) return -1;
    struct input *in = &d->in;
    if (!in->nimage) return 0;
    set_digest(in, d->set.digest);
    d->set.npx = in->npx;
    d->set.nimage = in->nimage;
    d->set.tiles = mem_array((size_t)in->nimage, sizeof *d->set.tiles);
    if (pack_images(r, &d->set.packed)) return *why = "images too large", -1;
    d->ex.nplace = in->nimage;
    d->ex.place = mem_array((size_t)in->nimage, sizeof *d->ex.place);
    for (int k = 0; k < in->nimage; k++) {
        d->set.tiles[k] = in->image[k].tiles;
        d->ex.place[k] = (struct train_place){ in->image[k].pos, in->image[k].end, d->set.nfeature, in->image[k].token };
        d->set.nfeature += in->image[k].n;
    }
    input_drop_pixels(in);
    return 0;
}

static struct train_seq *add_seq(struct draft *d, const uint32_t *id, int n, int more)
{
    struct train_seq *s = &d->ex.seq[d->ex.nseq++];
    s->prompt = d->in.n;
    s->n = d->in.n + n + more;
    s->id = mem_array((size_t)s->n, sizeof *s->id);
    memcpy(s->id, d->in.id, (size_t)d->in.n * sizeof *s->id);
    if (n) memcpy(s->id + d->in.n, id, (size_t)n * sizeof *s->id);
    return s;
}

void draft_tokens(struct draft *d, const uint32_t *id, int n) { add_seq(d, id, n, 0); }

void draft_response(struct draft *d, const struct model_io *io, const uint32_t *id, int n)
{
    bool end = io->end_of_turn >= 0;
    struct train_seq *s = add_seq(d, id, n, end);
    if (end) s->id[s->n - 1] = (uint32_t)io->end_of_turn;
}

int draft_longest(const struct draft *d)
{
    int n = 0;
    for (int i = 0; i < d->ex.nseq; i++) n = mem_max(n, d->ex.seq[i].n);
    return n;
}

void example_free(struct example *x)
{
    for (int i = 0; i < x->nseq; i++) free(x->seq[i].id);
    free(x->place);
    free(x->own);
    *x = (struct example){ .set = -1 };
}

void draft_free(struct draft *d)
{
    example_free(&d->ex);
    free(d->set.tiles);
    buf_free(&d->set.packed);
    input_free(&d->in);
}

int image_set_pixels(const struct image_set *s, const void *packed, size_t n, const struct model_io *io, float *px)
{
    struct record *r = rec_new();
    struct input in = { 0 };
    const char *why = NULL;
    int bad = rec_unpack(r, packed, n) || input_build(io, r, &in, &why);
    if (!bad) {
        uint64_t digest[2];
        set_digest(&in, digest);
        if (in.npx != s->npx || digest[0] != s->digest[0] || digest[1] != s->digest[1])
            bad = fail("the image is not the one that was read before");
        else
            memcpy(px, in.pixels, in.npx * sizeof *px);
    }
    input_free(&in);
    rec_free(r);
    return bad ? -1 : 0;
}
