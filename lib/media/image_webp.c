/* SPDX-License-Identifier: Apache-2.0
 * WebP through libwebp. A WebP file is RIFF: "RIFF" size "WEBP", then chunks of name, size, data padded to even.
 */
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

int image_webp(const uint8_t *p, size_t n, size_t max, struct image *out, int *orient)
{
    uint64_t riff = (uint64_t)le32(p + 4) + 8;
    if (riff > n) return fail("truncated WebP");
    if (riff < 20) return fail("WebP: damaged data");
    n = (size_t)riff;
    WebPDecoderConfig c;
    if (!WebPInitDecoderConfig(&c)) return fail("WebP: library of another version");
    if (check(WebPGetFeatures(p, n, &c.input))) return -1;
    if (c.input.has_animation) return fail("WebP: animated");
    if (image_new_capped((uint64_t)c.input.width, (uint64_t)c.input.height, max, out)) return -1;
    c.output.colorspace = MODE_RGB;
    c.output.is_external_memory = 1;
    c.output.u.RGBA.rgba = out->px;
    c.output.u.RGBA.stride = out->w * 3;
    c.output.u.RGBA.size = (size_t)out->w * (size_t)out->h * 3;
    int r = check(WebPDecode(p, n, &c));
    WebPFreeDecBuffer(&c.output);
    if (!r) *orient = find_orientation(p, n);
    return r;
}
