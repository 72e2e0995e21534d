/* SPDX-License-Identifier: Apache-2.0 */
#include "model/config.h"

#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/mem.h"
#include "model/config_priv.h"
#include "model/family.h"
#include "store/gguf.h"

enum { CONFIG_BYTES_MAX = 16 << 20 };

int cfg_opt_act(const json_t *obj, const char *key, enum act *act)
{
    static const struct { const char *name; enum act act; } known[] = {
        { "gelu", ACT_GELU }, { "gelu_python", ACT_GELU }, { "gelu_pytorch_tanh", ACT_GELU_TANH }, { "gelu_new", ACT_GELU_TANH },
        { "quick_gelu", ACT_QUICK_GELU }, { "silu", ACT_SILU }, { "swish", ACT_SILU }, { "relu", ACT_RELU } };
    const char *name = NULL;
    if (json_opt_str(obj, key, &name)) return -1;
    if (!name) return 0;
    for (int i = 0; i < countof(known); i++)
        if (!strcmp(name, known[i].name)) { *act = known[i].act; return 0; }
    return fail("%s: activation \"%s\" is not supported", key, name);
}

int cfg_opt_f32(const json_t *obj, const char *key, double lo, double hi, float *out)
{
    double x = *out;
    if (json_opt_f64(obj, key, &x)) return -1;
    if (!(x >= lo && x <= hi)) return fail("%s: %g is not within %g and %g", key, x, lo, hi);
    *out = (float)x;
    return 0;
}

int cfg_no_dropout(const json_t *obj, const char *key)
{
    double x = 0;
    if (json_opt_f64(obj, key, &x)) return -1;
    return x == 0 ? 0 : fail("%s: %g: dropout is not supported", key, x);
}

int cfg_check_heads(const struct block_cfg *b, const char *what)
{
    if (b->heads % b->kv_heads) return fail("%s: %d heads do not share %d key heads evenly", what, b->heads, b->kv_heads);
    if (b->heads * b->head_dim > DIM_MAX) return fail("%s: %d heads of %d are too wide", what, b->heads, b->head_dim);
    if (b->rope.kind != ROPE_NONE && b->head_dim % 2) return fail("%s: rotary positions need an even head size, not %d", what, b->head_dim);
    return 0;
}

static int read_eos(const json_t *v, struct model_cfg *c)
{
    if (!v || json_is_null(v)) return 0;
    int n = json_is_array(v) ? (int)mem_min(json_array_size(v), (size_t)CFG_EOS_MAX + 1) : 1;
    if (n > CFG_EOS_MAX) return fail("eos_token_id: more than %d", CFG_EOS_MAX);
    for (int i = 0; i < n; i++) {
        const json_t *e = json_is_array(v) ? json_array_get(v, (size_t)i) : v;
        if (!json_is_integer(e) || json_integer_value(e) < 0 || json_integer_value(e) >= VOCAB_MAX)
            return fail("eos_token_id: want token ids");
        c->eos[i] = (int)json_integer_value(e);
    }
    c->neos = n;
    return 0;
}

static int read_doc(const json_t *doc, struct model_cfg *c)
{
    const char *type = NULL;
    if (!json_is_object(doc)) return fail("want an object");
    if (json_get_str(doc, "model_type", &type)) return -1;
    const struct family *f = family_find(type);
    if (!f) return -1;
    strcpy(c->family, f->type);
    strcpy(c->chat, f->type);
    c->image_token_id = -1;
    if (f->read(doc, c)) return -1;
    if (f->text_object && read_eos(json_object_get(json_object_get(doc, f->text_object), "eos_token_id"), c)) return -1;
    return read_eos(json_object_get(doc, "eos_token_id"), c);
}

int cfg_parse(const char *json, size_t n, const char *name, struct model_cfg *c)
{
    *c = (struct model_cfg){0};
    json_t *doc = json_parse(json, n, name);
    if (!doc) return -1;
    int bad = read_doc(doc, c);
    json_decref(doc);
    if (bad) return fail_in("%s", name);
    c->json = mem_strn(json, n);
    return 0;
}

static int load_generation(const char *dir, struct model_cfg *c)
{
    char *path = file_join(dir, "generation_config.json");
    int bad = 0;
    if (file_exists(path)) {
        json_t *doc = json_file(path, CONFIG_BYTES_MAX);
        bad = !doc ? -1 : read_eos(json_object_get(doc, "eos_token_id"), c) ? fail_in("%s", path) : 0;
        json_decref(doc);
    }
    free(path);
    return bad;
}

int cfg_load(const char *dir, struct model_cfg *c)
{
    if (gguf_is(dir)) return cfg_load_gguf(dir, c);
    char *path = file_join(dir, "config.json");
    struct buf b = {0};
    int bad = file_read(path, CONFIG_BYTES_MAX, &b) || cfg_parse(b.p ? b.p : "", b.len, path, c);
    buf_free(&b);
    free(path);
    if (bad) return -1;
    if (!load_generation(dir, c)) return 0;
    cfg_free(c);
    return -1;
}

void cfg_free(struct model_cfg *c)
{
    free(c->json);
    c->json = NULL;
}

void cfg_copy(struct model_cfg *to, const struct model_cfg *from)
{
    *to = *from;
    to->json = mem_str(from->json);
}

/* transformers 5 says dtype, 4 says torch_dtype; both read either. */
static void set_dtype(json_t *obj, enum dtype t, bool always)
{
    const char *key = json_object_get(obj, "torch_dtype") && !json_object_get(obj, "dtype") ? "torch_dtype" : "dtype";
    if (always || json_object_get(obj, key)) json_object_set_new(obj, key, json_string(t == DT_F32 ? "float32" : "bfloat16"));
}

/* What the document says of the decoder too stays in step with it; tying is the document's to say. */
static void set_text(json_t *obj, const struct model_cfg *c, bool always)
{
    if (json_object_get(obj, "vocab_size")) json_object_set_new(obj, "vocab_size", json_integer(c->text.vocab));
    if (always || json_object_get(obj, "tie_word_embeddings")) json_object_set_new(obj, "tie_word_embeddings", json_boolean(c->text.tied));
}

int cfg_save(const struct model_cfg *c, const char *dir, enum dtype t)
{
    json_t *doc = json_parse(c->json, strlen(c->json), "config.json");
    if (!doc) return -1;
    const char *text_object = family_of(c)->text_object;
    json_t *text = text_object ? json_object_get(doc, text_object) : doc;
    if (!text) text = doc;
    set_text(doc, c, true);
    set_text(text, c, false);
    json_object_set_new(text, "vocab_size", json_integer(c->text.vocab));
    set_dtype(doc, t, true);
    set_dtype(text, t, false);
    set_dtype(json_object_get(doc, "vision_config"), t, false);
    char *path = file_join(dir, "config.json");
    int bad = json_save(doc, path);
    free(path);
    json_decref(doc);
    return bad;
}

int cfg_tokens_per_tile(const struct model_cfg *c)
{
    if (!c->has_vision) return 0;
    int side = c->vision.image / c->vision.patch / c->shuffle;
    return side * side;
}

bool cfg_is_eos(const struct model_cfg *c, int id)
{
    for (int i = 0; i < c->neos; i++)
        if (c->eos[i] == id) return true;
    return false;
}
