/* SPDX-License-Identifier: Apache-2.0
 * LlavaNextForConditionalGeneration: LlavaNextConfig and CLIPVisionConfig. Absent fields take those classes' defaults.
 */
#include "model/config_priv.h"

#include <string.h>

static int read_clip(const json_t *obj, struct vision_cfg *v)
{
    struct block_cfg *b = &v->blocks;
    const char *type = "clip_vision_model";
    *v = (struct vision_cfg){ .image = 224, .patch = 32, .cls = true, .flat = true, .pos_table = true, .pre_norm = true,
                              .final_norm = true, .final_idle = true, .init_range = 0.02f };
    *b = (struct block_cfg){ .layers = 12, .hidden = 768, .heads = 12, .mlp = 3072, .eps = 1e-5f, .qkv_bias = true, .o_bias = true,
                             .mlp_bias = true, .act = ACT_QUICK_GELU };
    if (json_opt_str(obj, "model_type", &type)) return -1;
    if (strcmp(type, "clip_vision_model")) return fail("model_type: \"%.40s\" is not supported (clip_vision_model is)", type);
    return cfg_no_dropout(obj, "attention_dropout") || cfg_read_vit(obj, v) || cfg_opt_act(obj, "hidden_act", &b->act) ||
           cfg_opt_f32(obj, "layer_norm_eps", 0, 1, &b->eps) || cfg_opt_f32(obj, "initializer_range", 0, 10, &v->init_range) ? -1 : 0;
}

/* Which hidden state of the tower is looked at: 0 is what goes into the first block, -1 what comes out of the last one. */
static int read_depth(const json_t *doc, struct vision_cfg *v)
{
    int layer = -2, layers = v->blocks.layers;
    if (json_is_array(json_object_get(doc, "vision_feature_layer"))) return fail("vision_feature_layer: several layers are not supported");
    if (json_opt_int(doc, "vision_feature_layer", -layers, layers, &layer)) return -1;
    v->depth = layer < 0 ? layers + 1 + layer : layer;
    return v->depth ? 0 : fail("vision_feature_layer: 0 is not supported");
}

static int read_bridge(const json_t *doc, struct model_cfg *c)
{
    const char *strategy = "default";
    bool newline = true;
    c->shuffle = 1;
    c->newline = true;
    c->proj = (struct proj_cfg){ .layers = 2, .bias = true, .hidden = c->text.blocks.hidden, .act = ACT_GELU };
    c->text.tied = false;
    if (read_depth(doc, &c->vision) || cfg_opt_act(doc, "projector_hidden_act", &c->proj.act) ||
        json_opt_bool(doc, "multimodal_projector_bias", &c->proj.bias) || json_opt_bool(doc, "use_image_newline_parameter", &newline) ||
        json_opt_str(doc, "vision_feature_select_strategy", &strategy) || json_opt_bool(doc, "tie_word_embeddings", &c->text.tied)) return -1;
    if (!newline) return fail("use_image_newline_parameter: false is not supported");
    /* "full" would put the class token among the patches, which form no grid then */
    return strcmp(strategy, "default") ? fail("vision_feature_select_strategy: \"%s\" is not supported", strategy) : 0;
}

int cfg_read_llava_next(const json_t *doc, struct model_cfg *c)
{
    json_t *vision, *text;
    const char *decoder = "llama";
    if (json_get_object(doc, "vision_config", &vision) || json_get_object(doc, "text_config", &text) ||
        json_opt_str(text, "model_type", &decoder)) return -1;
    c->has_vision = true;
    if (read_clip(vision, &c->vision)) return fail_in("vision_config");
    if (cfg_read_decoder(text, decoder, &c->text)) return fail_in("text_config");
    if (read_bridge(doc, c)) return -1;
    c->image_token_id = 32000;
    if (json_opt_int(doc, "image_token_index", 0, VOCAB_MAX, &c->image_token_id)) return -1;
    return cfg_check_image_token(c);
}
