/* SPDX-License-Identifier: Apache-2.0
 * Images: PNG, JPEG and WebP in memory -> 8-bit RGB, told apart by their first bytes, never by a name.
 *
 *     struct image im;
 *     if (image_decode(bytes, n, 0, ALPHA_DROP, &im)) return -1;      -> "truncated PNG", "JPEG: Unsupported marker ...", ...
 *     ... im.px[(y * im.w + x) * 3 + channel] ...
 *     image_free(&im);
 *
 * Pixels are what Pillow's Image.convert("RGB") gives after ImageOps.exif_transpose, which is how Hugging Face's
 * processors load a file: palettes and grey are expanded, gamma and colour profiles are ignored, CMYK is read the Adobe
 * way (inverted), the EXIF orientation is applied. Of 16 bits the high byte counts, except in PNGs of nothing but grey,
 * which Pillow clips at 255: nearly all of such an image turns white, and a model's published numbers are of that.
 * A file that is cut or damaged is an error, never a half-grey image. Animated WebP is refused.
 */
#ifndef MEDIA_IMAGE_H
#define MEDIA_IMAGE_H

#include <stddef.h>
#include <stdint.h>
#include "base/hash.h"
#include "base/mem.h"

enum { IMAGE_MAX_PIXELS = 64 << 20, IMAGE_MAX_SIDE = 1000000 };

/* What becomes of transparency: colours stay as they are stored, as Image.convert does, or are laid over white, as
 * Image.alpha_composite does. */
enum alpha { ALPHA_DROP, ALPHA_WHITE };

struct image { int w, h; uint8_t *px; };       /* px: [h][w][3] RGB, owned; image_free */

MUST_USE int image_new(int w, int h, struct image *out);      /* black; sides in [1, IMAGE_MAX_SIDE] */
void image_free(struct image *im);                            /* leaves it empty */

/* max_pixels (0: IMAGE_MAX_PIXELS) is checked against the header before any pixel is allocated. */
MUST_USE int image_decode(const void *p, size_t n, size_t max_pixels, enum alpha alpha, struct image *out);
const char *image_type(const void *p, size_t n);              /* "png", "jpeg", "webp"; NULL: none of them */
MUST_USE int image_write_png(const struct image *im, struct buf *out);   /* appends an 8-bit RGB PNG */

/* The identity of an encoded image: equal bytes, equal digest. Callers use it to encode one image only once. */
void image_digest(const void *p, size_t n, char hex[HASH_HEX]);

#endif
