/* SPDX-License-Identifier: Apache-2.0
 * Qwen2_5_VLForConditionalGeneration and Qwen2VLForConditionalGeneration. transformers 4 writes the decoder's fields into the
 * document itself, transformers 5 into text_config.
 */
#include "model/config_priv.h"

#include <string.h>

/* The three axes of M-RoPE share the pairs of a head. */
static int read_sections(const json_t *text, struct block_cfg *b)
{
    static const char *const names[] = { "rope_parameters", "rope_scaling" };
    struct rope_cfg *r = &b->rope;
    const json_t *v = NULL, *theta = json_object_get(text, "rope_theta");
    for (int i = 0; i < 2 && !v; i++) {
        const json_t *rope = json_object_get(text, names[i]);
        v = json_object_get(rope, "mrope_section");
        if (!theta) theta = json_object_get(rope, "rope_theta");
    }
    if (!theta) return fail("rope_theta is missing");
    if (json_array_size(v) != ROPE_AXES) return fail("mrope_section: want %d numbers", ROPE_AXES);
    json_int_t sum = 0;
    for (int a = 0; a < ROPE_AXES; a++) {
        json_int_t n = json_integer_value(json_array_get(v, (size_t)a));
        if (n < 1 || n > b->head_dim / 2) return fail("mrope_section: want numbers of pairs in a head of %d", b->head_dim);
        sum += n;
        r->section[a] = (int)n;
    }
    r->axes = ROPE_AXES;
    return sum == b->head_dim / 2 ? 0 : fail("mrope_section: %lld pairs, but a head of %d has %d", (long long)sum, b->head_dim, b->head_dim / 2);
}

static int read_decoder(const json_t *doc, struct model_cfg *c)
{
    static const char *const needed[] = { "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
                                          "num_key_value_heads", "vocab_size", "max_position_embeddings", "rms_norm_eps" };
    const json_t *nested = json_object_get(doc, "text_config"), *text = nested ? nested : doc;
    bool tied = false;
    for (int i = 0; i < countof(needed); i++)
        if (!json_object_get(text, needed[i])) return fail("%s is missing", needed[i]);
    if (cfg_read_decoder(text, "qwen2_vl", &c->text) || read_sections(text, &c->text.blocks)) return nested ? fail_in("text_config") : -1;
    if (json_opt_bool(doc, "tie_word_embeddings", &tied)) return -1;
    c->text.tied = c->text.tied || tied;       /* as transformers: either place says so */
    return 0;
}

/* What both towers have: patches of frames, row and column rotated, an MLP over merged patches. */
static int read_tower(const json_t *obj, struct model_cfg *c)
{
    struct vision_cfg *v = &c->vision;
    struct block_cfg *b = &v->blocks;
    int channels = 3;
    v->patch = 14;
    v->frames = 2;
    c->shuffle = 2;
    v->init_range = 0.02f;
    b->heads = 16;
    if (json_opt_int(obj, "depth", 1, LAYERS_MAX, &b->layers) || json_opt_int(obj, "num_heads", 1, HEADS_MAX, &b->heads) ||
        json_opt_int(obj, "in_channels", 3, 3, &channels) || json_opt_int(obj, "in_chans", 3, 3, &channels) ||
        json_opt_int(obj, "patch_size", 1, IMAGE_MAX, &v->patch) || json_opt_int(obj, "temporal_patch_size", 1, 64, &v->frames) ||
        json_opt_int(obj, "spatial_merge_size", 1, 64, &c->shuffle) || cfg_opt_act(obj, "hidden_act", &b->act) ||
        cfg_opt_f32(obj, "initializer_range", 0, 10, &v->init_range)) return -1;
    if (b->hidden % b->heads) return fail("hidden_size: %d is not a multiple of %d heads", b->hidden, b->heads);
    v->depth = b->layers;
    b->kv_heads = b->heads;
    b->head_dim = b->hidden / b->heads;
    if (b->head_dim % 4) return fail("num_heads: rows and columns cannot share heads of %d", b->head_dim);
    b->rope = (struct rope_cfg){ .kind = ROPE_DEFAULT, .theta = 10000, .axes = 2, .axial = true,
                                 .section = { b->head_dim / 4, b->head_dim / 4 } };
    if (json_opt_f64(json_object_get(obj, "rope_parameters"), "rope_theta", &b->rope.theta)) return -1;
    if (!(b->rope.theta > 1 && b->rope.theta <= 1e12)) return fail("rope_theta: %g is not within 1 and 1e12", b->rope.theta);
    return cfg_check_heads(b, "vision tower");
}

/* Blocks see a window of the image, those listed see all of it. */
static int read_windows(const json_t *obj, struct model_cfg *c)
{
    struct vision_cfg *v = &c->vision;
    int size = 112, unit = v->patch * c->shuffle;
    json_t *full;
    if (json_opt_int(obj, "window_size", 1, IMAGE_MAX, &size) || json_get_array(obj, "fullatt_block_indexes", &full)) return -1;
    v->window = size / c->shuffle / v->patch * c->shuffle;
    if (!v->window) return fail("window_size: %d is less than the %d of a token", size, unit);
    for (int l = 0; l < v->blocks.layers; l++) v->blocks.local[l / 64] |= (uint64_t)1 << l % 64;
    for (size_t i = 0; i < json_array_size(full); i++) {
        const json_t *e = json_array_get(full, i);
        json_int_t l = json_is_integer(e) ? json_integer_value(e) : -1;
        if (l < 0 || l >= v->blocks.layers) return fail("fullatt_block_indexes: want numbers of blocks below %d", v->blocks.layers);
        v->blocks.local[l / 64] &= ~((uint64_t)1 << l % 64);
    }
    return 0;
}

static int read_vision_2_5(const json_t *obj, struct model_cfg *c, int *out)
{
    struct block_cfg *b = &c->vision.blocks;
    *b = (struct block_cfg){ .layers = 32, .hidden = 3584, .mlp = 3420, .norm = NORM_RMS, .eps = 1e-6f, .qkv = QKV_STACKED, .qkv_bias = true,
                             .o_bias = true, .mlp_bias = true, .gated = true, .act = ACT_SILU };
    *out = 3584;
    if (json_opt_int(obj, "hidden_size", 1, DIM_MAX, &b->hidden) || json_opt_int(obj, "intermediate_size", 1, MLP_MAX, &b->mlp) ||
        json_opt_int(obj, "out_hidden_size", 1, DIM_MAX, out) || read_tower(obj, c)) return -1;
    return read_windows(obj, c);
}

static int read_vision_2(const json_t *obj, struct model_cfg *c, int *out)
{
    struct block_cfg *b = &c->vision.blocks;
    double ratio = 4;
    *b = (struct block_cfg){ .layers = 32, .hidden = 1280, .norm = NORM_LAYER, .eps = 1e-6f, .qkv = QKV_STACKED, .qkv_bias = true,
                             .o_bias = true, .mlp_bias = true, .act = ACT_QUICK_GELU };
    *out = 3584;
    if (json_opt_int(obj, "embed_dim", 1, DIM_MAX, &b->hidden) || json_opt_f64(obj, "mlp_ratio", &ratio) ||
        json_opt_int(obj, "hidden_size", 1, DIM_MAX, out) || read_tower(obj, c)) return -1;
    if (!(ratio * b->hidden >= 1 && ratio * b->hidden <= MLP_MAX)) return fail("mlp_ratio: %g is not within reason", ratio);
    b->mlp = (int)(b->hidden * ratio);
    return 0;
}

static int read_merger(const json_t *doc, struct model_cfg *c, int out)
{
    int64_t in = (int64_t)c->shuffle * c->shuffle * c->vision.blocks.hidden;
    if (in > DIM_MAX * 8) return fail("spatial_merge_size: %d makes too wide a projector", c->shuffle);
    if (out != c->text.blocks.hidden) return fail("vision_config: features of %d for a decoder of %d", out, c->text.blocks.hidden);
    c->proj = (struct proj_cfg){ .layers = 2, .hidden = (int)in, .norm = true, .kind = c->vision.blocks.norm, .eps = 1e-6f, .norm_patch = true,
                                 .bias = true, .act = ACT_GELU };
    c->image_token_id = 151655;
    if (json_opt_int(doc, "image_token_id", 0, VOCAB_MAX, &c->image_token_id)) return -1;
    return c->image_token_id < c->text.vocab ? 0
        : fail("image_token_id: %d, but the vocabulary has %d tokens", c->image_token_id, c->text.vocab);
}

static int read_model(const json_t *doc, struct model_cfg *c, int (*vision)(const json_t *, struct model_cfg *, int *))
{
    json_t *obj;
    int out;
    c->has_vision = true;
    if (read_decoder(doc, c) || json_get_object(doc, "vision_config", &obj)) return -1;
    if (vision(obj, c, &out)) return fail_in("vision_config");
    return read_merger(doc, c, out);
}

int cfg_read_qwen2_5_vl(const json_t *doc, struct model_cfg *c) { return read_model(doc, c, read_vision_2_5); }
int cfg_read_qwen2_vl(const json_t *doc, struct model_cfg *c) { return read_model(doc, c, read_vision_2); }
