/* SPDX-License-Identifier: Apache-2.0
 * From an image to the vision tower's input, as transformers' image processors do it: the image is resized and cut into
 * tiles, then (p * rescale - mean) / std. How it is cut is the processor's kind:
 *
 *   PRE_GRID    GotOcr2, and InternVL's own code: the grid whose aspect is nearest to the image's, the image stretched onto
 *               it, and a thumbnail of the whole behind the tiles when there are several
 *   PRE_ANYRES  LlavaNext: the whole image squeezed into one tile, then the image at the best of given sizes, its aspect
 *               kept and black added on both sides, cut into tiles
 *   PRE_SPLIT   Idefics3, SmolVLM: the longest edge resized, both sides stretched to whole tiles, and the whole squeezed
 *               into one tile behind the tiles when there are several
 *   PRE_WHOLE   Qwen2VL: one tile of the image's own, its sides the nearest multiples of a unit that keep its area within bounds
 *
 *     struct pre_cfg cfg;
 *     if (pre_load(&cfg, "model")) return -1;
 *     struct tiles t = pre_tiles(&cfg, im.w, im.h);
 *     float *x = mem_try(tiles_floats(&t) * sizeof *x, "tiles");
 *     if (!x || pre_run(&cfg, &im, x)) ...                 x: [t.n][3][t.h][t.w]; tiles row by row
 */
#ifndef MEDIA_PREPROCESS_H
#define MEDIA_PREPROCESS_H

#include <stdbool.h>
#include "media/resize.h"

enum { PRE_MAX_TILES = 1024, PRE_MAX_SIDE = 8192, PRE_MAX_SIZES = 64 };

/* What an image becomes: n tiles of h x w pixels, floats [n][3][h][w]. cols x rows of them are a picture cut up; one more,
 * before or behind them, shows the whole when n is cols * rows + 1. image_w, image_h: of the image in pixels. */
struct tiles { int n, h, w, cols, rows, image_w, image_h; };
static inline size_t tiles_floats(const struct tiles *t) { return (size_t)t->n * 3 * (size_t)t->h * (size_t)t->w; }

enum pre_kind { PRE_GRID, PRE_ANYRES, PRE_SPLIT, PRE_WHOLE };
struct pre_cfg {
    enum pre_kind kind;
    int h, w;                              /* of a tile, in pixels; equal but for PRE_GRID; 0 of PRE_WHOLE */
    bool tiling;                           /* GRID, SPLIT: false: the whole image is the one tile */
    int min_tiles, max_tiles;              /* GRID: without the thumbnail */
    bool thumbnail;                        /* GRID: transformers: always true */
    struct { int h, w; } size[PRE_MAX_SIZES]; int nsize;   /* ANYRES: multiples of h and w */
    int longest;                           /* SPLIT: the longest edge of the picture that is cut */
    int unit, min_pixels, max_pixels;      /* WHOLE */
    double rescale;                        /* 1/255 */
    float mean[3], std[3];
    enum resample resample;
    enum resize_like like;                 /* RESIZE_TORCH unless the configuration names a "...Pil" processor */
    enum alpha alpha;                      /* what becomes of transparency when an image is decoded for this processor */
};

struct pre_cfg pre_default(void);                        /* InternVL: 448 x 448, 1 to 12 tiles, ImageNet mean and std */
struct pre_cfg pre_default_of(enum pre_kind kind);       /* what the kind's processor of transformers assumes (GRID: GotOcr2) */
void pre_grid(const struct pre_cfg *cfg, int w, int h, int *cols, int *rows);          /* of PRE_GRID */
/* What an image of that size gives. n is 0 where the processor takes none such: of PRE_WHOLE, sides that differ more than 200-fold. */
struct tiles pre_tiles(const struct pre_cfg *cfg, int w, int h);
MUST_USE int pre_run(const struct pre_cfg *cfg, const struct image *im, float *out);

/* Reads Hugging Face's preprocessor_config.json. `path`: that file, a processor_config.json that holds an
 * "image_processor", or a checkpoint's folder (in which transformers prefers the second; so do we; of a model of type
 * internvl_chat its config.json, where the original code has its settings). Keys that ask for something this code does
 * not do (centre crops, padding, size by an edge) are refused, not ignored. Transparency goes by what the original code of
 * each family does: white shows through with Idefics3, SmolVLM and Qwen2-VL, elsewhere alpha is dropped (transformers 5 shows
 * white everywhere, but only where it is handed an opened image instead of a file). */
MUST_USE int pre_load(struct pre_cfg *cfg, const char *path);
/* Of a JSON file alone: its mean, std and rescale_factor; its image_grid_pinpoints. */
MUST_USE int pre_load_levels(struct pre_cfg *cfg, const char *path);
MUST_USE int pre_load_sizes(struct pre_cfg *cfg, const char *path);
MUST_USE int pre_save(const struct pre_cfg *cfg, const char *path);      /* not of PRE_WHOLE; writes the file `path`; transformers loads it */

#endif
