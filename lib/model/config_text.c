/* SPDX-License-Identifier: Apache-2.0
 * Decoders: Qwen2, Llama, Mistral and InternLM2. Absent fields take the defaults of transformers' configuration classes.
 */
#include "model/config_priv.h"

#include <math.h>
#include <string.h>
#include "base/mem.h"

/* How the scale grows with the factor. */
static double yarn_scale(double factor, double by) { return factor > 1 ? 0.1 * by * log(factor) + 1 : 1; }

static int yarn_numbers(const json_t *r, struct rope_cfg *rope, int max_pos)
{
    double scale = 0, mscale = 0, all = 0, fast = 32, slow = 1;
    rope->original = max_pos;
    rope->whole = true;
    if (json_opt_f64(r, "attention_factor", &scale) || json_opt_f64(r, "mscale", &mscale) || json_opt_f64(r, "mscale_all_dim", &all) ||
        json_opt_f64(r, "beta_fast", &fast) || json_opt_f64(r, "beta_slow", &slow) || json_opt_bool(r, "truncate", &rope->whole) ||
        json_opt_int(r, "original_max_position_embeddings", 1, POS_MAX, &rope->original)) return -1;
    rope->scale = scale ? scale : mscale && all ? yarn_scale(rope->factor, mscale) / yarn_scale(rope->factor, all) : yarn_scale(rope->factor, 1);
    rope->low = slow;
    rope->high = fast;
    if (!(slow > 0 && fast >= slow)) return fail("beta_fast %g, beta_slow %g: want 0 < slow <= fast", fast, slow);
    return rope->scale > 0 && rope->scale <= 100 ? 0 : fail("attention_factor: %g is not within 0 and 100", rope->scale);
}

static int rope_numbers(const json_t *r, struct rope_cfg *rope, int max_pos)
{
    double part = 1;
    if (json_opt_f64(r, "rope_theta", &rope->theta) || json_opt_f64(r, "partial_rotary_factor", &part)) return -1;
    if (part != 1) return fail("partial_rotary_factor: %g is not supported", part);
    if (!(rope->theta > 1 && rope->theta <= 1e12)) return fail("rope_theta: %g is not within 1 and 1e12", rope->theta);
    if (rope->kind == ROPE_DEFAULT) return 0;
    if (json_get_f64(r, "factor", &rope->factor)) return -1;
    if (!(rope->factor >= 1 && rope->factor <= 1e6)) return fail("factor: %g is not within 1 and 1e6", rope->factor);
    if (rope->kind == ROPE_YARN) return yarn_numbers(r, rope, max_pos);
    if (rope->kind != ROPE_LLAMA3) return 0;
    rope->original = max_pos;
    if (json_get_f64(r, "low_freq_factor", &rope->low) || json_get_f64(r, "high_freq_factor", &rope->high) ||
        json_opt_int(r, "original_max_position_embeddings", 1, POS_MAX, &rope->original)) return -1;
    return rope->low > 0 && rope->high > rope->low ? 0
        : fail("low_freq_factor %g, high_freq_factor %g: want 0 < low < high", rope->low, rope->high);
}

/* "dynamic" (NTK) changes the frequencies only beyond max_position_embeddings, which is never reached here: it is the
 * default within. (Beyond, what the original code computes depends on how long the sequence was when a key was cached.)
 * "mrope" is the default on several axes (config_qwen_vl.c). */
static int rope_type(const char *type, enum rope_kind *kind)
{
    if (!strcmp(type, "default") || !strcmp(type, "dynamic") || !strcmp(type, "mrope")) *kind = ROPE_DEFAULT;
    else if (!strcmp(type, "linear")) *kind = ROPE_LINEAR;
    else if (!strcmp(type, "llama3")) *kind = ROPE_LLAMA3;
    else if (!strcmp(type, "yarn")) *kind = ROPE_YARN;
    else return fail("rope_type: \"%s\" is not supported", type);
    return 0;
}

static int read_rope(const json_t *obj, struct text_cfg *t)
{
    static const char *const names[] = { "rope_parameters", "rope_scaling" };
    struct rope_cfg *rope = &t->blocks.rope;
    *rope = (struct rope_cfg){ .kind = ROPE_DEFAULT, .theta = 10000, .factor = 1 };
    if (json_opt_f64(obj, "rope_theta", &rope->theta)) return -1;
    for (int i = 0; i < 2; i++) {
        const json_t *r = json_object_get(obj, names[i]);
        if (!r || json_is_null(r)) continue;
        const char *type = "default";
        if (!json_is_object(r)) return fail("%s: want an object", names[i]);
        if (json_opt_str(r, "type", &type) || json_opt_str(r, "rope_type", &type) || rope_type(type, &rope->kind) ||
            rope_numbers(r, rope, t->max_pos)) return fail_in("%s", names[i]);
        if (rope->kind == ROPE_YARN) t->max_pos = (int)fmax(t->max_pos, fmin(rope->original * rope->factor, POS_MAX));
        return 0;
    }
    return rope_numbers(obj, rope, t->max_pos);
}

/* Sliding attention sees everything until its window is full. The model is taken to end there: later positions, where the
 * window would bind, are refused as those beyond the last are. */
static int end_at_window(const json_t *obj, struct text_cfg *t)
{
    int window = json_object_get(obj, "sliding_window") ? t->max_pos : 4096;
    if (json_opt_int(obj, "sliding_window", 1, POS_MAX, &window)) return -1;
    t->max_pos = mem_min(t->max_pos, window);
    return 0;
}

/* Qwen2: the layers from max_window_layers on slide, or those layer_types names. */
static int read_sliding(const json_t *obj, struct text_cfg *t)
{
    const json_t *v = json_object_get(obj, "layer_types");
    bool sliding = false, use = false;
    int from = 28;
    if (json_opt_bool(obj, "use_sliding_window", &use) || json_opt_int(obj, "max_window_layers", 0, LAYERS_MAX, &from)) return -1;
    if (!json_is_array(v)) sliding = use && from < t->blocks.layers;
    for (size_t i = 0; i < json_array_size(v); i++) {
        const char *s = json_string_value(json_array_get(v, i));
        bool slides = s && !strcmp(s, "sliding_attention");
        if (!s || (!slides && strcmp(s, "full_attention"))) return fail("layer_types: \"%.40s\" is not supported", s ? s : "?");
        sliding = sliding || slides;
    }
    if (sliding && !use) return fail("layer_types: \"sliding_attention\" without use_sliding_window");
    return sliding ? end_at_window(obj, t) : 0;
}

static int read_sizes(const json_t *obj, struct text_cfg *t)
{
    struct block_cfg *b = &t->blocks;
    if (json_opt_int(obj, "hidden_size", 1, DIM_MAX, &b->hidden) ||
        json_opt_int(obj, "intermediate_size", 1, MLP_MAX, &b->mlp) ||
        json_opt_int(obj, "num_hidden_layers", 1, LAYERS_MAX, &b->layers) ||
        json_opt_int(obj, "num_attention_heads", 1, HEADS_MAX, &b->heads) ||
        json_opt_int(obj, "vocab_size", 2, VOCAB_MAX, &t->vocab) ||
        json_opt_int(obj, "max_position_embeddings", 1, POS_MAX, &t->max_pos)) return -1;
    b->kv_heads = b->heads;
    b->head_dim = 0;
    if (json_opt_int(obj, "num_key_value_heads", 1, HEADS_MAX, &b->kv_heads) ||
        json_opt_int(obj, "head_dim", 1, DIM_MAX / HEADS_MAX * 8, &b->head_dim)) return -1;
    if (b->head_dim) return 0;
    if (b->hidden % b->heads) return fail("hidden_size: %d is not a multiple of %d heads", b->hidden, b->heads);
    b->head_dim = b->hidden / b->heads;
    return 0;
}

static int read_qwen2(const json_t *obj, struct text_cfg *t)
{
    t->blocks.qkv_bias = true;
    return read_sliding(obj, t);
}

static int read_llama(const json_t *obj, struct text_cfg *t)
{
    struct block_cfg *b = &t->blocks;
    if (json_opt_bool(obj, "attention_bias", &b->qkv_bias) || json_opt_bool(obj, "mlp_bias", &b->mlp_bias)) return -1;
    b->o_bias = b->qkv_bias;
    return 0;
}

static int read_mistral(const json_t *obj, struct text_cfg *t)
{
    if (!json_object_get(obj, "num_key_value_heads")) t->blocks.kv_heads = 8;
    return end_at_window(obj, t);
}

static int read_internlm2(const json_t *obj, struct text_cfg *t)
{
    struct block_cfg *b = &t->blocks;
    b->qkv = QKV_GROUPED;
    b->qkv_bias = true;
    if (json_opt_bool(obj, "bias", &b->qkv_bias)) return -1;
    b->o_bias = b->qkv_bias;
    return 0;
}

/* By type; the defaults are those of its configuration class. */
static const struct decoder_type {
    const char *type;
    int (*read)(const json_t *obj, struct text_cfg *t);
    int vocab, max_pos, mlp;
} types[] = {
    { "qwen2", read_qwen2, 151936, 32768, 22016 },
    { "llama", read_llama, 32000, 2048, 11008 },
    { "mistral", read_mistral, 32000, 131072, 14336 },
    { "internlm2", read_internlm2, 103168, 2048, 11008 },
    { "qwen2_vl", read_qwen2, 152064, 32768, 29568 },
};

static const struct decoder_type *find_type(const char *name)
{
    struct buf known = {0};
    for (int i = 0; i < countof(types); i++) {
        if (!strcmp(types[i].type, name)) {
            buf_free(&known);
            return &types[i];
        }
        buf_fmt(&known, "%s%s", i ? ", " : "", types[i].type);
    }
    fail("model_type: decoder \"%.40s\" is not supported (%s are)", name, known.p);
    buf_free(&known);
    return NULL;
}

int cfg_read_decoder(const json_t *obj, const char *model_type, struct text_cfg *t)
{
    const struct decoder_type *type = find_type(model_type);
    struct block_cfg *b = &t->blocks;
    if (!type) return -1;
    *t = (struct text_cfg){ .vocab = type->vocab, .max_pos = type->max_pos, .init_range = 0.02f };
    *b = (struct block_cfg){ .layers = 32, .hidden = 4096, .heads = 32, .mlp = type->mlp, .norm = NORM_RMS,
                             .eps = 1e-6f, .gated = true, .causal = true, .act = ACT_SILU };
    if (read_sizes(obj, t) || cfg_opt_act(obj, "hidden_act", &b->act) || cfg_opt_f32(obj, "rms_norm_eps", 0, 1, &b->eps) ||
        cfg_opt_f32(obj, "initializer_range", 0, 10, &t->init_range) || json_opt_bool(obj, "tie_word_embeddings", &t->tied) ||
        cfg_no_dropout(obj, "attention_dropout") || read_rope(obj, t)) return -1;
    if (type->read(obj, t)) return -1;
    return cfg_check_heads(b, "decoder");
}

int cfg_read_text(const json_t *doc, struct model_cfg *c)
{
    return cfg_read_decoder(doc, c->family, &c->text);
}
