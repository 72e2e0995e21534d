/* SPDX-License-Identifier: Apache-2.0
 * Hostile images and archives, cuts at every byte, and seeded mutations: an error or the same result, never a crash.
 */
#include <unistd.h>
#include "../bad/bad.h"
#include "base/file.h"
#include "base/rng.h"
#include "media/source.h"
#include "t.h"

static char dir[] = "/tmp/t_media_bad.XXXXXX";

static void write_to_dir(const char *name, const struct buf *b)
{
    char *path = file_join(dir, name);
    FILE *f = fopen(path, "wb");
    T_CHECK(f && fwrite(b->p, 1, b->len, f) == b->len && fclose(f) == 0);
    free(path);
}

static void test_hostile(void)
{
    for (int i = 0; i < countof(bad_cases); i++) {
        struct buf b = {0};
        if (bad_cases[i].slow) continue;           /* made smaller in t_media_archive */
        bad_cases[i].make(&b);
        write_to_dir(bad_cases[i].file, &b);
        buf_free(&b);
    }
    struct media_source *m = media_open(dir, NULL);
    T_CHECK(m != NULL);
    for (int i = 0; m && i < countof(bad_cases); i++) {
        const struct bad_case *c = &bad_cases[i];
        struct image im;
        if (c->slow) continue;
        T_FAIL(media_image(m, &(struct media_item){ .ref = c->ref, .nref = strlen(c->ref) }, &im, NULL), c->message);
        T_CHECK(im.px == NULL);
    }
    media_close(m);
}

/* Bytes in memory of exactly that size, so that a read past the end is seen. */
static int decode_exact(const void *p, size_t n, struct image *im)
{
    uint8_t *q = mem_alloc(n);
    memcpy(q, p, n);
    int r = image_decode(q, n, 1 << 20, ALPHA_WHITE, im);
    free(q);
    return r;
}

static bool same_image(const struct image *a, const struct image *b)
{
    return a->w == b->w && a->h == b->h && !memcmp(a->px, b->px, (size_t)a->w * (size_t)a->h * 3);
}

static void cut_everywhere(const struct buf *b)
{
    struct image whole, im;
    T_OK(decode_exact(b->p, b->len, &whole));
    size_t accepted = 0;
    for (size_t n = 0; n < b->len; n++) {
        if (decode_exact(b->p, n, &im)) continue;
        accepted++;
        T_CHECK(same_image(&whole, &im));
        image_free(&im);
    }
    T_CHECK(accepted <= 4);                        /* bytes after the last that matters */
    image_free(&whole);
}

static void mutate(const struct buf *b, const char *purpose, int rounds)
{
    struct rng r = rng_new(7, purpose);
    uint8_t *q = mem_alloc(b->len);
    for (int i = 0; i < rounds; i++) {
        struct image im;
        memcpy(q, b->p, b->len);
        for (uint32_t k = rng_next_below(&r, 4) + 1; k; k--)
            q[rng_next_below(&r, (uint32_t)b->len)] = (uint8_t)rng_next_below(&r, 256);
        if (image_decode(q, b->len, 1 << 20, ALPHA_WHITE, &im) == 0) image_free(&im);
    }
    free(q);
}

static void each_format(void (*run)(const struct buf *b, const char *name))
{
    static const char *const names[] = { "png", "jpeg", "progressive jpeg", "webp", "lossless webp" };
    struct image im = make_image(21, 18);
    for (int i = 0; i < countof(names); i++) {
        struct buf b = {0};
        if (i == 0) T_OK(image_write_png(&im, &b));
        else if (i <= 2) make_jpeg(&b, &im, i == 2);
        else make_webp(&b, &im, i == 4);
        run(&b, names[i]);
        buf_free(&b);
    }
    image_free(&im);
}

static void cut_one(const struct buf *b, const char *name) { (void)name, cut_everywhere(b); }
static void mutate_one(const struct buf *b, const char *name) { mutate(b, name, 1500); }
static void test_cut_images(void) { each_format(cut_one); }
static void test_mutated_images(void) { each_format(mutate_one); }

/* ---- archives ---- */

static const char *const formats[] = { "zip", "store", "tar", "tar.gz", "tar.xz", "7zip" };
static const char small[] = "not an image, but a member";

static void small_archive(struct buf *out, const char *format)
{
    struct make_member m[] = { { .name = "a.png", .p = small, .n = 10 }, { .name = "b.png", .p = small, .n = sizeof small - 1 } };
    make_archive(out, format, m, 2);
}

/* Opens and reads; any outcome but a crash or wrong bytes. Returns members read. */
static int probe(const struct buf *b, bool intact)
{
    struct buf got = {0};
    write_to_dir("probe", b);
    char *path = file_join(dir, "probe");
    struct packed *a = packed_open(path, &(struct packed_limits){ .member = 1 << 16 });
    int members = 0;
    if (a && packed_get(a, "b.png", 5, &got) == 0) {
        members++;
        if (intact) T_CHECK(got.len == sizeof small - 1 && !memcmp(got.p, small, got.len));
    }
    if (a && packed_get(a, "a.png", 5, &got) == 0) members++;
    packed_close(a);
    buf_free(&got);
    free(path);
    return members;
}

static void test_cut_archives(void)
{
    for (int i = 0; i < countof(formats); i++) {
        struct buf b = {0};
        small_archive(&b, formats[i]);
        T_INT(probe(&b, true), 2);
        bool zip = i < 2;
        size_t step = b.len > 2000 ? 13 : 1;
        for (size_t n = 0; n < b.len; n += step) {
            int members = probe(&(struct buf){ .p = b.p, .len = n }, true);
            if (zip) T_INT(members, 0);
        }
        buf_free(&b);
    }
}

static void test_mutated_archives(void)
{
    for (int i = 0; i < countof(formats); i++) {
        struct buf b = {0}, q = {0};
        struct rng r = rng_new(9, formats[i]);
        small_archive(&b, formats[i]);
        for (int k = 0; k < 120; k++) {
            buf_clear(&q);
            buf_add(&q, b.p, b.len);
            for (uint32_t j = rng_next_below(&r, 4) + 1; j; j--)
                q.p[rng_next_below(&r, (uint32_t)mem_min(b.len, (size_t)1200))] = (char)rng_next_below(&r, 256);
            probe(&q, false);
        }
        buf_free(&b);
        buf_free(&q);
    }
}

int main(void)
{
    if (!mkdtemp(dir)) return 1;
    T_RUN(test_hostile);
    T_RUN(test_cut_images);
    T_RUN(test_mutated_images);
    T_RUN(test_cut_archives);
    T_RUN(test_mutated_archives);
    dir_remove(dir);
    return t_end();
}
