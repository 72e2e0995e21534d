/* SPDX-License-Identifier: Apache-2.0
 * WebP through libwebp. A WebP file is RIFF: "RIFF" size "WEBP", then chunks of name, size, data padded to even.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <webp/decode.h>
#include "media/image_priv.h"

static uint32_t le32(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24; }

static int find_orientation(const uint8_t *p, size_t n)
{
    for (size_t at = 12; n - at >= 8;) {
        size_t size = le32(p + at + 4), left = n - at - 8;
        if (size > left) break;
        const uint8_t *data = p + at + 8;
        if (!memcmp(p + at, "EXIF", 4)) {
            size_t skip = size > 6 && !memcmp(data, "Exif\0\0", 6) ? 6 : 0;
            return exif_orientation(data + skip, size - skip);
        }
        size += size & 1;
        if (size > left) break;
        at += 8 + size;
    }
    return 1;
}

static int check(VP8StatusCode status)
{
    switch (status) {
    case VP8_STATUS_OK: return 0;
    case VP8_STATUS_NOT_ENOUGH_DATA: case VP8_STATUS_SUSPENDED: return fail("truncated WebP");
    case VP8_STATUS_OUT_OF_MEMORY: return fail("WebP: out of memory");
    case VP8_STATUS_UNSUPPORTED_FEATURE: return fail("WebP: unsupported feature");
    default: return fail("WebP: damaged data");
    }
}

/* Into memory of our own, of `bytes` bytes a pixel. */
static int decode(WebPDecoderConfig *c, const uint8_t *p, size_t n, uint8_t *px, int bytes)
{
    int w = c->input.width;
    c->output.colorspace = bytes == 4 ? MODE_RGBA : MODE_RGB;
    c->output.is_external_memory = 1;
    c->output.u.RGBA.rgba = px;
    c->output.u.RGBA.stride = w * bytes;
    c->output.u.RGBA.size = (size_t)w * (size_t)c->input.height * (size_t)bytes;
    int r = check(WebPDecode(p, n, c));
    WebPFreeDecBuffer(&c->output);
    return r;
}

static int decode_over_white(WebPDecoderConfig *c, const uint8_t *p, size_t n, struct image *out)
{
    size_t npixel = (size_t)out->w * (size_t)out->h;
    uint8_t *rgba = mem_try(npixel * 4, "an image");
    int r = rgba ? decode(c, p, n, rgba, 4) : -1;
    if (!r) image_over_white(rgba, out->px, npixel);
    free(rgba);
    return r;
}

int image_webp(const struct decoding *d, struct image *out, int *orient)
{
    const uint8_t *p = d->p;
    size_t n = d->n;
    uint64_t riff = (uint64_t)le32(p + 4) + 8;
    if (riff > n) return fail("truncated WebP");
    if (riff < 20) return fail("WebP: damaged data");
    n = (size_t)riff;
    WebPDecoderConfig c;
    if (!WebPInitDecoderConfig(&c)) return fail("WebP: library of another version");
    if (check(WebPGetFeatures(p, n, &c.input))) return -1;
    if (c.input.has_animation) return fail("WebP: animated");
    if (image_new_capped((uint64_t)c.input.width, (uint64_t)c.input.height, d->max, out)) return -1;
    bool blend = c.input.has_alpha && d->alpha == ALPHA_WHITE;
    int r = blend ? decode_over_white(&c, p, n, out) : decode(&c, p, n, out->px, 3);
    if (!r) *orient = find_orientation(p, n);
    return r;
}
