/* SPDX-License-Identifier: Apache-2.0
 * media/phash: the same picture in other sizes and files, changed a little, and other pictures.
 * What real images gave (123 screenshots, diagrams and photographs and 300 charts of examples/shapes, half or 1.4 times as large, JPEG at
 * quality 75 and 30): 2 bits at the median, at most 6 in 99 of 100; two different photographs: 12 at least, 30 at the median. */
#include "t.h"
#include <jpeglib.h>
#include <stdlib.h>
#include "base/rng.h"
#include "media/phash.h"
#include "media/resize.h"

enum { W = 160, H = 120, PICTURES = 24, ALIKE = 6 };

/* A few discs and bars on a shaded ground. */
static struct image picture(uint64_t seed)
{
    struct image im;
    struct rng r = rng_new(seed, "picture");
    T_OK(image_new(W, H, &im));
    double a = rng_next(&r), b = rng_next(&r);
    for (int i = 0; i < W * H; i++)
        for (int c = 0; c < 3; c++) im.px[3 * i + c] = (uint8_t)(90 + 60 * a * (i % W) / W + 60 * b * (i / W) / H);
    for (int k = 0; k < 7; k++) {
        int x = (int)rng_next_below(&r, W), y = (int)rng_next_below(&r, H), s = 8 + (int)rng_next_below(&r, 24);
        uint8_t colour[3] = { (uint8_t)rng_next_below(&r, 256), (uint8_t)rng_next_below(&r, 256), (uint8_t)rng_next_below(&r, 256) };
        for (int i = 0; i < W * H; i++) {
            int dx = i % W - x, dy = i / W - y;
            if (k % 2 ? dx * dx + dy * dy < s * s : abs(dx) < s / 2 && abs(dy) < s) memcpy(im.px + 3 * i, colour, 3);
        }
    }
    return im;
}

static uint64_t hash_of(const struct image *im)
{
    uint64_t h = 0;
    T_OK(image_phash(im, &h));
    return h;
}

static int distance(const struct image *a, const struct image *b) { return __builtin_popcountll(hash_of(a) ^ hash_of(b)); }

static struct image through_jpeg(const struct image *im, int quality)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL;
    unsigned long n = 0;
    struct image out;
    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &bytes, &n);
    c.image_width = (JDIMENSION)im->w;
    c.image_height = (JDIMENSION)im->h;
    c.input_components = 3;
    c.in_color_space = JCS_RGB;
    jpeg_set_defaults(&c);
    jpeg_set_quality(&c, quality, TRUE);
    jpeg_start_compress(&c, TRUE);
    while (c.next_scanline < c.image_height) {
        JSAMPROW row = im->px + (size_t)c.next_scanline * (size_t)im->w * 3;
        (void)jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    T_OK(image_decode(bytes, n, 0, ALPHA_DROP, &out));
    free(bytes);
    return out;
}

static void test_sizes(void)
{
    static const struct { int w, h; enum resample how; } to[] = {
        { W / 2, H / 2, RESAMPLE_BICUBIC }, { 219, 164, RESAMPLE_BILINEAR }, { 40, 30, RESAMPLE_LANCZOS }, { 500, 375, RESAMPLE_BICUBIC }, { W, H / 2, RESAMPLE_BOX } };
    for (uint64_t s = 0; s < PICTURES; s++) {
        struct image im = picture(s), other;
        for (int i = 0; i < countof(to); i++) {
            T_OK(image_resize(&im, to[i].w, to[i].h, to[i].how, RESIZE_PILLOW, &other));
            T_CHECK(distance(&im, &other) <= ALIKE);
            image_free(&other);
        }
        image_free(&im);
    }
}

static void test_files(void)
{
    for (uint64_t s = 0; s < PICTURES; s++) {
        struct image im = picture(s), small, other;
        for (int quality = 30; quality <= 90; quality += 30) {
            other = through_jpeg(&im, quality);
            T_CHECK(distance(&im, &other) <= ALIKE);
            image_free(&other);
        }
        T_OK(image_resize(&im, W * 3 / 4, H * 3 / 4, RESAMPLE_BICUBIC, RESIZE_PILLOW, &small));
        other = through_jpeg(&small, 70);
        T_CHECK(distance(&im, &other) <= ALIKE);
        image_free(&small);
        image_free(&other);
        image_free(&im);
    }
}

static void test_changed_a_little(void)
{
    int far = 0;
    for (uint64_t s = 0; s < PICTURES; s++) {
        struct image im = picture(s), other = picture(s);
        for (int i = 0; i < W * H * 3; i++) other.px[i] = (uint8_t)(20 + other.px[i] * 85 / 100);      /* paler */
        T_CHECK(distance(&im, &other) <= ALIKE);
        for (int y = 55; y < 59; y++) memset(other.px + (y * W + 70) * 3, 250, 5 * 3);                 /* and a mark on it */
        far += distance(&im, &other) > ALIKE;
        image_free(&im);
        image_free(&other);
    }
    T_CHECK(far <= PICTURES / 8);
}

static void test_others(void)
{
    for (uint64_t s = 0; s < PICTURES; s++)
        for (uint64_t t = 0; t < s; t++) {
            struct image a = picture(s), b = picture(t);
            T_CHECK(distance(&a, &b) > ALIKE);
            image_free(&a);
            image_free(&b);
        }
    struct image im = picture(1), flipped = picture(1);
    for (int i = 0; i < W * H; i++) memcpy(flipped.px + 3 * i, im.px + 3 * (i / W * W + W - 1 - i % W), 3);
    T_CHECK(distance(&im, &flipped) > ALIKE);
    image_free(&im);
    image_free(&flipped);
}

static void test_plain(void)
{
    struct image a, b;
    T_OK(image_new(3, 5, &a));
    T_OK(image_new(64, 64, &b));
    T_INT(hash_of(&a), 0);                     /* black: nothing is above anything */
    memset(b.px, 77, 64 * 64 * 3);
    T_INT(hash_of(&b), 1);                     /* only the mean is */
    image_free(&a);
    image_free(&b);
}

int main(void)
{
    T_RUN(test_sizes);
    T_RUN(test_files);
    T_RUN(test_changed_a_little);
    T_RUN(test_others);
    T_RUN(test_plain);
    return t_end();
}
