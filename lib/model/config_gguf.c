/* SPDX-License-Identifier: Apache-2.0
 * The metadata of a GGUF file, rewritten as the config.json the model once had: what reads and saves that one needs to
 * know nothing of GGUF.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "model/config_priv.h"
#include "store/gguf.h"

enum { ANY = 1 << 24 };

/* Metadata under "ARCH.", the file's tensors, and the config being made of them. */
struct meta { const struct gguf *g; const char *arch; json_t *doc; };

static void full_key(const struct meta *m, const char *name, char key[64]) { snprintf(key, 64, "%s.%s", m->arch, name); }

static void put_int(struct meta *m, const char *key, int v) { json_object_set_new(m->doc, key, json_integer(v)); }

/* ARCH.name to `key` of the config; `wanted` or left out. */
static int move_int(struct meta *m, const char *name, const char *key, bool wanted)
{
    char from[64];
    int v = -1;
    full_key(m, name, from);
    if (wanted ? json_get_int(m->g->meta, from, 0, ANY, &v) : json_opt_int(m->g->meta, from, 0, ANY, &v)) return -1;
    if (v >= 0) put_int(m, key, v);
    return 0;
}

/* The file holds f32: the shortest decimal that is the same f32, 1e-05 and not 9.99999975e-06. */
static double shortest(double x)
{
    char s[32];
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, x);
        if ((float)strtod(s, NULL) == (float)x) return strtod(s, NULL);
    }
    return x;
}

static int move_f64(struct meta *m, const char *name, const char *key)
{
    char from[64];
    double v = -1;
    full_key(m, name, from);
    if (json_opt_f64(m->g->meta, from, &v)) return -1;
    if (v >= 0) json_object_set_new(m->doc, key, json_real(shortest(v)));
    return 0;
}

static bool has_tensor(const struct meta *m, const char *name) { return gguf_find(m->g, name); }

/* ---- positions ---- */

/* Llama 3.1 and later come with a tensor of divisors of the frequencies, made from factor F, low 1, high 4 and 8192
 * original positions. F is its largest; whether the rest follows is checked. */
static int read_divisors(struct meta *m, const struct st_tensor *t)
{
    struct rope_cfg r = { .kind = ROPE_LLAMA3, .theta = 10000, .factor = 1, .low = 1, .high = 4, .original = 8192 };
    char key[64];
    float x[1024];
    full_key(m, "rope.freq_base", key);
    if (json_opt_f64(m->g->meta, key, &r.theta)) return -1;
    if (t->ndim != 1 || t->n > (size_t)countof(x) || !st_is_weight(t->t)) return fail("tensor rope_freqs.weight: want at most %d numbers", countof(x));
    st_get_f32(t, 0, t->n, x);
    for (size_t i = 0; i < t->n; i++) r.factor = fmax(r.factor, (double)x[i]);
    struct rope_cfg plain = r;
    plain.kind = ROPE_DEFAULT;
    for (size_t i = 0; i < t->n; i++) {
        double want = (double)rope_frequency(&plain, (int)i, (int)t->n * 2) / (double)rope_frequency(&r, (int)i, (int)t->n * 2);
        if (!(fabs((double)x[i] - want) <= 1e-4 * want))
            return fail("tensor rope_freqs.weight: %g at %zu, where Llama 3's scaling by %g has %g: not supported", (double)x[i], i, r.factor, want);
    }
    return json_object_set_new(m->doc, "rope_scaling", json_pack("{s:s, s:f, s:f, s:f, s:i}", "rope_type", "llama3", "factor", r.factor,
        "low_freq_factor", r.low, "high_freq_factor", r.high, "original_max_position_embeddings", r.original));
}

static int read_rope(struct meta *m)
{
    const struct st_tensor *t = gguf_find(m->g, "rope_freqs.weight");
    const char *type = "none";
    char key[64];
    double factor = 1;
    if (move_f64(m, "rope.freq_base", "rope_theta")) return -1;
    if (t) return read_divisors(m, t);
    full_key(m, "rope.scaling.type", key);
    if (json_opt_str(m->g->meta, key, &type)) return -1;
    if (!strcmp(type, "none")) return 0;
    if (strcmp(type, "linear")) return fail("%s: \"%.40s\" is not supported (none, linear are)", key, type);
    full_key(m, "rope.scaling.factor", key);
    if (json_get_f64(m->g->meta, key, &factor)) return -1;
    return json_object_set_new(m->doc, "rope_scaling", json_pack("{s:s, s:f}", "rope_type", "linear", "factor", shortest(factor)));
}

/* ---- sizes ---- */
static int read_heads(struct meta *m)
{
    char key[64];
    int dim = 0, value = 0, rotary = 0;
    if (move_int(m, "attention.head_count", "num_attention_heads", true) ||
        move_int(m, "attention.head_count_kv", "num_key_value_heads", false)) return -1;
    full_key(m, "attention.key_length", key);
    if (json_opt_int(m->g->meta, key, 1, ANY, &dim)) return -1;
    value = dim;
    full_key(m, "attention.value_length", key);
    if (json_opt_int(m->g->meta, key, 1, ANY, &value)) return -1;
    if (value != dim) return fail("%s: %d, but keys have %d", key, value, dim);
    int hidden = (int)json_integer_value(json_object_get(m->doc, "hidden_size")), heads = (int)json_integer_value(json_object_get(m->doc, "num_attention_heads"));
    if (!dim) dim = heads ? hidden / heads : 0;
    rotary = dim;
    full_key(m, "rope.dimension_count", key);
    if (json_opt_int(m->g->meta, key, 1, ANY, &rotary)) return -1;
    if (rotary != dim) return fail("%s: %d of %d: partly rotated heads are not supported", key, rotary, dim);
    put_int(m, "head_dim", dim);
    return 0;
}

static int read_sizes(struct meta *m)
{
    const struct st_tensor *embed = gguf_find(m->g, "token_embd.weight");
    char key[64];
    int experts = 0;
    full_key(m, "expert_count", key);
    if (json_opt_int(m->g->meta, key, 0, ANY, &experts)) return -1;
    if (experts) return fail("%s: %d: experts are not supported", key, experts);
    if (!embed || embed->ndim != 2 || embed->dims[0] > ANY) return fail("tensor token_embd.weight: want [vocabulary, width]");
    put_int(m, "vocab_size", (int)embed->dims[0]);
    return move_int(m, "embedding_length", "hidden_size", true) || move_int(m, "feed_forward_length", "intermediate_size", true) ||
           move_int(m, "block_count", "num_hidden_layers", true) || move_int(m, "context_length", "max_position_embeddings", true) ||
           move_f64(m, "attention.layer_norm_rms_epsilon", "rms_norm_eps") || read_heads(m) || read_rope(m) ? -1 : 0;
}

/* End of turn, where the file tells it apart from the end of the text, ends a response too. */
static int read_tokens(struct meta *m)
{
    static const char *const keys[][2] = { { "tokenizer.ggml.bos_token_id", "bos_token_id" }, { "tokenizer.ggml.padding_token_id", "pad_token_id" } };
    int eos = -1, eot = -1;
    for (int i = 0; i < countof(keys); i++) {
        int id = -1;
        if (json_opt_int(m->g->meta, keys[i][0], 0, ANY, &id)) return -1;
        if (id >= 0) put_int(m, keys[i][1], id);
    }
    if (json_opt_int(m->g->meta, "tokenizer.ggml.eos_token_id", 0, ANY, &eos) ||
        json_opt_int(m->g->meta, "tokenizer.ggml.eot_token_id", 0, ANY, &eot)) return -1;
    if (eos >= 0 && eot >= 0 && eot != eos) json_object_set_new(m->doc, "eos_token_id", json_pack("[i, i]", eos, eot));
    else if (eos >= 0) put_int(m, "eos_token_id", eos);
    return 0;
}

static int read_all(struct meta *m)
{
    bool llama;
    if (json_get_str(m->g->meta, "general.architecture", &m->arch)) return -1;
    llama = !strcmp(m->arch, "llama");
    if (!llama && strcmp(m->arch, "qwen2")) return fail("general.architecture: \"%.40s\" is not supported (llama, qwen2 are)", m->arch);
    json_object_set_new(m->doc, "architectures", json_pack("[s]", llama ? "LlamaForCausalLM" : "Qwen2ForCausalLM"));
    json_object_set_new(m->doc, "model_type", json_string(m->arch));
    json_object_set_new(m->doc, "hidden_act", json_string("silu"));
    json_object_set_new(m->doc, "tie_word_embeddings", json_boolean(!has_tensor(m, "output.weight")));
    if (llama) {
        json_object_set_new(m->doc, "attention_bias", json_boolean(has_tensor(m, "blk.0.attn_q.bias")));
        json_object_set_new(m->doc, "mlp_bias", json_boolean(has_tensor(m, "blk.0.ffn_up.bias")));
    }
    json_object_set_new(m->doc, "torch_dtype", json_string("float32"));
    return read_sizes(m) || read_tokens(m) ? -1 : 0;
}

int cfg_load_gguf(const char *path, struct model_cfg *c)
{
    struct gguf g;
    *c = (struct model_cfg){0};
    if (gguf_open(path, &g)) return -1;
    struct meta m = { &g, NULL, json_object() };
    char *text = NULL;
    int bad = read_all(&m) ? fail_in("%s", path) : 0;
    if (!bad && !(text = json_dumps(m.doc, JSON_COMPACT))) bad = fail("%s: its configuration has no JSON form", path);
    if (!bad) bad = cfg_parse(text, strlen(text), path, c);
    free(text);
    json_decref(m.doc);
    gguf_close(&g);
    return bad;
}
