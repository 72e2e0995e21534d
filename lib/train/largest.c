/* SPDX-License-Identifier: Apache-2.0 */
#include "train/largest.h"

int largest_of(struct model *m, const struct batch_cfg *c, const struct plan *p, struct largest *out)
{
    struct batch b = { 0 };
    int bad = 0;
    *out = (struct largest){ 0, 0 };
    for (int i = 0; i < p->nmicro && !bad; i++) {
        size_t bytes;
        batch_layout(&b, c, p->order + p->micro[i].first, p->micro[i].n);
        bad = model_space(m, &b.in, &bytes);
        if (!bad && bytes > out->bytes) *out = (struct largest){ i, bytes };
    }
    batch_free(&b);
    return bad;
}
