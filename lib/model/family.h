/* SPDX-License-Identifier: Apache-2.0
 * A family of checkpoints: a reader of its config.json and the names of its tensors, as its own code writes them.
 * A name is prefix + layer ("...layers.%d.") + tensor + ".weight" or ".bias"; NULL: the family has no such tensor.
 */
#ifndef MODEL_FAMILY_H
#define MODEL_FAMILY_H

#include "model/config.h"
#include "store/json.h"

struct block_names {
    const char *layer;                         /* holds one %d */
    const char *norm1, *q, *k, *v, *q_norm, *k_norm, *o;      /* q, k and v in one tensor: q names it, k and v are NULL */
    const char *scale1, *scale2;               /* layer scale: the name is whole, no ".weight" */
    const char *norm2, *gate, *up, *down;      /* plain MLP: gate NULL, up is its first product */
};

struct vision_names {                          /* tower and projector */
    struct block_names block;
    const char *patch, *cls, *pos, *pre_norm, *norm;          /* cls, pos: whole names */
    const char *proj_norm, *proj_1, *proj_2, *newline;        /* newline: the whole name */
};

struct text_names { struct block_names block; const char *embed, *norm, *head; };

struct rename { const char *from, *to; };      /* prefixes; the first that fits is applied, once */

struct family {
    const char *type;                          /* model_type */
    int (*read)(const json_t *doc, struct model_cfg *c);
    const char *text_object;                   /* where config.json describes the decoder; NULL or absent: in the document itself */
    const struct vision_names *vision;         /* NULL: text only */
    const char *text_prefix;                   /* before the decoder's names, */
    const struct text_names *text;             /* which are these; NULL: those of its own type */
    const struct rename *renames;              /* other layouts; ends in { NULL, NULL } */
};

const struct family *family_find(const char *type);                        /* NULL + fail() naming those there are */
const struct family *family_of(const struct model_cfg *c);                 /* never NULL for a config that was read */
const struct text_names *family_text_names(const struct model_cfg *c);
char *family_text_name(const struct model_cfg *c, const char *name);       /* with prefix and ".weight"; caller frees */

extern const struct text_names text_names_llama, text_names_internlm2, text_names_idefics3;
extern const struct vision_names vision_names_internvl, vision_names_internvl_chat, vision_names_llava_next, vision_names_idefics3,
                                 vision_names_qwen2_5_vl, vision_names_qwen2_vl;

/* GGUF: the name Hugging Face has for a tensor (caller frees; an unknown one keeps its name), and the head size D where
 * the converter laid rows of a head out in pairs: its row 2 i + s of a head is Hugging Face's row s D/2 + i. Else 0. */
char *gguf_our_name(const char *name);
int gguf_interleaved(const struct model_cfg *c, const char *name);

#endif
