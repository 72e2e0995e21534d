/* SPDX-License-Identifier: Apache-2.0 */
#include "draw.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct rgb { double c[3]; };                   /* 0..255 */
static const struct rgb palette[COLOURS] = {
    [RED] = { { 222, 45, 45 } },     [BLUE] = { { 45, 95, 220 } },   [GREEN] = { { 40, 160, 70 } }, [YELLOW] = { { 248, 210, 45 } },
    [PURPLE] = { { 140, 65, 185 } }, [ORANGE] = { { 246, 135, 30 } }, [CYAN] = { { 60, 200, 220 } }, [PINK] = { { 246, 140, 195 } },
};

static double spread(struct rng *r, double by) { return (2 * rng_next(r) - 1) * by; }

static struct rgb scaled(struct rgb a, double by)
{
    for (int i = 0; i < 3; i++) a.c[i] = fmin(255, fmax(0, a.c[i] * by));
    return a;
}

static struct rgb tinted(struct rgb a, struct rng *r, double by)
{
    for (int i = 0; i < 3; i++) a.c[i] = fmin(255, fmax(0, a.c[i] + 255 * spread(r, by)));
    return a;
}

/* cover: the part of the pixel that gets the colour. */
static void blend(struct image *im, int x, int y, struct rgb col, double cover)
{
    if (x < 0 || y < 0 || x >= im->w || y >= im->h) return;
    uint8_t *p = im->px + 3 * ((size_t)y * (size_t)im->w + (size_t)x);
    for (int i = 0; i < 3; i++) p[i] = (uint8_t)(p[i] + (col.c[i] - p[i]) * cover + 0.5);
}

static void box(struct image *im, int x, int y, int w, int h, struct rgb col)
{
    for (int j = y; j < y + h; j++)
        for (int i = x; i < x + w; i++) blend(im, i, j, col, 1);
}

/* ---- shapes: is (u, v) inside the shape of radius 1 around the origin? v downwards ---- */

/* A pentagram: inside at least four of the five half-planes its lines bound. */
static bool in_star(double u, double v)
{
    static const double nx[5] = { 0, 0.9510565, 0.5877853, -0.5877853, -0.9510565 }, ny[5] = { -1, -0.3090170, 0.8090170, 0.8090170, -0.3090170 };
    int in = 0;
    for (int i = 0; i < 5; i++) in += nx[i] * u + ny[i] * v < 0.335;
    return in >= 4;
}

static bool inside(int shape, double u, double v)
{
    switch (shape) {
    case CIRCLE:   return u * u + v * v < 0.92 * 0.92;
    case SQUARE:   return fmax(fabs(u), fabs(v)) < 0.8;
    case TRIANGLE: return v < 0.72 && 1.9 * fabs(u) < v + 1.02;
    case STAR:     return in_star(u, v - 0.05);
    case CROSS:    return fmin(fabs(u), fabs(v)) < 0.3 && fmax(fabs(u), fabs(v)) < 0.92;
    default:       return 1.35 * fabs(u) + fabs(v) < 1;
    }
}

enum { SUB = 4 };
static void fill_shape(struct image *im, const struct object *o, double radius, double angle, struct rgb col)
{
    double cx = o->x * im->w, cy = o->y * im->h, co = cos(angle) / radius, si = sin(angle) / radius;
    for (int y = (int)(cy - 1.2 * radius) - 1; y <= (int)(cy + 1.2 * radius) + 1; y++)
        for (int x = (int)(cx - 1.2 * radius) - 1; x <= (int)(cx + 1.2 * radius) + 1; x++) {
            int hit = 0;
            for (int k = 0; k < SUB * SUB; k++) {
                double u = x + (k % SUB + 0.5) / SUB - cx, v = y + (k / SUB + 0.5) / SUB - cy;
                hit += inside(o->shape, u * co + v * si, v * co - u * si);
            }
            if (hit) blend(im, x, y, col, (double)hit / (SUB * SUB));
        }
}

static void draw_object(struct image *im, const struct object *o, const struct level *l, struct rng *r)
{
    struct rgb col = tinted(palette[o->colour], r, l->tint);
    double radius = o->r * im->w, angle = spread(r, 2 * l->place);
    fill_shape(im, o, radius + 0.012 * im->w, angle, scaled(col, 0.55));     /* the outline parts overlapping shapes */
    fill_shape(im, o, radius - 0.006 * im->w, angle, col);
}

/* ---- what is no object ---- */

static struct rgb draw_ground(struct image *im, const struct level *l, struct rng *r)
{
    double level = 246 - 120 * rng_next(r) * l->tint;
    struct rgb g = tinted((struct rgb){ { level, level, level } }, r, 0.3 * l->tint);
    box(im, 0, 0, im->w, im->h, g);
    return g;
}

static void draw_clutter(struct image *im, const struct level *l, struct rng *r, struct rgb ground)
{
    int width = mem_max(1, im->w / 64);
    for (int n = 0; n < l->clutter; n++) {
        struct rgb grey = scaled(ground, 0.78 + 0.12 * rng_next(r));
        double x = rng_next(r) * im->w, y = rng_next(r) * im->h, a = rng_next(r) * 2 * acos(-1.0);
        int length = n % 2 ? 2 * width : (int)(im->w * (0.2 + 0.4 * rng_next(r)));      /* dots and lines */
        for (int i = 0; i < length; i++) box(im, (int)(x + i * cos(a)), (int)(y + i * sin(a)), n % 2 ? 2 * width : width, width, grey);
    }
}

static void draw_noise(struct image *im, double noise, struct rng *r)
{
    uint64_t at = r->n++;
    for (int i = 0; i < im->w * im->h; i++) {
        uint32_t u[4];
        rng_block(r->key, (uint64_t)i, at + ((uint64_t)1 << 32), u);
        for (int c = 0; c < 3; c++) {
            double x = im->px[3 * i + c] + 255 * noise * (u[c] * 0x1p-31 - 1);
            im->px[3 * i + c] = (uint8_t)fmin(255, fmax(0, x + 0.5));
        }
    }
}

/* ---- charts ---- */

enum { GLYPH_W = 3, GLYPH_H = 5 };
static const char glyphs[] = "0123456789ABCDEFGH";
static const uint8_t glyph_rows[][GLYPH_H] = {       /* bit 2: left */
    { 7, 5, 5, 5, 7 }, { 2, 6, 2, 2, 7 }, { 7, 1, 7, 4, 7 }, { 7, 1, 7, 1, 7 }, { 5, 5, 7, 1, 1 }, { 7, 4, 7, 1, 7 },
    { 7, 4, 7, 5, 7 }, { 7, 1, 1, 2, 2 }, { 7, 5, 7, 5, 7 }, { 7, 5, 7, 1, 7 }, { 2, 5, 7, 5, 5 }, { 6, 5, 6, 5, 6 },
    { 3, 4, 4, 4, 3 }, { 6, 5, 5, 5, 6 }, { 7, 4, 6, 4, 7 }, { 7, 4, 6, 4, 4 }, { 3, 4, 5, 5, 3 }, { 5, 5, 7, 5, 5 },
};

static void draw_text(struct image *im, int x, int y, int scale, const char *s, struct rgb col)
{
    for (; *s; s++, x += (GLYPH_W + 1) * scale) {
        const uint8_t *rows = glyph_rows[strchr(glyphs, *s) - glyphs];
        for (int j = 0; j < GLYPH_H; j++)
            for (int i = 0; i < GLYPH_W; i++)
                if (rows[j] >> (GLYPH_W - 1 - i) & 1) box(im, x + i * scale, y + j * scale, scale, scale, col);
    }
}

/* The axis: its lines with their numbers. Returns the column the bars may begin at. */
static int draw_axis(struct image *im, const struct world *w, int scale, int bottom, double unit, struct rgb ground)
{
    struct rgb ink = { { 60, 60, 70 } };
    int digits = w->top > 9 ? 2 : 1, left = digits * (GLYPH_W + 1) * scale + scale;
    for (int v = 0; v <= w->top; v += w->tick) {
        char text[12];
        int n = snprintf(text, sizeof text, "%d", v), y = bottom - (int)lround(v * unit);
        draw_text(im, (digits - n) * (GLYPH_W + 1) * scale, y - GLYPH_H / 2 * scale - scale / 2, scale, text, ink);
        box(im, left, y, im->w - left - scale, mem_max(1, scale / 2), scaled(ground, v ? 0.86 : 0.4));
    }
    return left + scale;
}

static void draw_chart(struct image *im, const struct world *w, const struct level *l, struct rng *r, struct rgb ground)
{
    int scale = mem_max(1, im->w / 64), bottom = im->h - (GLYPH_H + 3) * scale;
    double unit = (double)(bottom - 3 * scale) / w->top;
    int left = draw_axis(im, w, scale, bottom, unit, ground);
    double pitch = (double)(im->w - left - scale) / w->nbar;
    for (int i = 0; i < w->nbar; i++) {
        struct rgb col = tinted(palette[w->bar[i].colour], r, l->tint);
        int x0 = (int)(left + (i + 0.15) * pitch), x1 = (int)(left + (i + 0.85) * pitch), h = (int)lround(w->bar[i].value * unit);
        char label[2] = { (char)('A' + w->bar[i].label), 0 };
        box(im, x0, bottom - h, x1 - x0, h, scaled(col, 0.6));
        if (h > 1) box(im, x0 + mem_max(1, scale / 2), bottom - h + mem_max(1, scale / 2), x1 - x0 - 2 * mem_max(1, scale / 2), h - mem_max(1, scale / 2), col);
        draw_text(im, (x0 + x1 - GLYPH_W * scale) / 2, bottom + 2 * scale, scale, label, (struct rgb){ { 60, 60, 70 } });
    }
}

void draw_world(const struct world *w, const struct level *l, struct rng *r, struct image *im)
{
    struct rgb ground = draw_ground(im, l, r);
    if (w->chart) {
        draw_chart(im, w, l, r, ground);
    } else {
        draw_clutter(im, l, r, ground);
        for (int i = 0; i < w->nobject; i++) draw_object(im, &w->object[i], l, r);
    }
    draw_noise(im, l->noise, r);
}
