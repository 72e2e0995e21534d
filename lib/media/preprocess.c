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

/* ---- how an image is cut ---- */

/* The picture that is cut into tiles: the image, resized to via_w x via_h first (0: not), resized to w x h and laid with its
 * corner at (left, top) on black of cols x rows tiles. */
struct canvas { int via_w, via_h, w, h, left, top, cols, rows; };

static struct canvas grid_canvas(const struct pre_cfg *cfg, int w, int h)
{
    struct canvas c = {0};
    pre_grid(cfg, w, h, &c.cols, &c.rows);
    c.w = c.cols * cfg->w;
    c.h = c.rows * cfg->h;
    return c;
}

/* The size that keeps most of the image's pixels, and of those the one with the least black. */
static int best_size(const struct pre_cfg *cfg, int w, int h)
{
    int best = 0;
    int64_t most = 0, least = INT64_MAX, pixels = (int64_t)w * h;
    for (int i = 0; i < cfg->nsize; i++) {
        double scale = fmin((double)cfg->size[i].w / w, (double)cfg->size[i].h / h);
        int64_t kept = mem_min((int64_t)(w * scale) * (int64_t)(h * scale), pixels);
        int64_t lost = (int64_t)cfg->size[i].w * cfg->size[i].h - kept;
        if (kept < most || (kept == most && lost >= least)) continue;
        most = kept;
        least = lost;
        best = i;
    }
    return best;
}

static struct canvas anyres_canvas(const struct pre_cfg *cfg, int w, int h)
{
    int i = best_size(cfg, w, h), tw = cfg->size[i].w, th = cfg->size[i].h;
    double across = (double)tw / w, down = (double)th / h;
    struct canvas c = { .cols = tw / cfg->w, .rows = th / cfg->h };
    c.w = across < down ? tw : mem_min((int)ceil(w * down), tw);
    c.h = across < down ? mem_min((int)ceil(h * across), th) : th;
    c.left = (tw - c.w) / 2;
    c.top = (th - c.h) / 2;
    return c;
}

/* Sides for a picture of aspect w / h: the longer one given, the other computed in the reference's order of operations. */
static int shorter(int longer, double aspect, bool wide) { return (int)(wide ? longer / aspect : longer * aspect); }

static void scale_longest(int *w, int *h, int longest, bool even)
{
    bool wide = *w >= *h;
    int other = shorter(longest, (double)*w / *h, wide);
    if (even) other += other % 2;
    other = mem_max(other, 1);
    *w = wide ? longest : other;
    *h = wide ? other : longest;
}

static int whole_tiles(int px, int tile) { return mem_max(1, (px + tile - 1) / tile); }

static struct canvas split_canvas(const struct pre_cfg *cfg, int w, int h)
{
    enum { SPLIT_MAX = 4096 };
    struct canvas c = { .cols = 1, .rows = 1 };
    scale_longest(&w, &h, cfg->longest, true);
    if (mem_max(w, h) > SPLIT_MAX) scale_longest(&w, &h, SPLIT_MAX, false);
    c.via_w = w;
    c.via_h = h;
    if (cfg->tiling) {
        bool wide = w >= h;
        int longer = whole_tiles(wide ? w : h, cfg->w), other = whole_tiles(shorter(longer * cfg->w, (double)w / h, wide), cfg->w);
        c.cols = wide ? longer : other;
        c.rows = wide ? other : longer;
    }
    c.w = c.cols * cfg->w;
    c.h = c.rows * cfg->h;
    return c;
}

static struct canvas canvas_of(const struct pre_cfg *cfg, int w, int h)
{
    return cfg->kind == PRE_GRID || cfg->kind == PRE_WHOLE ? grid_canvas(cfg, w, h) : cfg->kind == PRE_ANYRES ? anyres_canvas(cfg, w, h) : split_canvas(cfg, w, h);
}

/* The processor for an image of that size: where the tile takes the image's size, with that (0: it takes none such). The
 * arithmetic is Qwen2-VL's smart_resize, rounding of halves to even included. */
static struct pre_cfg sized_for(const struct pre_cfg *cfg, int w, int h)
{
    struct pre_cfg c = *cfg;
    double unit = c.unit, area = (double)w * h;
    if (c.kind != PRE_WHOLE) return c;
    c.h = c.w = 0;
    if ((double)mem_max(w, h) / mem_min(w, h) > 200) return c;
    double high = nearbyint(h / unit) * unit, wide = nearbyint(w / unit) * unit;
    if (high * wide > c.max_pixels) {
        double shrink = sqrt(area / c.max_pixels);
        high = fmax(unit, floor(h / shrink / unit) * unit);
        wide = fmax(unit, floor(w / shrink / unit) * unit);
    } else if (high * wide < c.min_pixels) {
        double grow = sqrt(c.min_pixels / area);
        high = ceil(h * grow / unit) * unit;
        wide = ceil(w * grow / unit) * unit;
    }
    c.h = (int)high;
    c.w = (int)wide;
    return c;
}

/* Whether one more tile shows the whole. */
static bool has_whole(const struct pre_cfg *cfg, const struct canvas *c)
{
    return cfg->kind == PRE_ANYRES || (c->cols * c->rows > 1 && (cfg->kind == PRE_SPLIT || cfg->thumbnail));
}

struct tiles pre_tiles(const struct pre_cfg *cfg, int w, int h)
{
    struct pre_cfg sized = sized_for(cfg, w, h);
    if (!sized.h) return (struct tiles){0};
    struct canvas c = canvas_of(&sized, w, h);
    return (struct tiles){ .n = c.cols * c.rows + has_whole(cfg, &c), .h = sized.h, .w = sized.w, .cols = c.cols, .rows = c.rows,
                           .image_w = w, .image_h = h };
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

/* The image squeezed into one tile. */
static int emit_whole(const struct pre_cfg *cfg, const struct image *im, float level[3][256], float *out)
{
    struct image tile;
    if (image_resize(im, cfg->w, cfg->h, cfg->resample, cfg->like, &tile)) return -1;
    emit_tile(cfg, &tile, 0, 0, level, out);
    image_free(&tile);
    return 0;
}

/* Lays the picture on black; takes it. */
static int pad(const struct pre_cfg *cfg, const struct canvas *c, struct image *im)
{
    struct image out;
    if (im->w == c->cols * cfg->w && im->h == c->rows * cfg->h) return 0;
    int bad = image_new(c->cols * cfg->w, c->rows * cfg->h, &out);
    for (int y = 0; y < im->h && !bad; y++)
        memcpy(out.px + ((size_t)(c->top + y) * (size_t)out.w + (size_t)c->left) * 3, im->px + (size_t)y * (size_t)im->w * 3, (size_t)im->w * 3);
    image_free(im);
    *im = out;
    return bad;
}

static int draw_canvas(const struct pre_cfg *cfg, const struct canvas *c, const struct image *im, struct image *out)
{
    struct image via = {0};
    if (c->via_w && image_resize(im, c->via_w, c->via_h, cfg->resample, cfg->like, &via)) return -1;
    int bad = image_resize(c->via_w ? &via : im, c->w, c->h, cfg->resample, cfg->like, out) || pad(cfg, c, out);
    image_free(&via);
    return bad ? -1 : 0;
}

static int run_sized(const struct pre_cfg *cfg, const struct image *im, float *out)
{
    struct canvas c = canvas_of(cfg, im->w, im->h);
    struct image canvas;
    float level[3][256], *whole = out;
    size_t tile = 3 * (size_t)cfg->h * (size_t)cfg->w;
    levels(cfg, level);
    if (cfg->kind == PRE_ANYRES) out += tile;
    else whole += (size_t)(c.cols * c.rows) * tile;
    if (draw_canvas(cfg, &c, im, &canvas)) return -1;
    for (int i = 0; i < c.cols * c.rows; i++, out += tile)
        emit_tile(cfg, &canvas, i % c.cols * cfg->w, i / c.cols * cfg->h, level, out);
    int bad = has_whole(cfg, &c) && emit_whole(cfg, cfg->kind == PRE_SPLIT ? &canvas : im, level, whole);
    image_free(&canvas);
    return bad ? -1 : 0;
}

int pre_run(const struct pre_cfg *cfg, const struct image *im, float *out)
{
    struct pre_cfg sized = sized_for(cfg, im->w, im->h);
    return sized.h ? run_sized(&sized, im, out) : fail("an image of %dx%d is too narrow", im->w, im->h);
}
