/* SPDX-License-Identifier: Apache-2.0
 * What the decoders share. Each decodes n bytes that start with its magic into an empty image, and sets *orient to the
 * EXIF orientation (1..8) if the file has one. On failure the image may hold memory; the caller frees it.
 */
#ifndef MEDIA_IMAGE_PRIV_H
#define MEDIA_IMAGE_PRIV_H

#include "media/image.h"

struct decoding { const uint8_t *p; size_t n, max; enum alpha alpha; };        /* max: pixels */

MUST_USE int image_png(const struct decoding *d, struct image *out, int *orient);
MUST_USE int image_jpeg(const struct decoding *d, struct image *out, int *orient);
MUST_USE int image_webp(const struct decoding *d, struct image *out, int *orient);

/* image_new under a cap on pixels; the one place where a size from a file turns into memory. */
MUST_USE int image_new_capped(uint64_t w, uint64_t h, size_t max, struct image *out);

void image_over_white(const uint8_t *rgba, uint8_t *rgb, size_t npixel);
int exif_orientation(const uint8_t *tiff, size_t n);          /* of a TIFF block ("II*\0" or "MM\0*"); 1 if none */

#endif
