/* SPDX-License-Identifier: Apache-2.0
 * InternVLForConditionalGeneration, Hugging Face's own layout: InternVLConfig and InternVLVisionConfig.
 */
#include "model/config_priv.h"

#include <math.h>
#include <string.h>

/* A side given as a number or as [height, width]; only squares. */
static int opt_square(const json_t *obj, const char *key, int *side)
{
    const json_t *v = json_object_get(obj, key);
    if (!json_is_array(v)) return json_opt_int(obj, key, 1, IMAGE_MAX, side);
    const json_t *h = json_array_get(v, 0), *w = json_array_get(v, 1);
    if (json_array_size(v) != 2 || !json_is_integer(h) || !json_is_integer(w)) return fail("%s: want [height, width]", key);
    json_int_t a = json_integer_value(h), b = json_integer_value(w);
    if (a != b) return fail("%s: [%lld, %lld]: only squares are supported", key, (long long)a, (long long)b);
    if (a < 1 || a > IMAGE_MAX) return fail("%s: %lld is not within 1 and %d", key, (long long)a, IMAGE_MAX);
    *side = (int)a;
    return 0;
}

int cfg_opt_norm_type(const json_t *obj, enum norm *norm)
{
    const char *s = *norm == NORM_RMS ? "rms_norm" : "layer_norm";
    if (json_opt_str(obj, "norm_type", &s)) return -1;
    if (strcmp(s, "layer_norm") && strcmp(s, "rms_norm")) return fail("norm_type: \"%s\" is not supported", s);
    *norm = strcmp(s, "rms_norm") ? NORM_LAYER : NORM_RMS;
    return 0;
}

int cfg_read_vit(const json_t *obj, struct vision_cfg *v)
{
    struct block_cfg *b = &v->blocks;
    int channels = 3;
    if (json_opt_int(obj, "hidden_size", 1, DIM_MAX, &b->hidden) ||
        json_opt_int(obj, "intermediate_size", 1, MLP_MAX, &b->mlp) ||
        json_opt_int(obj, "num_hidden_layers", 1, LAYERS_MAX, &b->layers) ||
        json_opt_int(obj, "num_attention_heads", 1, HEADS_MAX, &b->heads) ||
        json_opt_int(obj, "num_channels", 3, 3, &channels) ||
        opt_square(obj, "image_size", &v->image) || opt_square(obj, "patch_size", &v->patch)) return -1;
    if (b->hidden % b->heads) return fail("hidden_size: %d is not a multiple of %d heads", b->hidden, b->heads);
    b->kv_heads = b->heads;
    b->head_dim = b->hidden / b->heads;
    v->depth = b->layers;
    if (v->image < v->patch || (!v->pos_any && v->image % v->patch)) return fail("image_size: %d is not a multiple of the patch size %d", v->image, v->patch);
    if (v->image / v->patch > 1024) return fail("image_size: %d has more than 1024 patches a side", v->image);
    return cfg_check_heads(b, "vision tower");
}

static int read_vision(const json_t *obj, struct vision_cfg *v)
{
    static const char *const dropouts[] = { "hidden_dropout_prob", "attention_dropout", "projection_dropout" };
    struct block_cfg *b = &v->blocks;
    bool mask = false, mean = true;
    const char *type = "internvl_vision";
    *v = (struct vision_cfg){ .image = 448, .patch = 14, .patch_bias = true, .cls = true, .pos_table = true, .layer_scale_init = 0.1f, .init_range = 0.02f };
    *b = (struct block_cfg){ .layers = 24, .hidden = 1024, .heads = 16, .mlp = 4096, .eps = 1e-6f, .o_bias = true,
                             .mlp_bias = true, .qk_eps = 1e-6f, .layer_scale = true, .act = ACT_GELU };
    if (json_opt_str(obj, "model_type", &type)) return -1;
    if (strcmp(type, "internvl_vision")) return fail("model_type: \"%.40s\" is not supported (internvl_vision is)", type);
    for (int i = 0; i < 3; i++)
        if (cfg_no_dropout(obj, dropouts[i])) return -1;
    if (cfg_read_vit(obj, v) || cfg_opt_norm_type(obj, &b->norm) || cfg_opt_act(obj, "hidden_act", &b->act) ||
        cfg_opt_f32(obj, "layer_norm_eps", 0, 1, &b->eps) || json_opt_bool(obj, "attention_bias", &b->qkv_bias) ||
        json_opt_bool(obj, "use_qk_norm", &b->qk_norm) || json_opt_bool(obj, "use_mask_token", &mask) ||
        json_opt_bool(obj, "use_mean_pooling", &mean) || json_opt_bool(obj, "use_absolute_position_embeddings", &v->pos_table) ||
        cfg_opt_f32(obj, "layer_scale_init_value", -1e6, 1e6, &v->layer_scale_init) ||
        cfg_opt_f32(obj, "initializer_range", 0, 10, &v->init_range)) return -1;
    if (mask) return fail("use_mask_token: a mask token is not supported");
    v->final_norm = !mean;                     /* with mean pooling the tower ends in an identity */
    v->final_kind = NORM_LAYER;
    return 0;
}

int cfg_check_shuffle(const struct model_cfg *c, const char *key)
{
    int grid = c->vision.image / c->vision.patch;
    if (!c->vision.pos_any && grid % c->shuffle) return fail("%s: %d patches a side do not divide by %d", key, grid, c->shuffle);
    return c->shuffle * c->shuffle <= DIM_MAX * 8 / c->vision.blocks.hidden ? 0 : fail("%s: %d makes too wide a projector", key, c->shuffle);
}

int cfg_check_image_token(const struct model_cfg *c)
{
    return c->image_token_id < c->text.vocab ? 0
        : fail("image_token_id: %d, but the vocabulary has %d tokens", c->image_token_id, c->text.vocab);
}

int cfg_read_shuffle(const json_t *doc, struct model_cfg *c)
{
    double ratio = 0.5;
    /* 1e-5 is torch's LayerNorm default; the projector takes no eps from the config */
    c->proj = (struct proj_cfg){ .layers = 2, .hidden = c->text.blocks.hidden, .norm = true, .eps = 1e-5f, .bias = true, .act = ACT_GELU };
    if (json_opt_f64(doc, "downsample_ratio", &ratio)) return -1;
    if (!(ratio > 0.01 && ratio <= 1)) return fail("downsample_ratio: %g is not within 0.01 and 1", ratio);
    c->shuffle = (int)lround(1 / ratio);
    if (fabs(c->shuffle * ratio - 1) > 1e-6) return fail("downsample_ratio: %g is not 1 over a whole number", ratio);
    return cfg_check_shuffle(c, "downsample_ratio");
}

static int read_bridge(const json_t *doc, struct model_cfg *c)
{
    int layer = -1;
    const char *strategy = "default";
    c->text.tied = true;
    if (cfg_read_shuffle(doc, c) || cfg_opt_act(doc, "projector_hidden_act", &c->proj.act) ||
        json_opt_int(doc, "vision_feature_layer", -1, -1, &layer) || json_opt_str(doc, "vision_feature_select_strategy", &strategy) ||
        json_opt_bool(doc, "tie_word_embeddings", &c->text.tied)) return -1;
    return strcmp(strategy, "default") ? fail("vision_feature_select_strategy: \"%s\" is not supported", strategy) : 0;
}

int cfg_read_internvl(const json_t *doc, struct model_cfg *c)
{
    json_t *vision, *text;
    const char *decoder = "qwen2";
    c->has_vision = true;
    if (json_get_object(doc, "vision_config", &vision) || json_get_object(doc, "text_config", &text) ||
        json_opt_str(text, "model_type", &decoder)) return -1;
    if (read_vision(vision, &c->vision)) return fail_in("vision_config");
    if (cfg_read_decoder(text, decoder, &c->text)) return fail_in("text_config");
    if (read_bridge(doc, c)) return -1;
    int per_tile = 256;
    c->image_token_id = 151667;
    if (json_opt_int(doc, "image_token_id", 0, VOCAB_MAX, &c->image_token_id) ||
        json_opt_int(doc, "image_seq_length", 1, DIM_MAX, &per_tile)) return -1;
    if (cfg_check_image_token(c)) return -1;
    if (per_tile != cfg_tokens_per_tile(c)) return fail("image_seq_length: %d, but a tile makes %d tokens", per_tile, cfg_tokens_per_tile(c));
    return 0;
}
