/* SPDX-License-Identifier: Apache-2.0 */
#include "train/dataset.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct set { struct image_set is; off_t at; size_t size; };     /* is.packed is empty: the bytes are in the spill */

struct dataset {
    struct example *ex; int n, cap;
    struct set *set; int nset, set_cap;
    int *bucket; int nbucket;                  /* open addressing over digests, -1: empty; a power of two */
    int fd;
    off_t end;
    long tokens;
    int longest;
    struct hash *hash;                         /* of all examples so far */
    char digest[HASH_HEX];
};

struct dataset *dataset_new(const char *spill)
{
    char *path = mem_fmt("%s.XXXXXX", spill);
    int fd = mkstemp(path);
    if (fd < 0) { fail_errno("%s", path); free(path); return NULL; }
    unlink(path);
    free(path);
    struct dataset *ds = mem_alloc(sizeof *ds);
    ds->fd = fd;
    ds->hash = hash_new();
    return ds;
}

void dataset_free(struct dataset *ds)
{
    if (!ds) return;
    for (int i = 0; i < ds->n; i++) example_free(&ds->ex[i]);
    if (ds->hash) hash_end(ds->hash, ds->digest);
    close(ds->fd);
    for (int i = 0; i < ds->nset; i++) free(ds->set[i].is.tiles);
    free(ds->ex);
    free(ds->set);
    free(ds->bucket);
    free(ds);
}

/* ---- image sets ---- */

static int *find_bucket(const struct dataset *ds, const uint64_t digest[2])
{
    for (uint64_t h = digest[0];; h++) {
        int *b = &ds->bucket[h & (uint64_t)(ds->nbucket - 1)];
        if (*b < 0) return b;
        const uint64_t *d = ds->set[*b].is.digest;
        if (d[0] == digest[0] && d[1] == digest[1]) return b;
    }
}

static void grow_buckets(struct dataset *ds)
{
    ds->nbucket = ds->nbucket ? 2 * ds->nbucket : 1024;
    ds->bucket = mem_grow(ds->bucket, (size_t)ds->nbucket, sizeof *ds->bucket);
    for (int i = 0; i < ds->nbucket; i++) ds->bucket[i] = -1;
    for (int i = 0; i < ds->nset; i++) *find_bucket(ds, ds->set[i].is.digest) = i;
}

static int spill(struct dataset *ds, const struct buf *b)
{
    size_t done = 0;
    while (done < b->len) {
        ssize_t r = pwrite(ds->fd, b->p + done, b->len - done, ds->end + (off_t)done);
        if (r < 0 && errno == EINTR) continue;
        if (r < 0) return fail_errno("temporary file for images");
        done += (size_t)r;
    }
    return 0;
}

/* The set's index; a new one takes the contents but for `packed`, which goes into the spill. */
static int find_set(struct dataset *ds, struct image_set *is)
{
    if (2 * (ds->nset + 1) > ds->nbucket) grow_buckets(ds);
    int *b = find_bucket(ds, is->digest);
    if (*b >= 0) return *b;
    if (spill(ds, &is->packed)) return -1;
    if (ds->nset == ds->set_cap) {
        ds->set_cap = ds->set_cap ? 2 * ds->set_cap : 256;
        ds->set = mem_grow(ds->set, (size_t)ds->set_cap, sizeof *ds->set);
    }
    struct set *s = &ds->set[ds->nset];
    *s = (struct set){ .is = *is, .at = ds->end, .size = is->packed.len };
    s->is.packed = (struct buf){ 0 };
    is->tiles = NULL;
    ds->end += (off_t)is->packed.len;
    return *b = ds->nset++;
}

int dataset_sets(const struct dataset *ds) { return ds->nset; }
const struct image_set *dataset_set(const struct dataset *ds, int set) { return &ds->set[set].is; }

int dataset_pixels(const struct dataset *ds, const struct model_io *io, int set, float *px)
{
    const struct set *s = &ds->set[set];
    uint8_t *p = mem_try(s->size, "image");
    if (!p) return -1;
    int bad = 0;
    for (size_t done = 0; !bad && done < s->size;) {
        ssize_t r = pread(ds->fd, p + done, s->size - done, s->at + (off_t)done);
        if (r < 0 && errno == EINTR) continue;
        if (r <= 0) bad = r ? fail_errno("temporary file for images") : fail("temporary file for images: cut short");
        else done += (size_t)r;
    }
    if (!bad) bad = image_set_pixels(&s->is, p, s->size, io, px);
    free(p);
    return bad;
}

/* ---- examples ---- */

static void digest_example(struct dataset *ds, const struct example *x)
{
    int head[3] = { x->nseq, x->nplace, x->nown };
    hash_add(ds->hash, head, sizeof head);
    for (int i = 0; i < x->nseq; i++) {
        int seq[2] = { x->seq[i].n, x->seq[i].prompt };
        hash_add(ds->hash, seq, sizeof seq);
        hash_add(ds->hash, x->seq[i].id, (size_t)x->seq[i].n * sizeof *x->seq[i].id);
    }
    if (x->nplace) hash_add(ds->hash, x->place, (size_t)x->nplace * sizeof *x->place);
    if (x->nown) hash_add(ds->hash, x->own, (size_t)x->nown * sizeof *x->own);
    if (x->set >= 0) hash_add(ds->hash, ds->set[x->set].is.digest, sizeof ds->set[x->set].is.digest);
}

int dataset_add(struct dataset *ds, struct draft *d)
{
    assert(ds->hash);
    if (ds->n == INT_MAX / 2) return fail("more than %d examples", ds->n);
    int set = -1;
    if (d->ex.nplace && (set = find_set(ds, &d->set)) < 0) return -1;
    if (ds->n == ds->cap) {
        ds->cap = ds->cap ? 2 * ds->cap : 1024;
        ds->ex = mem_grow(ds->ex, (size_t)ds->cap, sizeof *ds->ex);
    }
    struct example *x = &ds->ex[ds->n++];
    *x = d->ex;
    x->set = set;
    d->ex = (struct example){ .set = -1 };
    digest_example(ds, x);
    for (int i = 0; i < x->nseq; i++) {
        ds->tokens += x->seq[i].n;
        ds->longest = mem_max(ds->longest, x->seq[i].n);
    }
    return 0;
}

int dataset_count(const struct dataset *ds) { return ds->n; }
const struct example *dataset_at(const struct dataset *ds, int i) { return &ds->ex[i]; }
long dataset_tokens(const struct dataset *ds) { return ds->tokens; }
int dataset_longest(const struct dataset *ds) { return ds->longest; }

void dataset_digest(struct dataset *ds, char hex[HASH_HEX])
{
    if (ds->hash) hash_end(ds->hash, ds->digest);
    ds->hash = NULL;
    memcpy(hex, ds->digest, HASH_HEX);
}
