/* SPDX-License-Identifier: Apache-2.0
 * How the features of an image's tiles become its rows in the prompt. Mostly they are those rows, tile behind tile. In
 * LlavaNext the first tile shows the whole image, and its features come first; the tiles behind it are put together to the
 * one picture they were cut from, what shows the black beside the image is cut away, and a learned newline ends each line
 * (pack_image_features in transformers' modeling_llava_next.py).
 */
#include <math.h>
#include "model/model_priv.h"

struct view { int cols, top, high, left, wide; };      /* of the picture's features: columns in all; what is kept of them */

/* Python's int(round(x, 7)). */
static int whole(double x)
{
    double near = nearbyint(x);
    return (int)(fabs(x - near) < 5e-8 ? near : floor(x));
}

static struct view view_of(const struct model_cfg *c, const struct tiles *t)
{
    int side = c->vision.image / c->vision.patch, cols = t->cols * side, rows = t->rows * side;
    struct view v = { cols, 0, rows, 0, cols };
    if ((double)t->image_w / t->image_h > (double)cols / rows) {
        v.top = (rows - whole(t->image_h * ((double)cols / t->image_w))) / 2;
        v.high = rows - 2 * v.top;
    } else {
        v.left = (cols - whole(t->image_w * ((double)rows / t->image_h))) / 2;
        v.wide = cols - 2 * v.left;
    }
    return v;
}

int merge_takes(const struct model_cfg *c, const struct tiles *t)
{
    int unit = c->vision.patch * c->shuffle;
    return t->n * (t->h / unit) * (t->w / unit);
}

int cfg_image_tokens(const struct model_cfg *c, const struct tiles *t)
{
    if (!c->newline) return merge_takes(c, t);
    struct view v = view_of(c, t);
    return merge_takes(c, t) / t->n + v.high * (v.wide + 1);
}

/* The rows of one image whose tiles' features begin at row `first`; returns the end of what was written. */
static int *merge_image(const struct model_cfg *c, const struct tiles *t, int first, int newline, int *out)
{
    struct view v = view_of(c, t);
    int side = c->vision.image / c->vision.patch, all = side * side;
    for (int i = 0; i < all; i++) *out++ = first + i;
    for (int y = v.top; y < v.top + v.high; y++) {
        for (int x = v.left; x < v.left + v.wide; x++) {
            int tile = 1 + y / side * t->cols + x / side;
            *out++ = first + tile * all + y % side * side + x % side;
        }
        *out++ = newline;
    }
    return out;
}

int *merge_rows(struct model *m, const struct model_image *v, int n)
{
    const struct pass *p = &m->pass;
    int first = 0, *row = arena_alloc(&m->host, ((size_t)p->nfeature + 1) * sizeof *row), *out = row;
    for (int i = 0; i < n; i++) {
        out = merge_image(&m->cfg, &v[i].tiles, first, p->nprojected, out);
        first += merge_takes(&m->cfg, &v[i].tiles);
    }
    return row;
}
