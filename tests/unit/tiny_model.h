/* SPDX-License-Identifier: Apache-2.0
 * Tiny models for tests: configurations as text, weights random with nothing zero and nothing one.
 */
#ifndef TESTS_TINY_MODEL_H
#define TESTS_TINY_MODEL_H

#include <stdlib.h>
#include "base/rng.h"
#include "model/model.h"

#define TINY_VISION "\"vision_config\": {\"model_type\": \"internvl_vision\", \"hidden_size\": 16, \"num_hidden_layers\": 2," \
    "\"num_attention_heads\": 2, \"intermediate_size\": 24, \"image_size\": [8, 8], \"patch_size\": [2, 2]"
#define TINY_TEXT "\"hidden_size\": 24, \"num_hidden_layers\": 2, \"num_attention_heads\": 4, \"num_key_value_heads\": 2," \
    "\"intermediate_size\": 40, \"vocab_size\": 53, \"max_position_embeddings\": 512"
#define TINY_REST "\"model_type\": \"internvl\", \"image_token_id\": 3, \"image_seq_length\": 4, \"eos_token_id\": [1, 2]"

static const char tiny_qwen2[] =
    "{" TINY_REST ", \"tie_word_embeddings\": false, " TINY_VISION ", \"attention_bias\": true}, "
    "\"text_config\": {\"model_type\": \"qwen2\", " TINY_TEXT ", \"rope_theta\": 1000.0}}";
static const char tiny_llama[] =
    "{" TINY_REST ", \"tie_word_embeddings\": true, " TINY_VISION ", \"norm_type\": \"rms_norm\", \"use_qk_norm\": true,"
    "\"use_mean_pooling\": false}, \"text_config\": {\"model_type\": \"llama\", " TINY_TEXT ", \"attention_bias\": true,"
    "\"mlp_bias\": true, \"head_dim\": 8}}";
static const char tiny_text[] = "{\"model_type\": \"qwen2\", \"tie_word_embeddings\": false, \"eos_token_id\": 1, " TINY_TEXT "}";
static const char tiny_chat[] =               /* one tensor of q, k and v in tower and decoder; three query heads a key head */
    "{\"model_type\": \"internvl_chat\", \"ps_version\": \"v2\", \"select_layer\": -1, \"template\": \"internvl2_5\","
    "\"vision_config\": {\"model_type\": \"intern_vit_6b\", \"hidden_size\": 16, \"num_hidden_layers\": 2, \"num_attention_heads\": 2,"
    "\"intermediate_size\": 24, \"image_size\": 8, \"patch_size\": 2}, \"force_image_size\": 8,"
    "\"llm_config\": {\"model_type\": \"internlm2\", \"hidden_size\": 24, \"num_hidden_layers\": 2, \"num_attention_heads\": 6,"
    "\"num_key_value_heads\": 2, \"intermediate_size\": 40, \"vocab_size\": 53, \"max_position_embeddings\": 512, \"bias\": true,"
    "\"eos_token_id\": 2, \"rope_scaling\": {\"type\": \"dynamic\", \"factor\": 2.0}}}";

/* windows in the tower, positions of three axes, one tensor of q, k and v in the tower alone; images of any size */
static const char tiny_qwen_vl[] =
    "{\"model_type\": \"qwen2_5_vl\", \"image_token_id\": 3, \"tie_word_embeddings\": true, \"eos_token_id\": 1, " TINY_TEXT ","
    "\"rms_norm_eps\": 1e-5, \"rope_theta\": 1000.0, \"rope_scaling\": {\"type\": \"mrope\", \"mrope_section\": [1, 1, 1]},"
    "\"vision_config\": {\"hidden_size\": 16, \"depth\": 3, \"num_heads\": 2, \"intermediate_size\": 24, \"patch_size\": 2,"
    "\"out_hidden_size\": 24, \"window_size\": 4, \"fullatt_block_indexes\": [1]}}";

static inline struct model *tiny_model(const char *json, struct ops *o, enum dtype t, int flags)
{
    struct model_cfg c;
    if (cfg_parse(json, strlen(json), "tiny", &c)) return NULL;
    struct model *m = model_new(&c, 1, o, t, flags);
    cfg_free(&c);
    struct params *ps = m ? model_params(m) : &(struct params){0};
    for (int i = 0; i < ps->n && t == DT_F32; i++) {
        struct param *p = &ps->v[i];
        struct rng r = rng_new(7, p->name);
        float *x = malloc(p->n * sizeof *x);
        for (size_t k = 0; k < p->n; k++) {
            float z = (float)(rng_next(&r) * 2 - 1);
            x[k] = p->vector ? ((strstr(p->name, "norm") || strstr(p->name, "ln_q")) && !strstr(p->name, "bias") ? 1 + 0.3f * z : 0.5f * z)
                             : 1.7f * z / sqrtf((float)p->cols);
        }
        o->upload(o, p->w.p, x, p->n * sizeof *x);
        free(x);
    }
    return m;
}

#endif
