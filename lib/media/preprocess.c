/* SPDX-License-Identifier: Apache-2.0 */
#include "media/preprocess.h"

#include <math.h>
#include <string.h>

struct pre_cfg pre_default(void)
{
    return (struct pre_cfg){
        .h = 448, .w = 448, .min_tiles = 1, .max_tiles = 12, .tiling = true, .thumbnail = true, .rescale = 1.0 / 255,
        .mean = { 0.485f, 0.456f, 0.406f }, .std = { 0.229f, 0.224f, 0.225f },
        .resample = RESAMPLE_BICUBIC, .like = RESIZE_TORCH,
    };
}

/* Grids are tried by their number of tiles, then by width; of two equally near in aspect the later one wins while the
 * image has more than half the pixels that grid would hold. The comparisons are in doubles, as the reference's are:
 * a tie is an exact one. */
void pre_grid(const struct pre_cfg *cfg, int w, int h, int *cols, int *rows)
{
    double aspect = (double)w / h, area = (double)w * h, tile = 0.5 * cfg->h * cfg->w, best = INFINITY;
    *cols = *rows = 1;
    if (!cfg->tiling) return;
    for (int n = cfg->min_tiles; n <= cfg->max_tiles; n++)
        for (int c = 1; c <= n; c++) {
            if (n % c) continue;
            int r = n / c;
            double far = fabs(aspect - (double)c / r);
            if (far < best || (far == best && area > tile * c * r)) {
                best = far;
                *cols = c;
                *rows = r;
            }
        }
}

struct tiles pre_tiles(const struct pre_cfg *cfg, int w, int h)
{
    int cols, rows;
    pre_grid(cfg, w, h, &cols, &rows);
    int n = cols * rows;
    return (struct tiles){ .n = n > 1 && cfg->thumbnail ? n + 1 : n, .h = cfg->h, .w = cfg->w };
}

/* The value of each 8-bit level per channel, rounded as the processor followed rounds it: torchvision's folds the
 * scale into mean and std, Pillow's scales first. */
static void levels(const struct pre_cfg *cfg, float level[3][256])
{
    float up = (float)(1.0 / cfg->rescale);
    for (int c = 0; c < 3; c++)
        for (int v = 0; v < 256; v++)
            level[c][v] = cfg->like == RESIZE_TORCH ? ((float)v - cfg->mean[c] * up) / (cfg->std[c] * up)
                                                    : ((float)(v * cfg->rescale) - cfg->mean[c]) / cfg->std[c];
}

/* The tile of `from` whose corner is (x0, y0) -> out [3][h][w]. */
static void emit_tile(const struct pre_cfg *cfg, const struct image *from, int x0, int y0, float level[3][256], float *out)
{
    size_t plane = (size_t)cfg->h * (size_t)cfg->w;
    for (int y = 0; y < cfg->h; y++) {
        const uint8_t *p = from->px + ((size_t)(y0 + y) * (size_t)from->w + (size_t)x0) * 3;
        float *to = out + (size_t)y * (size_t)cfg->w;
        for (int x = 0; x < cfg->w; x++, p += 3) {
            to[x] = level[0][p[0]];
            to[x + plane] = level[1][p[1]];
            to[x + 2 * plane] = level[2][p[2]];
        }
    }
}

int pre_run(const struct pre_cfg *cfg, const struct image *im, float *out)
{
    int cols, rows;
    float level[3][256];
    struct image canvas;
    levels(cfg, level);
    pre_grid(cfg, im->w, im->h, &cols, &rows);
    if (image_resize(im, cols * cfg->w, rows * cfg->h, cfg->resample, cfg->like, &canvas)) return -1;
    for (int i = 0; i < cols * rows; i++, out += 3 * (size_t)cfg->h * (size_t)cfg->w)
        emit_tile(cfg, &canvas, i % cols * cfg->w, i / cols * cfg->h, level, out);
    image_free(&canvas);
    if (cols * rows == 1 || !cfg->thumbnail) return 0;
    if (image_resize(im, cfg->w, cfg->h, cfg->resample, cfg->like, &canvas)) return -1;
    emit_tile(cfg, &canvas, 0, 0, level, out);
    image_free(&canvas);
    return 0;
}
