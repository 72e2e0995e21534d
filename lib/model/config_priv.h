/* SPDX-License-Identifier: Apache-2.0
 * What the readers of the families share.
 */
#ifndef MODEL_CONFIG_PRIV_H
#define MODEL_CONFIG_PRIV_H

#include "model/config.h"
#include "store/json.h"

enum { DIM_MAX = 1 << 17, MLP_MAX = 1 << 20, LAYERS_MAX = CFG_LAYERS_MAX, HEADS_MAX = 1024, VOCAB_MAX = 1 << 24, POS_MAX = 1 << 24,
       IMAGE_MAX = 1 << 13 };

MUST_USE int cfg_read_internvl(const json_t *doc, struct model_cfg *c);
MUST_USE int cfg_read_internvl_chat(const json_t *doc, struct model_cfg *c);
MUST_USE int cfg_read_qwen2_5_vl(const json_t *doc, struct model_cfg *c);
MUST_USE int cfg_read_qwen2_vl(const json_t *doc, struct model_cfg *c);
MUST_USE int cfg_read_llava_next(const json_t *doc, struct model_cfg *c);
MUST_USE int cfg_read_idefics3(const json_t *doc, struct model_cfg *c);    /* and smolvlm */
MUST_USE int cfg_read_text(const json_t *doc, struct model_cfg *c);        /* a decoder on its own */
MUST_USE int cfg_load_gguf(const char *path, struct model_cfg *c);         /* of a GGUF file; as cfg_load */
/* A decoder's object: of a plain decoder the document, of a vision-language model its text_config. */
MUST_USE int cfg_read_decoder(const json_t *obj, const char *model_type, struct text_cfg *t);

float rope_frequency(const struct rope_cfg *r, int i, int head_dim);       /* inv_freq[i] */

MUST_USE int cfg_opt_act(const json_t *obj, const char *key, enum act *act);
MUST_USE int cfg_opt_f32(const json_t *obj, const char *key, double lo, double hi, float *out);
MUST_USE int cfg_no_dropout(const json_t *obj, const char *key);
/* Width, depth, heads, image and patch of a ViT; norm_type, where there is one; downsample_ratio, and what no config says of
 * the projector behind it. */
MUST_USE int cfg_read_vit(const json_t *obj, struct vision_cfg *v);
MUST_USE int cfg_opt_norm_type(const json_t *obj, enum norm *norm);
MUST_USE int cfg_read_shuffle(const json_t *doc, struct model_cfg *c);
MUST_USE int cfg_check_shuffle(const struct model_cfg *c, const char *key);
MUST_USE int cfg_check_image_token(const struct model_cfg *c);
MUST_USE int cfg_check_heads(const struct block_cfg *b, const char *what);

#endif
