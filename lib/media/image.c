/* SPDX-License-Identifier: Apache-2.0 */
#include "media/image.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "media/image_priv.h"

int image_new(int w, int h, struct image *out)
{
    *out = (struct image){0};
    if (w < 1 || h < 1 || w > IMAGE_MAX_SIDE || h > IMAGE_MAX_SIDE)
        return fail("image of %d x %d pixels: sides must be 1 to %d", w, h, IMAGE_MAX_SIDE);
    uint8_t *px = mem_try((size_t)w * (size_t)h * 3, "an image");
    if (!px) return -1;
    *out = (struct image){ w, h, px };
    return 0;
}

int image_new_capped(uint64_t w, uint64_t h, size_t max, struct image *out)
{
    if (w < 1 || h < 1 || w > IMAGE_MAX_SIDE || h > IMAGE_MAX_SIDE)
        return fail("image of %llu x %llu pixels: sides must be 1 to %d", (unsigned long long)w,
                    (unsigned long long)h, IMAGE_MAX_SIDE);
    if (w * h > max)
        return fail("image of %llu x %llu pixels: more than %zu", (unsigned long long)w, (unsigned long long)h, max);
    return image_new((int)w, (int)h, out);
}

void image_free(struct image *im)
{
    free(im->px);
    *im = (struct image){0};
}

void image_digest(const void *p, size_t n, char hex[HASH_HEX]) { hash_hex(p, n, hex); }

/* Pillow's alpha_composite on opaque white, in its fixed point. */
void image_over_white(const uint8_t *rgba, uint8_t *rgb, size_t npixel)
{
    for (size_t i = 0; i < npixel; i++, rgba += 4, rgb += 3)
        for (int c = 0; c < 3; c++) {
            uint32_t sum = ((uint32_t)rgba[c] * rgba[3] + 255u * (255u - rgba[3]) + 128u) << 7;
            rgb[c] = (uint8_t)((sum + (sum >> 8)) >> 15);
        }
}

/* ---- EXIF orientation ---- */

struct tiff { const uint8_t *p; size_t n; bool big; };

static uint32_t tiff_u16(const struct tiff *t, size_t at)
{
    if (at > t->n || t->n - at < 2) return 0;
    const uint8_t *p = t->p + at;
    return t->big ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

static uint32_t tiff_u32(const struct tiff *t, size_t at)
{
    uint32_t a = tiff_u16(t, at), b = tiff_u16(t, at + 2);
    return t->big ? a << 16 | b : b << 16 | a;
}

int exif_orientation(const uint8_t *tiff, size_t n)
{
    enum { ORIENTATION = 0x0112, TYPE_SHORT = 3 };
    struct tiff t = { tiff, n, n >= 2 && tiff[0] == 'M' };
    if (n < 8 || (memcmp(tiff, "II", 2) && memcmp(tiff, "MM", 2)) || tiff_u16(&t, 2) != 42) return 1;
    size_t dir = tiff_u32(&t, 4);
    uint32_t entries = tiff_u16(&t, dir);
    for (uint32_t i = 0; i < entries; i++) {
        size_t at = dir + 2 + 12 * (size_t)i;
        if (at + 12 > n) break;
        if (tiff_u16(&t, at) != ORIENTATION || tiff_u16(&t, at + 2) != TYPE_SHORT) continue;
        uint32_t v = tiff_u16(&t, at + 8);
        return v >= 1 && v <= 8 ? (int)v : 1;
    }
    return 1;
}

/* Turns the stored picture upright. Orientation 5 to 8 swap the sides. */
static int orient_apply(struct image *im, int orient)
{
    struct image out;
    bool swap = orient >= 5;
    if (orient <= 1) return 0;
    if (image_new(swap ? im->h : im->w, swap ? im->w : im->h, &out)) return -1;
    bool flip_x = orient == 2 || orient == 3 || orient == 7 || orient == 8;   /* of the source's x and y */
    bool flip_y = orient == 3 || orient == 4 || orient == 6 || orient == 7;
    for (int y = 0; y < out.h; y++)
        for (int x = 0; x < out.w; x++) {
            int sx = swap ? y : x, sy = swap ? x : y;
            if (flip_x) sx = im->w - 1 - sx;
            if (flip_y) sy = im->h - 1 - sy;
            memcpy(out.px + ((size_t)y * (size_t)out.w + (size_t)x) * 3,
                   im->px + ((size_t)sy * (size_t)im->w + (size_t)sx) * 3, 3);
        }
    image_free(im);
    *im = out;
    return 0;
}

/* ---- formats ---- */

struct format {
    const char *name;
    bool (*is)(const uint8_t *p, size_t n);
    int (*decode)(const struct decoding *d, struct image *out, int *orient);
};

static bool is_png(const uint8_t *p, size_t n) { return n >= 8 && !memcmp(p, "\x89PNG\r\n\x1a\n", 8); }
static bool is_jpeg(const uint8_t *p, size_t n) { return n >= 3 && !memcmp(p, "\xff\xd8\xff", 3); }
static bool is_webp(const uint8_t *p, size_t n) { return n >= 12 && !memcmp(p, "RIFF", 4) && !memcmp(p + 8, "WEBP", 4); }

static const struct format formats[] = {
    { "png", is_png, image_png }, { "jpeg", is_jpeg, image_jpeg }, { "webp", is_webp, image_webp },
};

static const struct format *format_of(const void *p, size_t n)
{
    for (int i = 0; i < countof(formats); i++)
        if (formats[i].is(p, n)) return &formats[i];
    return NULL;
}

const char *image_type(const void *p, size_t n)
{
    const struct format *f = format_of(p, n);
    return f ? f->name : NULL;
}

int image_decode(const void *p, size_t n, size_t max_pixels, enum alpha alpha, struct image *out)
{
    *out = (struct image){0};
    const struct format *f = format_of(p, n);
    if (!f) return fail(n ? "not a PNG, JPEG or WebP image" : "empty image");
    int orient = 1;
    struct decoding d = { p, n, max_pixels ? max_pixels : IMAGE_MAX_PIXELS, alpha };
    int r = f->decode(&d, out, &orient);
    if (!r) r = orient_apply(out, orient);
    if (r) image_free(out);
    return r;
}
