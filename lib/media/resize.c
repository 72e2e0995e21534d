/* SPDX-License-Identifier: Apache-2.0 */
#include "media/resize.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>

struct filter { double support; double (*at)(double x); };

static double box(double x) { return x > -0.5 && x <= 0.5 ? 1 : 0; }

static double triangle(double x)
{
    x = fabs(x);
    return x < 1 ? 1 - x : 0;
}

static double cubic(double x)                  /* Keys' cubic with a = -1/2 */
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
    return 0;
}

static double sinc(double x)
{
    if (x == 0) return 1;
    x *= 3.14159265358979323846;
    return sin(x) / x;
}

static double lanczos3(double x) { return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0; }

static const struct filter filters[] = {
    [RESAMPLE_LANCZOS] = { 3, lanczos3 }, [RESAMPLE_BILINEAR] = { 1, triangle },
    [RESAMPLE_BICUBIC] = { 2, cubic }, [RESAMPLE_BOX] = { 0.5, box },
};

/* The taps of every output position along one axis: in[first[o] + i] * k[o * width + i], i < count[o]. */
struct axis { int in, out, width, bits; int *first, *count; int32_t *k; };

static void axis_free(struct axis *a)
{
    free(a->first);
    free(a->count);
    free(a->k);
}

/* Window and normalised coefficients of output position o; k holds a->width values. */
static void taps(struct axis *a, const struct filter *f, int o, double *k)
{
    double scale = (double)a->in / a->out, widen = scale < 1 ? 1 : scale;
    double support = f->support * widen, inverse = 1 / widen, centre = (o + 0.5) * scale, sum = 0;
    int lo = (int)(centre - support + 0.5), hi = (int)(centre + support + 0.5);
    lo = mem_max(lo, 0);
    hi = mem_min(hi, a->in);
    hi = mem_min(hi, lo + a->width);
    for (int i = 0; i < hi - lo; i++) {
        k[i] = f->at((i + lo - centre + 0.5) * inverse);
        sum += k[i];
    }
    if (sum != 0)
        for (int i = 0; i < hi - lo; i++) k[i] /= sum;
    a->first[o] = lo;
    a->count[o] = hi - lo;
}

/* The most fraction bits with which `largest` still fits 16 bits with its sign (torch), or Pillow's 32 - 8 - 2. */
static int fraction_bits(enum resize_like like, double largest)
{
    const int pillow = 32 - 8 - 2;
    if (like == RESIZE_PILLOW) return pillow;
    int bits = 0;
    while (bits < pillow && (int)(0.5 + largest * (1 << (bits + 1))) < 1 << 15) bits++;
    return bits;
}

static int axis_make(struct axis *a, int in, int out, const struct filter *f, enum resize_like like)
{
    double scale = (double)in / out, largest = 0;
    *a = (struct axis){ .in = in, .out = out, .width = (int)ceil(f->support * (scale < 1 ? 1 : scale)) * 2 + 1 };
    size_t n = (size_t)out * (size_t)a->width;
    double *k = mem_try(n * sizeof *k, "resampling");
    a->k = mem_try(n * sizeof *a->k, "resampling");
    a->first = mem_array((size_t)out, sizeof *a->first);
    a->count = mem_array((size_t)out, sizeof *a->count);
    if (!k || !a->k) {
        free(k);
        axis_free(a);
        return -1;
    }
    for (int o = 0; o < out; o++) {
        double *row = k + (size_t)o * (size_t)a->width;
        taps(a, f, o, row);
        for (int i = 0; i < a->count[o]; i++) largest = mem_max(largest, row[i]);
    }
    a->bits = fraction_bits(like, largest);
    double one = 1 << a->bits;
    for (size_t i = 0; i < n; i++) a->k[i] = (int32_t)(k[i] * one + (k[i] < 0 ? -0.5 : 0.5));
    free(k);
    return 0;
}

static inline uint8_t clip8(int32_t v) { return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v); }

/* One row: in [a->in][3] -> out [a->out][3]. */
static void row_across(const struct axis *a, const uint8_t *restrict in, uint8_t *restrict out)
{
    const int32_t half = (int32_t)1 << (a->bits - 1);
    for (int o = 0; o < a->out; o++) {
        const int32_t *k = a->k + (size_t)o * (size_t)a->width;
        const uint8_t *p = in + (size_t)a->first[o] * 3;
        int32_t r = half, g = half, b = half;
        for (int i = 0, n = a->count[o]; i < n; i++, p += 3) {
            r += p[0] * k[i];
            g += p[1] * k[i];
            b += p[2] * k[i];
        }
        out[o * 3] = clip8(r >> a->bits);
        out[o * 3 + 1] = clip8(g >> a->bits);
        out[o * 3 + 2] = clip8(b >> a->bits);
    }
}

/* to[i] += k * row[i]; in blocks, which compilers turn into vectors also at -O2. */
static void add_row(int32_t *restrict to, const uint8_t *restrict row, int32_t k, size_t n)
{
    enum { BLOCK = 16 };
    size_t i = 0;
    for (; i + BLOCK <= n; i += BLOCK)
        for (size_t j = 0; j < BLOCK; j++) to[i + j] += row[i + j] * k;
    for (; i < n; i++) to[i] += row[i] * k;
}

/* The most output rows whose windows hold one input row. */
static int overlap(const struct axis *a)
{
    int most = 1;
    for (int o = 0, end = 0; o < a->out; o++) {
        while (end < a->out && a->first[end] < a->first[o] + a->count[o]) end++;
        most = mem_max(most, end - o);
    }
    return most;
}

/* Over y; ax, if not NULL, is applied to each row of im before. Input rows are taken once, in order, and added to the
 * sums of all output rows whose windows hold them: the windows move on monotonously, so these are few rows [from, to),
 * kept in a ring. There is no copy of the picture at its old height, which a tall and narrow image could make as large
 * as its author likes. */
static int resample_down(const struct image *im, const struct axis *ax, const struct axis *ay, struct image *out)
{
    size_t n = (size_t)out->w * 3;
    int ring = overlap(ay), from = 0, to = 0;
    int32_t half = (int32_t)1 << (ay->bits - 1), *sum = mem_try((size_t)ring * n * sizeof *sum, "resampling");
    uint8_t *row = mem_try(n, "resampling");
    int r = sum && row ? 0 : -1;
    for (int y = 0; !r && y < im->h; y++) {
        const uint8_t *in = im->px + (size_t)y * (size_t)im->w * 3;
        if (ax) row_across(ax, in, row);
        while (to < ay->out && ay->first[to] <= y) to++;
        for (int o = from; o < to; o++) {
            int32_t *s = sum + (size_t)(o % ring) * n, i = y - ay->first[o];
            add_row(s, ax ? row : in, ay->k[(size_t)o * (size_t)ay->width + (size_t)i], n);
            if (i + 1 < ay->count[o]) continue;
            for (size_t x = 0; x < n; x++) out->px[(size_t)o * n + x] = clip8((s[x] + half) >> ay->bits);
            memset(s, 0, n * sizeof *s);
            from = o + 1;
        }
    }
    free(row);
    free(sum);
    return r;
}

static void resample_across(const struct image *im, const struct axis *ax, struct image *out)
{
    for (int y = 0; y < im->h; y++)
        row_across(ax, im->px + (size_t)y * (size_t)im->w * 3, out->px + (size_t)y * (size_t)out->w * 3);
}

static int resample_down_first(const struct image *im, const struct axis *ax, const struct axis *ay, struct image *out)
{
    struct image mid;
    if (image_new(im->w, out->h, &mid)) return -1;
    int r = resample_down(im, NULL, ay, &mid);
    if (!r) resample_across(&mid, ax, out);
    image_free(&mid);
    return r;
}

/* Pillow 13 saves work where the height loses much more than the width; earlier ones and torch take x first always. */
static bool down_first(const struct image *im, const struct image *out, enum resize_like like)
{
    return like == RESIZE_PILLOW && out->h < im->h && im->h - out->h > 2 * (im->w - out->w);
}

int image_resize(const struct image *im, int w, int h, enum resample r, enum resize_like like, struct image *out)
{
    struct axis ax = {0}, ay = {0};
    if (image_new(w, h, out)) return -1;
    bool wide = w != im->w, high = h != im->h;
    int bad = (wide && axis_make(&ax, im->w, w, &filters[r], like)) || (high && axis_make(&ay, im->h, h, &filters[r], like));
    if (!bad && !wide && !high) memcpy(out->px, im->px, (size_t)w * (size_t)h * 3);
    else if (!bad && !high) resample_across(im, &ax, out);
    else if (!bad && wide && down_first(im, out, like)) bad = resample_down_first(im, &ax, &ay, out);
    else if (!bad) bad = resample_down(im, wide ? &ax : NULL, &ay, out);
    axis_free(&ax);
    axis_free(&ay);
    if (bad) image_free(out);
    return bad ? -1 : 0;
}
