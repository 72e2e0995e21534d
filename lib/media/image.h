/* SPDX-License-Identifier: Apache-2.0
 * Images: PNG, JPEG and WebP in memory -> 8-bit RGB, told apart by their first bytes, never by a name.
 *
 *     struct image im;
 *     if (image_decode(bytes, n, 0, &im)) return -1;      -> "truncated PNG", "JPEG: Unsupported marker ...", ...
 *     ... im.px[(y * im.w + x) * 3 + channel] ...
 *     image_free(&im);
 *
 * Pixels are what Pillow's Image.convert("RGB") gives after ImageOps.exif_transpose, which is how Hugging Face's
 * processors load a file: alpha is dropped (not blended), palettes and grey are expanded, gamma and colour profiles
 * are ignored, CMYK is read the Adobe way (inverted), the EXIF orientation is applied. One difference: 16-bit grey
 * PNG keeps its high byte, as 16-bit colour does in Pillow; Pillow clips 16-bit grey at 255, which turns nearly all
 * of such an image white.
 * A file that is cut or damaged is an error, never a half-grey image. Animated WebP is refused.
 */
#ifndef MEDIA_IMAGE_H
#define MEDIA_IMAGE_H

#include <stddef.h>
#include <stdint.h>
#include "base/hash.h"
#include "base/mem.h"

enum { IMAGE_MAX_PIXELS = 64 << 20, IMAGE_MAX_SIDE = 1000000 };

struct image { int w, h; uint8_t *px; };       /* px: [h][w][3] RGB, owned; image_free */

MUST_USE int image_new(int w, int h, struct image *out);      /* black; sides in [1, IMAGE_MAX_SIDE] */
void image_free(struct image *im);                            /* leaves it empty */

/* max_pixels (0: IMAGE_MAX_PIXELS) is checked against the header before any pixel is allocated. */
MUST_USE int image_decode(const void *p, size_t n, size_t max_pixels, struct image *out);
const char *image_type(const void *p, size_t n);              /* "png", "jpeg", "webp"; NULL: none of them */
MUST_USE int image_write_png(const struct image *im, struct buf *out);   /* appends an 8-bit RGB PNG */

/* The identity of an encoded image: equal bytes, equal digest. Callers use it to encode one image only once. */
void image_digest(const void *p, size_t n, char hex[HASH_HEX]);

#endif
