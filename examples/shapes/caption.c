/* SPDX-License-Identifier: Apache-2.0 */
#include "caption.h"

#include "grammar.h"

void caption_write(const struct world *w, struct buf *out)
{
    const char *between = "";
    for (int c = 0; c < CELLS; c++) {
        const struct object *o = w->chart ? NULL : world_at(w, c);
        if (!o) continue;
        buf_fmt(out, "%s%s: %s %s %s", between, position_words[c], size_words[o->size], colour_words[o->colour], shape_words[o->shape]);
        between = "; ";
    }
    for (int i = 0; i < w->nbar; i++, between = "; ")
        buf_fmt(out, "%s%c: %s, %d", between, 'A' + w->bar[i].label, colour_words[w->bar[i].colour], w->bar[i].value);
}
