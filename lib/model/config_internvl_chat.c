/* SPDX-License-Identifier: Apache-2.0
 * InternVLChatModel, the original layout of InternVL 2, 2.5 and 3: InternVLChatConfig with an InternVisionConfig and the
 * decoder's own configuration. How images are cut into tiles stands in the same file: media/preprocess.h reads that.
 */
#include "model/config_priv.h"

#include <string.h>

static int read_vision(const json_t *obj, struct vision_cfg *v)
{
    struct block_cfg *b = &v->blocks;
    const char *type = "intern_vit_6b";
    *v = (struct vision_cfg){ .image = 224, .patch = 14, .patch_bias = true, .cls = true, .pos_table = true, .layer_scale_init = 0.1f, .init_range = 0.02f };
    *b = (struct block_cfg){ .layers = 48, .hidden = 3200, .heads = 25, .mlp = 12800, .norm = NORM_RMS, .eps = 1e-6f,
                             .qkv = QKV_STACKED, .o_bias = true, .mlp_bias = true, .qk_norm = true, .layer_scale = true, .act = ACT_GELU };
    if (json_opt_str(obj, "model_type", &type)) return -1;
    if (strcmp(type, "intern_vit_6b")) return fail("model_type: \"%.40s\" is not supported (intern_vit_6b is)", type);
    if (cfg_read_vit(obj, v) || cfg_opt_norm_type(obj, &b->norm) || cfg_opt_act(obj, "hidden_act", &b->act) || cfg_opt_f32(obj, "layer_norm_eps", 0, 1, &b->eps) ||
        json_opt_bool(obj, "qkv_bias", &b->qkv_bias) || json_opt_bool(obj, "qk_normalization", &b->qk_norm) ||
        cfg_no_dropout(obj, "dropout") || cfg_no_dropout(obj, "attention_dropout") ||
        cfg_opt_f32(obj, "initializer_factor", -1e6, 1e6, &v->layer_scale_init) ||
        cfg_opt_f32(obj, "initializer_range", 0, 10, &v->init_range)) return -1;
    b->qk_eps = b->eps;
    return 0;
}

/* Versions and variants whose weights would not mean what this code takes them for. */
static int refuse_variants(const json_t *doc, const struct model_cfg *c)
{
    const char *shuffle = "v1";
    int layer = -1, lora = 0, side = c->vision.image;
    if (json_opt_str(doc, "ps_version", &shuffle) || json_opt_int(doc, "select_layer", -LAYERS_MAX, LAYERS_MAX, &layer) ||
        json_opt_int(doc, "force_image_size", 1, IMAGE_MAX, &side)) return -1;
    if (strcmp(shuffle, "v2")) return fail("ps_version: \"%.10s\": only pixel shuffle v2 is supported", shuffle);
    if (layer != -1) return fail("select_layer: %d is not supported (-1 is)", layer);
    if (side != c->vision.image)
        return fail("force_image_size: %d, but the position table is for images of %d", side, c->vision.image);
    static const char *const loras[] = { "use_backbone_lora", "use_llm_lora" };
    for (int i = 0; i < 2; i++) {
        if (json_opt_int(doc, loras[i], 0, DIM_MAX, &lora)) return -1;
        if (lora) return fail("%s: %d: LoRA weights must be merged first", loras[i], lora);
    }
    return 0;
}

static int read_template(const json_t *doc, struct model_cfg *c)
{
    const char *name = c->chat;
    if (json_opt_str(doc, "template", &name)) return -1;
    if (strlen(name) >= sizeof c->chat) return fail("template: \"%.40s\" is not supported", name);
    if (name != c->chat) strcpy(c->chat, name);
    return 0;
}

/* Adding tokens with the original code leaves the vocabulary's new size in the document and the old one in llm_config. */
int cfg_read_internvl_chat(const json_t *doc, struct model_cfg *c)
{
    json_t *vision, *text;
    const char *decoder = "llama";
    c->has_vision = true;
    if (json_get_object(doc, "vision_config", &vision) || json_get_object(doc, "llm_config", &text) ||
        json_opt_str(text, "model_type", &decoder)) return -1;
    if (read_vision(vision, &c->vision)) return fail_in("vision_config");
    if (cfg_read_decoder(text, decoder, &c->text)) return fail_in("llm_config");
    if (json_opt_int(doc, "vocab_size", 2, VOCAB_MAX, &c->text.vocab)) return -1;
    return refuse_variants(doc, c) || cfg_read_shuffle(doc, c) || read_template(doc, c) ? -1 : 0;
}
