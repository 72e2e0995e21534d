/* SPDX-License-Identifier: Apache-2.0
 * Resampling of 8-bit RGB, antialiased (the filter widens when shrinking), bit for bit what the reference does.
 *
 *     out = clip8(floor(sum_i k_i p_i + 1/2)),  k_i = filter((i + 1/2 - c) / s) / sum,  c = (o + 1/2) in/out,  s = max(in/out, 1)
 *
 * over x, rounded to 8 bits, then over y; the k_i are fixed-point. Two references round them differently and differ
 * by up to two levels in some pixels, so which one is meant is an argument:
 *   RESIZE_TORCH   torchvision on uint8 tensors (torch's antialias kernels): 16-bit coefficients, as many fraction
 *                  bits per axis as the largest allows. What transformers' image processors use when torchvision is there.
 *   RESIZE_PILLOW  Pillow 13: 22 fraction bits; y before x where that is cheaper (Pillow up to 12 never does so).
 *                  What transformers' "...Pil" image processors and the original InternVL code use.
 */
#ifndef MEDIA_RESIZE_H
#define MEDIA_RESIZE_H

#include "media/image.h"

enum resample { RESAMPLE_LANCZOS = 1, RESAMPLE_BILINEAR = 2, RESAMPLE_BICUBIC = 3, RESAMPLE_BOX = 4 };   /* Pillow's numbers */
enum resize_like { RESIZE_TORCH, RESIZE_PILLOW };

/* A new image of w x h from im, which may be of any size image_new allows. Equal sizes: a copy. Memory: the
 * result and a few of its rows (with y before x: also the image at its new height), whatever the size of im. */
MUST_USE int image_resize(const struct image *im, int w, int h, enum resample r, enum resize_like like, struct image *out);

#endif
