/* SPDX-License-Identifier: Apache-2.0
 * Decoding, resampling and tiling against Pillow, torchvision and transformers: make_preprocess.py wrote the numbers.
 */
#include <inttypes.h>
#include <stdlib.h>
#include "../unit/t.h"
#include "pattern.h"
#include "base/file.h"
#include "media/preprocess.h"

#define DIR_GOLDEN "tests/golden/preprocess/"
enum { FILE_MAX = 1 << 20 };

static uint64_t fnv_add(uint64_t h, uint8_t b) { return (h ^ b) * 0x100000001b3u; }
static const uint64_t FNV = 0xcbf29ce484222325u;

static enum resample filter_named(const char *s)
{
    return !strcmp(s, "lanczos") ? RESAMPLE_LANCZOS : !strcmp(s, "bilinear") ? RESAMPLE_BILINEAR
         : !strcmp(s, "box") ? RESAMPLE_BOX : RESAMPLE_BICUBIC;
}

static enum resize_like like_named(const char *s) { return !strcmp(s, "torch") ? RESIZE_TORCH : RESIZE_PILLOW; }

static void read_golden(const char *name, struct buf *b)
{
    char *path = mem_fmt(DIR_GOLDEN "%s", name);
    T_OK(file_read(path, FILE_MAX, b));
    free(path);
}

static void check_decoding(const char *list, const char *suffix, enum alpha alpha, int least)
{
    FILE *f = fopen(list, "r");
    char name[64], rgb[80];
    int w, h, tol, n = 0;
    T_CHECK(f != NULL);
    for (; f && fscanf(f, "%63s %d %d %d", name, &w, &h, &tol) == 4; n++) {
        struct buf data = {0}, want = {0};
        struct image im;
        read_golden(name, &data);
        snprintf(rgb, sizeof rgb, "%s%s", name, suffix);
        read_golden(rgb, &want);
        T_OK(image_decode(data.p, data.len, 0, alpha, &im));
        T_INT(im.w, w);
        T_INT(im.h, h);
        int worst = want.len == (size_t)w * (size_t)h * 3 && im.w == w && im.h == h ? 0 : 999;
        for (size_t i = 0; i < want.len && worst < 999; i++) worst = mem_max(worst, abs(im.px[i] - (uint8_t)want.p[i]));
        if (worst > tol) printf("# %s: worst difference %d\n", name, worst);
        T_CHECK(worst <= tol);         /* lossy codecs: one level, for another version of the codec's arithmetic */
        image_free(&im);
        buf_free(&data);
        buf_free(&want);
    }
    T_CHECK(n >= least);
    if (f) fclose(f);
}

static void test_decode(void) { check_decoding(DIR_GOLDEN "decode.tsv", ".rgb", ALPHA_DROP, 32); }
static void test_decode_over_white(void) { check_decoding(DIR_GOLDEN "white.tsv", ".white", ALPHA_WHITE, 10); }

static void test_resize(void)
{
    FILE *f = fopen(DIR_GOLDEN "resize.tsv", "r");
    char like[16], filter[16];
    int w, h, tw, th, n = 0;
    uint64_t want;
    T_CHECK(f != NULL);
    for (; f && fscanf(f, "%15s %15s %d %d %d %d %" SCNx64, like, filter, &w, &h, &tw, &th, &want) == 7; n++) {
        struct image im = pattern(w, h), out;
        uint64_t got = FNV;
        T_OK(image_resize(&im, tw, th, filter_named(filter), like_named(like), &out));
        for (size_t i = 0; i < (size_t)tw * (size_t)th * 3; i++) got = fnv_add(got, out.px[i]);
        if (got != want) printf("# %s %s %dx%d -> %dx%d differs\n", like, filter, w, h, tw, th);
        T_CHECK(got == want);
        image_free(&im);
        image_free(&out);
    }
    T_CHECK(n >= 80);
    if (f) fclose(f);
}

/* The 8-bit levels behind the normalised values, which must be whole numbers to 1e-3. */
static uint64_t level_hash(const struct pre_cfg *cfg, const float *x, int tiles)
{
    uint64_t hash = FNV;
    size_t plane = (size_t)cfg->h * (size_t)cfg->w, off = 0;
    for (size_t i = 0; i < (size_t)tiles * 3 * plane; i++) {
        size_t c = i / plane % 3;
        double v = ((double)x[i] * cfg->std[c] + cfg->mean[c]) * 255, whole = nearbyint(v);
        off += fabs(v - whole) > 1e-3;
        hash = fnv_add(hash, (uint8_t)whole);
    }
    T_INT(off, 0);
    return hash;
}

static void test_tiles(void)
{
    FILE *f = fopen(DIR_GOLDEN "tiles.tsv", "r");
    char like[16], filter[16];
    int w, h, want_tiles, n = 0;
    uint64_t want;
    struct pre_cfg c = pre_default();
    T_CHECK(f != NULL);
    for (; f && fscanf(f, "%15s %15s %d %d %d %d %d %d %d %" SCNx64, like, filter, &c.h, &c.w, &c.min_tiles, &c.max_tiles,
                       &w, &h, &want_tiles, &want) == 10; n++) {
        c.like = like_named(like);
        struct image im = pattern(w, h);
        struct tiles t = pre_tiles(&c, w, h);
        float *x = mem_alloc(tiles_floats(&t) * sizeof *x);
        T_INT(t.n, want_tiles);
        T_OK(pre_run(&c, &im, x));
        bool same = level_hash(&c, x, t.n) == want;
        if (!same) printf("# %s %dx%d in tiles of %dx%d, %d to %d, differs\n", like, w, h, c.w, c.h, c.min_tiles, c.max_tiles);
        T_CHECK(same);
        free(x);
        image_free(&im);
    }
    T_CHECK(n >= 150);
    if (f) fclose(f);
}

/* "28x56,56x28": heights and widths. */
static void read_sizes(const char *s, struct pre_cfg *c)
{
    for (c->nsize = 0; sscanf(s, "%dx%d", &c->size[c->nsize].h, &c->size[c->nsize].w) == 2; c->nsize++) {
        s += strcspn(s, ",");
        s += *s == ',';
    }
}

static void test_cuts(void)
{
    FILE *f = fopen(DIR_GOLDEN "cuts.tsv", "r");
    char kind[32], like[16], filter[16], sizes[128];
    struct tiles want;
    uint64_t hash;
    int w, h, n = 0;
    T_CHECK(f != NULL);
    for (struct pre_cfg c = pre_default(); f && fscanf(f, "%31s %15s %15s %d %d %127s %d %d %d %d %d %" SCNx64, kind, like, filter, &c.h,
                       &c.longest, sizes, &w, &h, &want.n, &want.cols, &want.rows, &hash) == 12; n++) {
        c.kind = *kind == 'l' ? PRE_ANYRES : PRE_SPLIT;
        c.tiling = strcmp(kind, "idefics3_whole") != 0;
        c.w = c.h;
        c.like = like_named(like);
        c.resample = filter_named(filter);
        read_sizes(sizes, &c);
        struct image im = pattern(w, h);
        struct tiles t = pre_tiles(&c, w, h);
        float *x = mem_alloc(tiles_floats(&t) * sizeof *x);
        T_INT(t.n, want.n);
        T_INT(t.cols, want.cols);
        T_INT(t.rows, want.rows);
        T_OK(pre_run(&c, &im, x));
        bool same = level_hash(&c, x, t.n) == hash;
        if (!same) printf("# %s %s: %dx%d differs\n", kind, like, w, h);
        T_CHECK(same);
        free(x);
        image_free(&im);
    }
    T_INT(n, 184);
    if (f) fclose(f);
}

static void test_whole(void)
{
    FILE *f = fopen(DIR_GOLDEN "whole.tsv", "r");
    char like[16];
    int patch, merge, w, h, to_w, to_h, n = 0;
    uint64_t want;
    struct pre_cfg c = pre_default();
    c.kind = PRE_WHOLE;
    c.tiling = false;
    T_CHECK(f != NULL);
    for (; f && fscanf(f, "%15s %d %d %d %d %d %d %d %d %" SCNx64, like, &patch, &merge, &c.min_pixels, &c.max_pixels, &w, &h, &to_w,
                       &to_h, &want) == 10; n++) {
        c.like = like_named(like);
        c.unit = patch * merge;
        struct image im = pattern(w, h);
        struct tiles t = pre_tiles(&c, w, h);
        float *x = mem_alloc(tiles_floats(&t) * sizeof *x);
        T_INT(t.n, 1);
        T_INT(t.w, to_w);
        T_INT(t.h, to_h);
        T_OK(pre_run(&c, &im, x));
        struct pre_cfg sized = c;
        sized.w = t.w, sized.h = t.h;
        bool same = level_hash(&sized, x, 1) == want;
        if (!same) printf("# %s %dx%d to %dx%d differs\n", like, w, h, to_w, to_h);
        T_CHECK(same);
        free(x);
        image_free(&im);
    }
    T_INT(n, 144);
    if (f) fclose(f);
}

static void test_values(void)
{
    struct pre_cfg c = pre_default();
    c.h = 12, c.w = 16, c.max_tiles = 4;
    struct image im = pattern(75, 40);
    struct buf want = {0};
    float x[3 * 3 * 12 * 16];
    read_golden("tile.f32", &want);
    T_INT(pre_tiles(&c, im.w, im.h).n, 3);
    T_INT(want.len, sizeof x);
    T_OK(pre_run(&c, &im, x));
    float worst = 0;
    for (int i = 0; i < countof(x); i++) {
        float y;
        memcpy(&y, want.p + (size_t)i * sizeof y, sizeof y);
        worst = fmaxf(worst, fabsf(y - x[i]));
    }
    T_NEAR(worst, 0, 1e-6);            /* the same float operations; a level apart would be 0.017 */
    buf_free(&want);
    image_free(&im);
}

int main(void)
{
    T_RUN(test_decode);
    T_RUN(test_decode_over_white);
    T_RUN(test_resize);
    T_RUN(test_tiles);
    T_RUN(test_cuts);
    T_RUN(test_whole);
    T_RUN(test_values);
    return t_end();
}
