/* SPDX-License-Identifier: Apache-2.0
 * Decoding what the image libraries encode. Equality with Pillow is tests/golden/t_preprocess.c; hostile input is
 * t_media_bad.c.
 */
#include "../bad/make.h"
#include "t.h"

static const uint8_t *at(const struct image *im, int x, int y) { return im->px + ((size_t)y * (size_t)im->w + (size_t)x) * 3; }

static bool is_rgb(const struct image *im, int x, int y, int r, int g, int b)
{
    const uint8_t *p = at(im, x, y);
    return p[0] == r && p[1] == g && p[2] == b;
}

static int worst(const struct image *a, const struct image *b)
{
    int w = 0;
    if (a->w != b->w || a->h != b->h) return 999;
    for (size_t i = 0; i < (size_t)a->w * (size_t)a->h * 3; i++) w = mem_max(w, abs(a->px[i] - b->px[i]));
    return w;
}

static void test_png_round_trip(void)
{
    static const int sizes[][2] = { { 1, 1 }, { 3, 200 }, { 64, 64 }, { 129, 2 } };
    for (int i = 0; i < countof(sizes); i++) {
        struct image im = make_image(sizes[i][0], sizes[i][1]), back;
        struct buf b = {0};
        buf_str(&b, "kept");
        T_OK(image_write_png(&im, &b));
        T_CHECK(!memcmp(b.p, "kept", 4));
        T_OK(image_decode(b.p + 4, b.len - 4, 0, ALPHA_DROP, &back));
        T_INT(worst(&im, &back), 0);
        image_free(&im);
        image_free(&back);
        buf_free(&b);
    }
}

/* One picture of 9 x 5 in a PNG layout: the rows hold `fill`, and the first pixel is 0. */
static struct image png_layout(int colour, int depth, bool interlaced, int fill)
{
    uint8_t rows[5][9 * 8];
    png_bytep row[5];
    struct buf b = {0};
    struct image im;
    memset(rows, fill, sizeof rows);
    for (int i = 0; i < 5; i++) row[i] = rows[i];
    memset(rows[0], 0, 8);
    make_png(&b, 9, 5, colour, depth, interlaced, row);
    T_OK(image_decode(b.p, b.len, 0, ALPHA_DROP, &im));
    buf_free(&b);
    return im;
}

static void check_layout(int colour, int depth, int fill, int r, int g, int b)
{
    for (int interlaced = 0; interlaced < 2; interlaced++) {
        struct image im = png_layout(colour, depth, interlaced, fill);
        T_INT(im.w, 9);
        T_INT(im.h, 5);
        T_CHECK(is_rgb(&im, 8, 4, r, g, b));
        T_CHECK(is_rgb(&im, 0, 4, r, g, b));
        if (colour != PNG_COLOR_TYPE_PALETTE) T_CHECK(is_rgb(&im, 0, 0, 0, 0, 0));
        image_free(&im);
    }
}

static void test_png_layouts(void)
{
    check_layout(PNG_COLOR_TYPE_GRAY, 1, 0xff, 255, 255, 255);
    check_layout(PNG_COLOR_TYPE_GRAY, 2, 0x55, 85, 85, 85);
    check_layout(PNG_COLOR_TYPE_GRAY, 4, 0x33, 51, 51, 51);
    check_layout(PNG_COLOR_TYPE_GRAY, 8, 0x71, 0x71, 0x71, 0x71);
    check_layout(PNG_COLOR_TYPE_GRAY, 16, 0x71, 255, 255, 255);          /* 0x7171, clipped as Pillow does */
    check_layout(PNG_COLOR_TYPE_GRAY_ALPHA, 8, 0x20, 0x20, 0x20, 0x20);  /* alpha dropped, not blended */
    check_layout(PNG_COLOR_TYPE_GRAY_ALPHA, 16, 0x20, 0x20, 0x20, 0x20);
    check_layout(PNG_COLOR_TYPE_RGB, 8, 0x90, 0x90, 0x90, 0x90);
    check_layout(PNG_COLOR_TYPE_RGB, 16, 0x90, 0x90, 0x90, 0x90);
    check_layout(PNG_COLOR_TYPE_RGB_ALPHA, 8, 0x11, 0x11, 0x11, 0x11);
    check_layout(PNG_COLOR_TYPE_RGB_ALPHA, 16, 0x11, 0x11, 0x11, 0x11);
    check_layout(PNG_COLOR_TYPE_PALETTE, 1, 0xff, 0, 128, 0);
    check_layout(PNG_COLOR_TYPE_PALETTE, 2, 0xaa, 1, 2, 3);
    check_layout(PNG_COLOR_TYPE_PALETTE, 4, 0x11, 0, 128, 0);
    check_layout(PNG_COLOR_TYPE_PALETTE, 8, 0x02, 1, 2, 3);
}

static void test_lossy(void)
{
    struct image im = make_image(70, 41), back;
    for (int i = 0; i < 4; i++) {
        struct buf b = {0};
        if (i < 2) make_jpeg(&b, &im, i == 1);
        else make_webp(&b, &im, i == 3);
        T_STR(image_type(b.p, b.len), i < 2 ? "jpeg" : "webp");
        T_OK(image_decode(b.p, b.len, 0, ALPHA_DROP, &back));
        T_INT(back.w, 70);
        T_INT(back.h, 41);
        T_CHECK(worst(&im, &back) <= (i == 3 ? 0 : 110));     /* the sharp blue edge rings; elsewhere: */
        T_NEAR(at(&back, 60, 10)[0], at(&im, 60, 10)[0], 6);
        T_NEAR(at(&back, 10, 30)[1], at(&im, 10, 30)[1], 6);
        image_free(&back);
        buf_free(&b);
    }
    image_free(&im);
}

static void test_cap(void)
{
    struct image im = make_image(30, 20), back;
    for (int i = 0; i < 3; i++) {
        struct buf b = {0};
        if (i == 0) T_OK(image_write_png(&im, &b));
        else if (i == 1) make_jpeg(&b, &im, false);
        else make_webp(&b, &im, true);
        T_FAIL(image_decode(b.p, b.len, 599, ALPHA_DROP, &back), "30 x 20 pixels: more than 599");
        T_CHECK(back.px == NULL);
        T_OK(image_decode(b.p, b.len, 600, ALPHA_DROP, &back));
        image_free(&back);
        buf_free(&b);
    }
    image_free(&im);
    T_FAIL(image_new(0, 5, &im), "sides must be");
    T_FAIL(image_new(5, IMAGE_MAX_SIDE + 1, &im), "sides must be");
}

static void test_type(void)
{
    struct image im;
    T_CHECK(image_type("GIF89a", 6) == NULL);
    T_CHECK(image_type("", 0) == NULL);
    T_STR(image_type("\xff\xd8\xff\xe0", 4), "jpeg");
    T_FAIL(image_decode("GIF89a", 6, 0, ALPHA_DROP, &im), "not a PNG, JPEG or WebP image");
    T_FAIL(image_decode("", 0, 0, ALPHA_DROP, &im), "empty image");
    T_FAIL(image_decode("\x89PNG\r\n\x1a\n", 8, 0, ALPHA_DROP, &im), "truncated PNG");
}

static void test_digest(void)
{
    char a[HASH_HEX], b[HASH_HEX];
    image_digest("abc", 3, a);
    image_digest("abd", 3, b);
    T_CHECK(strlen(a) == 32 && strcmp(a, b));
    image_digest("abc", 3, b);
    T_STR(a, b);
}

int main(void)
{
    T_RUN(test_png_round_trip);
    T_RUN(test_png_layouts);
    T_RUN(test_lossy);
    T_RUN(test_cap);
    T_RUN(test_type);
    T_RUN(test_digest);
    return t_end();
}
