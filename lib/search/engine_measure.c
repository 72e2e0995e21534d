/* SPDX-License-Identifier: Apache-2.0
 * A round as large as any, without requests: for the account of memory alone.
 */
#include <stdlib.h>
#include "search/engine_priv.h"

static int measure_image(struct engine *e, const struct tiles *t)
{
    float *px = mem_try(tiles_floats(t) * sizeof *px, "pixels");
    if (!px) return -1;
    struct model_image image = { *t, px };
    model_features_free(e->m, &e->features);
    int bad = model_encode(e->m, &image, 1, &e->features);
    free(px);
    return bad;
}

/* All rows behind one another from as few roots as the model's positions allow. */
static int measure_rows(struct engine *e, int n, struct mat *hidden)
{
    for (int i = 0, node = -1; i < n; i++) {
        if (i % e->max_pos == 0) node = kv_node(e->tree.kv, -1);
        e->node[i] = node;
        e->id[i] = 0;
        e->feature[i] = -1;
    }
    struct model_rows r = { n, e->node, e->id, e->feature, &e->features };
    int bad = model_extend(e->m, e->tree.kv, &r, hidden);
    for (int i = 0; i < n; i += e->max_pos) kv_drop(e->tree.kv, e->node[i]);
    return bad;
}

int engine_measure(struct engine *e, const struct tiles *image)
{
    struct mat hidden;
    int n = mem_min(e->batch + e->prefill, kv_free_slots(e->tree.kv)), most = mem_min(e->nlogit, n);
    if (image && image->n && measure_image(e, image)) return -1;
    if (measure_rows(e, n, &hidden)) return -1;
    for (int i = 0; i < most; i++) e->row[i] = i;
    if (!e->leaf.p) {
        size_t bytes = (size_t)e->nlogit * (size_t)e->C * dtype_size(hidden.t);
        e->leaf = mat_of(e->o->alloc(e->o, bytes, "hidden rows"), hidden.t, e->nlogit, e->C);
    }
    struct mat there;
    return e->leaf.p ? model_logits_there(e->m, hidden, e->row, most, &there) : -1;
}
