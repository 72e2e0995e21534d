/* SPDX-License-Identifier: Apache-2.0
 * Idefics3ForConditionalGeneration and SmolVLMForConditionalGeneration, which differ in name alone: a SigLIP tower whose
 * positions stretch over tiles of any size. Absent fields take the defaults of Idefics3Config and Idefics3VisionConfig.
 */
#include "model/config_priv.h"

#include <string.h>

static int read_siglip(const json_t *obj, struct vision_cfg *v)
{
    static const char *const types[] = { "idefics3_vision", "smolvlm_vision", "idefics3", "smolvlm" };   /* the hub has all */
    struct block_cfg *b = &v->blocks;
    const char *type = types[0];
    bool known = false;
    *v = (struct vision_cfg){ .image = 224, .patch = 32, .patch_bias = true, .flat = true, .pos_table = true, .pos_any = true,
                              .final_norm = true, .init_range = 0.02f };
    *b = (struct block_cfg){ .layers = 12, .hidden = 1152, .heads = 16, .mlp = 3072, .eps = 1e-6f, .qkv_bias = true, .o_bias = true,
                             .mlp_bias = true, .act = ACT_GELU_TANH };
    if (json_opt_str(obj, "model_type", &type)) return -1;
    for (int i = 0; i < countof(types); i++) known = known || !strcmp(type, types[i]);
    if (!known) return fail("model_type: \"%.40s\" is not supported (%s is)", type, types[0]);
    if (cfg_no_dropout(obj, "attention_dropout") || cfg_read_vit(obj, v) || cfg_opt_act(obj, "hidden_act", &b->act) ||
        cfg_opt_f32(obj, "layer_norm_eps", 0, 1, &b->eps) || cfg_opt_f32(obj, "initializer_range", 0, 10, &v->init_range)) return -1;
    return 0;
}

static int read_bridge(const json_t *doc, struct model_cfg *c)
{
    c->shuffle = 2;
    c->proj = (struct proj_cfg){ .layers = 1 };
    c->text.tied = false;
    if (json_opt_int(doc, "scale_factor", 1, 64, &c->shuffle) || json_opt_bool(doc, "tie_word_embeddings", &c->text.tied)) return -1;
    return cfg_check_shuffle(c, "scale_factor");
}

int cfg_read_idefics3(const json_t *doc, struct model_cfg *c)
{
    json_t *vision, *text;
    const char *decoder = "llama";
    if (json_get_object(doc, "vision_config", &vision) || json_get_object(doc, "text_config", &text) ||
        json_opt_str(text, "model_type", &decoder)) return -1;
    c->has_vision = true;
    if (read_siglip(vision, &c->vision)) return fail_in("vision_config");
    if (cfg_read_decoder(text, decoder, &c->text)) return fail_in("text_config");
    if (read_bridge(doc, c)) return -1;
    c->image_token_id = 128257;
    if (json_opt_int(doc, "image_token_id", 0, VOCAB_MAX, &c->image_token_id)) return -1;
    return cfg_check_image_token(c);
}
