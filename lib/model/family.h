/* SPDX-License-Identifier: Apache-2.0
 * The tensor names of a family, as transformers' save_pretrained writes them, and how other layouts map to them.
 * A name is layer prefix ("...layers.%d.") + tensor + ".weight" or ".bias"; NULL: the family has no such tensor.
 */
#ifndef MODEL_FAMILY_H
#define MODEL_FAMILY_H

#include "model/config.h"

struct block_names {
    const char *layer;                         /* holds one %d */
    const char *norm1, *q, *k, *v, *q_norm, *k_norm, *o;
    const char *scale1, *scale2;               /* layer scale: the name is whole, no ".weight" */
    const char *norm2, *gate, *up, *down;      /* plain MLP: gate NULL, up is its first product */
};

struct rename { const char *from, *to; };      /* prefixes; the first that fits is applied, once */

struct family_names {
    struct block_names vision, text;
    const char *patch, *cls, *pos, *vision_norm;      /* cls, pos: whole names */
    const char *proj_norm, *proj_1, *proj_2;
    const char *embed, *norm, *head;
    const struct rename *renames;              /* ends in { NULL, NULL } */
};

const struct family_names *family_names(const struct model_cfg *c);      /* never NULL for a config that was read */
extern const struct family_names family_internvl, family_text;

#endif
