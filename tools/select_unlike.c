/* SPDX-License-Identifier: Apache-2.0
 * Records that occur in test sets, by their images and questions. Of a test set a hash of each image and question is held.
 */
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "base/near.h"
#include "media/phash.h"
#include "media/source.h"
#include "select.h"
#include "text/question.h"

struct test { uint64_t question; const char *id; bool asks, pictured; };       /* a record of a test set */

struct unlike {
    const struct unlike_opts *o;
    struct media_source *media, *tests_media;  /* the same where only one is given */
    struct test *test; uint32_t n, cap;
    uint32_t *by_question;                     /* [n] tests, ascending by question; of equal ones the first comes first */
    struct near images;                        /* codes to tests */
    uint64_t nimage, image_only, question_only;
    struct arena text;
};

/* ---- what a record shows and asks ---- */

static int hash_image(struct media_source *media, const val *image, uint64_t *hash)
{
    struct image im;
    const uint8_t *bytes;
    struct media_item item = { .alpha = ALPHA_WHITE };
    const val *ref = val_get(image, "ref"), *data = val_get(image, "data");
    if (val_bin(data, &bytes, &item.ndata)) item.data = bytes;
    else if (!val_str(ref, &item.ref, &item.nref)) return fail("neither \"ref\" nor \"data\"");
    if (media_image(media, &item, &im, NULL)) return -1;
    int bad = image_phash(&im, hash);
    image_free(&im);
    return bad;
}

static int look(struct media_source *media, const struct record *r, struct looks *out)
{
    struct slice q;
    const val *images = val_get(&r->root, "images");
    *out = (struct looks){ .nimage = val_len(images) };
    out->image = mem_array((size_t)out->nimage, sizeof *out->image);
    for (int i = 0; i < out->nimage; i++)
        if (hash_image(media, val_at(images, i), &out->image[i])) return fail_in("image %d", i + 1);
    if (!val_str(val_get(&r->root, "question"), &q.p, &q.n)) return 0;
    struct buf key = { 0 };
    question_key(q, &key);
    out->asks = key.len > 0;
    if (out->asks) out->question = hash64(key.p, key.len, 0);
    buf_free(&key);
    return 0;
}

int unlike_look(struct unlike *u, const struct record *r, struct looks *out) { return look(u->media, r, out); }

void looks_free(struct looks *l)
{
    free(l->image);
    *l = (struct looks){ 0 };
}

/* ---- test sets ---- */

struct test_item { struct record *r; struct looks looks; };
struct test_reader { struct unlike *u; struct rec_reader *in; };

static void drop_test(void *arg, void *item)
{
    struct test_item *it = item;
    (void)arg;
    rec_free(it->r);
    looks_free(&it->looks);
    free(it);
}

static int read_test(void *arg, void **item)
{
    struct test_reader *t = arg;
    struct test_item *it = mem_alloc(sizeof *it);
    it->r = rec_new();
    int got = rec_read(t->in, it->r);
    if (got > 0) *item = it;
    else drop_test(arg, it);
    return got;
}

static int look_at_test(void *arg, void *item)
{
    struct test_reader *t = arg;
    struct test_item *it = item;
    char label[256];
    return look(t->u->tests_media, it->r, &it->looks) ? fail_in("%s", rec_label(it->r, label, sizeof label)) : 0;
}

static int add_test(void *arg, void *item)
{
    struct unlike *u = ((struct test_reader *)arg)->u;
    struct test_item *it = item;
    const char *id = "";
    size_t n = 0;
    (void)val_str(val_get(&it->r->root, "id"), &id, &n);
    if (u->n == u->cap) {
        u->cap = u->cap ? 2 * u->cap : 1024;
        u->test = mem_grow(u->test, u->cap, sizeof *u->test);
    }
    for (int i = 0; i < it->looks.nimage; i++) near_add(&u->images, it->looks.image[i], u->n);
    u->nimage += (uint64_t)it->looks.nimage;
    u->test[u->n++] = (struct test){ it->looks.question, arena_str(&u->text, id, n), it->looks.asks, it->looks.nimage > 0 };
    drop_test(arg, it);
    return u->n == UINT32_MAX ? fail("too many records") : 0;
}

static int read_tests(struct unlike *u, const char *path, int threads)
{
    FILE *f = fopen(path, "rb");
    if (!f) return fail_errno("--unlike %s", path);
    struct test_reader t = { u, rec_reader_new(f, path) };
    struct par_pipe pipe = { &t, read_test, look_at_test, add_test, drop_test };
    int bad = par_pipe(threads, &pipe);
    rec_reader_free(t.in);
    fclose(f);
    return bad ? fail_in("--unlike %s", path) : 0;
}

static int by_question(const void *a, const void *b, void *arg)
{
    const struct unlike *u = arg;
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    uint64_t x = u->test[i].question, y = u->test[j].question;
    return x != y ? (x > y) - (x < y) : (i > j) - (i < j);
}

static void seal(struct unlike *u)
{
    near_seal(&u->images);
    u->by_question = mem_array((size_t)u->n + 1, sizeof *u->by_question);
    for (uint32_t i = 0; i < u->n; i++) u->by_question[i] = i;
    qsort_r(u->by_question, u->n, sizeof *u->by_question, by_question, u);
}

struct unlike *unlike_open(const struct unlike_opts *o, int threads)
{
    struct unlike *u = mem_alloc(sizeof *u);
    u->o = o;
    u->media = media_open(o->images, NULL);
    u->tests_media = o->tests_images ? media_open(o->tests_images, NULL) : u->media;
    int bad = !u->media || !u->tests_media;
    for (int i = 0; i < o->files.n && !bad; i++) bad = read_tests(u, o->files.v[i], threads);
    if (bad) {
        unlike_close(u);
        return NULL;
    }
    seal(u);
    return u;
}

void unlike_close(struct unlike *u)
{
    if (!u) return;
    if (u->tests_media != u->media) media_close(u->tests_media);
    media_close(u->media);
    near_free(&u->images);
    arena_free(&u->text);
    free(u->test);
    free(u->by_question);
    free(u);
}

/* ---- comparing ---- */

/* The test that is most like a record: the nearest, and of equally near ones the first. test -1: none. */
struct like { int64_t test; int distance; };
struct comparing { const struct unlike *u; const struct looks *l; struct like image, both; };

static void nearer(struct like *best, uint32_t test, int distance)
{
    if (best->test < 0 || distance < best->distance || (distance == best->distance && test < best->test)) *best = (struct like){ test, distance };
}

static bool image_found(void *arg, uint32_t test, int distance)
{
    struct comparing *c = arg;
    const struct test *t = &c->u->test[test];
    nearer(&c->image, test, distance);
    if (c->l->asks && t->asks && t->question == c->l->question) nearer(&c->both, test, distance);
    return false;
}

/* The first test that asks this question; alone: one without images. */
static struct like find_question(const struct unlike *u, const struct looks *l, bool alone)
{
    uint32_t low = 0, high = u->n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (u->test[u->by_question[middle]].question < l->question) low = middle + 1;
        else high = middle;
    }
    for (; l->asks && low < u->n && u->test[u->by_question[low]].question == l->question; low++) {
        const struct test *t = &u->test[u->by_question[low]];
        if (t->asks && !(alone && t->pictured)) return (struct like){ u->by_question[low], 0 };
    }
    return (struct like){ -1, 0 };
}

static void put_like(struct unlike *u, struct record *r, const struct like *like)
{
    val *meta = val_set_map(&r->zone, &r->root, "meta"), map = val_map();
    val_set(&r->zone, &map, "id", val_of_cstr(&r->zone, u->test[like->test].id));
    val_set(&r->zone, &map, "bits", val_of_i64(like->distance));
    val_set(&r->zone, meta, "like", map);
}

const char *unlike_judge(struct unlike *u, struct record *r, const struct looks *l)
{
    struct comparing c = { u, l, { -1, 0 }, { -1, 0 } };
    for (int i = 0; i < l->nimage; i++) near_find(&u->images, l->image[i], u->o->distance, image_found, &c);
    struct like question = find_question(u, l, false);
    if (!l->nimage) c.both = find_question(u, l, true);
    const struct { const struct like *like; const char *why; bool counts; } kinds[] = {
        { &c.both, "image and question in a test set", true },
        { &c.image, "image in a test set", u->o->by == UNLIKE_IMAGE || u->o->by == UNLIKE_EITHER },
        { &question, "question in a test set", u->o->by == UNLIKE_QUESTION || u->o->by == UNLIKE_EITHER } };
    for (int i = 0; i < countof(kinds); i++)
        if (kinds[i].counts && kinds[i].like->test >= 0) {
            put_like(u, r, kinds[i].like);
            return kinds[i].why;
        }
    u->image_only += c.image.test >= 0;
    u->question_only += question.test >= 0;
    return NULL;
}

void unlike_note(const struct unlike *u, struct tool *t)
{
    tool_note(t, "compared with %.0f records and %.0f images of test sets", (double)u->n, (double)u->nimage);
    if (u->image_only) tool_note(t, "kept, though an image of theirs is in a test set: %.0f", (double)u->image_only);
    if (u->question_only) tool_note(t, "kept, though a test set asks the same question: %.0f", (double)u->question_only);
}
