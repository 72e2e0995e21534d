/* SPDX-License-Identifier: Apache-2.0
 * A perceptual hash: pictures that look alike have hashes that differ in few of 64 bits.
 *
 *     image_phash(&a, &x); image_phash(&b, &y);       __builtin_popcountll(x ^ y)
 *
 * The image in grey (0.299 R + 0.587 G + 0.114 B) at 32 x 32 goes through a discrete cosine transform
 *   F(u, v) = sum over x, y of g(x, y) cos((2 x + 1) u pi / 64) cos((2 y + 1) v pi / 64),
 * and bit 8 v + u, u and v < 8, says whether F(u, v) is above the median of those 64 (after Zauner, Implementation and Benchmarking
 * of Perceptual Image Hash Functions, 2010). Resizing, recompression, and changes of brightness or contrast leave the
 * signs of most of them; another picture has about half of the bits the other way. Pictures of one colour are all alike.
 */
#ifndef MEDIA_PHASH_H
#define MEDIA_PHASH_H

#include "media/image.h"

MUST_USE int image_phash(const struct image *im, uint64_t *hash);

#endif
