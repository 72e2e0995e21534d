/* SPDX-License-Identifier: Apache-2.0
 * Saving, loading, digests, added tokens, and files that do not fit their configuration.
 */
#include <stdlib.h>
#include <unistd.h>
#include "device.h"
#include "store/safetensors.h"
#include "t.h"
#include "tiny_model.h"

static char dir[] = "/tmp/t_model_load.XXXXXX";
static struct ops *dev;

static void get(const struct param *p, float *x) { dev->download(dev, x, p->w.p, p->n * sizeof *x); }

static bool same_weights(struct model *a, struct model *b)
{
    struct params *p = model_params(a), *q = model_params(b);
    bool same = p->n == q->n;
    for (int i = 0; i < p->n && same; i++) {
        float *x = mem_array(p->v[i].n, sizeof *x), *y = mem_array(q->v[i].n, sizeof *y);
        same = p->v[i].n == q->v[i].n && p->v[i].w.t == DT_F32 && q->v[i].w.t == DT_F32;
        if (same) {
            get(&p->v[i], x);
            get(&q->v[i], y);
            same = !memcmp(x, y, p->v[i].n * sizeof *x);
        }
        free(x);
        free(y);
    }
    return same;
}

static void round_trip(const char *json)
{
    struct model *m = tiny_model(json, dev, DT_F32, MODEL_TRAIN);
    char first[HASH_HEX];
    T_OK(model_save(m, dir, DT_F32));
    struct model *a = model_load(dir, dev, DT_F32, 0), *b = model_load(dir, dev, DT_F32, MODEL_TRAIN);
    T_CHECK(a && b && same_weights(m, a) && same_weights(m, b));
    T_STR(model_digest(a), model_digest(b));
    strcpy(first, model_digest(a));
    T_OK(model_save(a, dir, DT_BF16));
    struct model *c = model_load(dir, dev, DT_F32, 0), *d = model_load(dir, dev, DT_BF16, 0);
    T_CHECK(c && d && strcmp(first, model_digest(c)));
    T_STR(model_digest(c), model_digest(d));                     /* of the file, not of how it was loaded */
    T_OK(model_save(c, dir, DT_F32));
    struct model *e = model_load(dir, dev, DT_BF16, MODEL_TRAIN);
    T_STR(model_digest(e), model_digest(c));                     /* the same numbers in another dtype */
    model_free(m), model_free(a), model_free(b), model_free(c), model_free(d), model_free(e);
}

static void test_round_trips(void)
{
    round_trip(tiny_qwen2);
    round_trip(tiny_llama);
    round_trip(tiny_text);
    round_trip(tiny_chat);
}

static void test_seeds(void)
{
    struct model_cfg c;
    T_OK(cfg_parse(tiny_qwen2, strlen(tiny_qwen2), "tiny", &c));
    struct model *a = model_new(&c, 1, dev, DT_F32, 0), *b = model_new(&c, 1, dev, DT_F32, 0), *d = model_new(&c, 2, dev, DT_F32, 0);
    T_CHECK(same_weights(a, b) && !same_weights(a, d));
    T_STR(model_digest(a), model_digest(b));
    T_CHECK(strcmp(model_digest(a), model_digest(d)));
    const struct param *p = param_find(model_params(a), "language_model.lm_head.weight");
    float *x = mem_array(p->n, sizeof *x);
    double s = 0;
    get(p, x);
    for (size_t i = 0; i < p->n; i++) s += (double)x[i] * (double)x[i];
    T_NEAR(sqrt(s / (double)p->n), 0.02, 0.001);
    free(x);
    cfg_free(&c);
    model_free(a), model_free(b), model_free(d);
}

/* Fields that we know nothing of survive, the vocabulary follows. */
static void test_config_kept(void)
{
    struct model_cfg c;
    const char *json = "{\"model_type\": \"qwen2\", \"unknown\": {\"x\": [1, 2.5]}, \"torch_dtype\": \"float16\", \"eos_token_id\": 1, " TINY_TEXT "}";
    T_OK(cfg_parse(json, strlen(json), "tiny", &c));
    c.text.vocab = 60;
    T_OK(cfg_save(&c, dir, DT_BF16));
    cfg_free(&c);
    T_OK(cfg_load(dir, &c));
    T_INT(c.text.vocab, 60);
    T_CHECK(strstr(c.json, "\"unknown\"") && strstr(c.json, "2.5") && strstr(c.json, "\"torch_dtype\": \"bfloat16\""));
    cfg_free(&c);
}

static void test_add_tokens(void)
{
    const int a[] = { 0, 5, 9 }, b[] = { 52 }, *mean[] = { a, b }, n[] = { 3, 1 };
    static const char *const json[] = { tiny_qwen2, tiny_llama };
    for (int i = 0; i < 2; i++) {
        struct model *m = tiny_model(json[i], dev, DT_F32, i ? MODEL_TRAIN : 0);
        char before[HASH_HEX];
        float old[53 * 24], now[58 * 24];
        strcpy(before, model_digest(m));
        struct param *e = param_find(model_params(m), "language_model.model.embed_tokens.weight");
        get(e, old);
        T_OK(model_add_tokens(m, 58, mean, n, 2));
        T_CHECK(strcmp(before, model_digest(m)));
        T_INT(e->rows, 58);
        T_INT(model_config(m)->text.vocab, 58);
        get(e, now);
        T_CHECK(!memcmp(old, now, sizeof old));
        for (int k = 0; k < 24; k++) {
            T_NEAR(now[56 * 24 + k], (old[k] + old[5 * 24 + k] + old[9 * 24 + k]) / 3, 1e-6);
            T_CHECK(now[57 * 24 + k] == old[52 * 24 + k] && now[53 * 24 + k] == 0);
        }
        T_OK(model_add_tokens(m, 50, mean, n, 1));               /* room there is: one row is set, none added */
        T_INT(model_config(m)->text.vocab, 58);
        get(e, now);
        T_NEAR(now[49 * 24], (old[0] + old[5 * 24] + old[9 * 24]) / 3, 1e-6);
        T_FAIL(model_add_tokens(m, 58, (const int *[]){ (int[]){ 58 } }, (int[]){ 1 }, 1), "token 58");
        T_OK(model_save(m, dir, DT_F32));
        struct model *r = model_load(dir, dev, DT_F32, 0);
        T_CHECK(r && same_weights(m, r));
        model_free(m), model_free(r);
    }
}

/* A file like the model's, but for tensor `name`: kind 0 left out, 1 misshaped, 2 of integers, 3 one more beside it. */
static void save_damaged(struct model *m, const char *name, int kind)
{
    struct params *ps = model_params(m);
    struct st_tensor v[128];
    size_t bytes = 0;
    int n = 0;
    for (int i = 0; i < ps->n; i++) {
        const struct param *p = &ps->v[i];
        bool hit = !strcmp(p->name, name);
        if (hit && kind == 0) continue;
        v[n] = (struct st_tensor){ .name = p->name, .t = hit && kind == 2 ? ST_I32 : ST_F32, .ndim = p->ndim };
        for (int d = 0; d < p->ndim; d++) v[n].dims[d] = p->dims[d];
        if (hit && kind == 1) v[n].dims[0]++;
        bytes += 4 * (hit && kind == 1 ? p->n / (size_t)p->dims[0] * (size_t)(p->dims[0] + 1) : p->n);
        n++;
        if (hit && kind == 3) {
            v[n] = v[n - 1];
            v[n++].name = "language_model.model.layers.2.extra";
            bytes += 4 * p->n;
        }
    }
    char *path = file_join(dir, "model.safetensors"), *zero = mem_alloc(bytes);
    struct st_writer *w = st_create(path, v, n);
    T_CHECK(w && !st_write(w, zero, bytes));
    T_OK(st_finish(w));
    free(path);
    free(zero);
}

static void test_files_that_do_not_fit(void)
{
    static const char name[] = "language_model.model.layers.1.self_attn.k_proj.weight";
    static const char *const want[] = {
        "tensor language_model.model.layers.1.self_attn.k_proj.weight is missing",
        "tensor language_model.model.layers.1.self_attn.k_proj.weight is [13,24], want [12,24]",
        "is I32, want F32, BF16 or F16", "tensor language_model.model.layers.2.extra is not part of this model" };
    struct model *m = tiny_model(tiny_qwen2, dev, DT_F32, 0);
    T_OK(model_save(m, dir, DT_F32));
    for (int kind = 0; kind < 4; kind++) {
        save_damaged(m, name, kind);
        T_CHECK(!model_load(dir, dev, DT_F32, 0));
        if (!strstr(err_msg(), want[kind])) printf("# %s\n", err_msg());
        T_CHECK(strstr(err_msg(), want[kind]));
    }
    model_free(m);
    T_CHECK(!model_load("/nowhere", dev, DT_F32, 0) && strstr(err_msg(), "config.json"));
}

/* ---- parts from several folders ---- */
static const char tiny_internlm2[] =
    "{\"model_type\": \"internlm2\", \"hidden_size\": 24, \"num_hidden_layers\": 2, \"num_attention_heads\": 6, \"num_key_value_heads\": 2,"
    "\"intermediate_size\": 40, \"vocab_size\": 53, \"max_position_embeddings\": 512, \"bias\": true, \"eos_token_id\": 2}";

static struct model *saved(const char *json, uint64_t seed, const char *to)
{
    struct model_cfg c;
    T_OK(cfg_parse(json, strlen(json), "tiny", &c));
    struct model *m = model_new(&c, seed, dev, DT_F32, 0);
    cfg_free(&c);
    T_OK(dir_make(to));
    T_OK(model_save(m, to, DT_F32));
    return m;
}

/* The vision tower of m as a checkpoint of its own, whose names lack the first component. */
static void save_tower(struct model *m, const char *to)
{
    struct params *ps = model_params(m);
    struct st_tensor v[128];
    int n = 0, at[128];
    for (int i = 0; i < ps->n; i++) {
        const struct param *p = &ps->v[i];
        if (p->part != PART_VISION) continue;
        at[n] = i;
        v[n] = (struct st_tensor){ .name = strchr(p->name, '.') + 1, .t = ST_F32, .ndim = p->ndim };
        for (int d = 0; d < p->ndim; d++) v[n].dims[d] = p->dims[d];
        n++;
    }
    T_OK(dir_make(to));
    char *path = file_join(to, "model.safetensors");
    struct st_writer *w = st_create(path, v, n);
    for (int i = 0; i < n; i++) T_OK(st_write(w, ps->v[at[i]].w.p, ps->v[at[i]].n * sizeof(float)));
    T_OK(st_finish(w));
    free(path);
}

static bool same_values(struct model *a, const char *name, struct model *b, const char *name_b)
{
    const struct param *p = param_find(model_params(a), name), *q = param_find(model_params(b), name_b);
    return p && q && p->n == q->n && !memcmp(p->w.p, q->w.p, p->n * sizeof(float));
}

static void test_join(void)
{
    char *chat = file_join(dir, "chat"), *tower = file_join(dir, "tower"), *text = file_join(dir, "text");
    struct model *a = saved(tiny_chat, 5, chat), *b = saved(tiny_internlm2, 6, text);
    save_tower(a, tower);
    const struct model_cfg *c = model_config(a);
    struct model *m = model_join(c, &(struct model_sources){ tower, chat, text }, 7, dev, DT_F32);
    if (!m) printf("# %s\n", err_msg());
    T_CHECK(m && same_values(m, "vision_model.encoder.layers.1.attn.qkv.weight", a, "vision_model.encoder.layers.1.attn.qkv.weight"));
    T_CHECK(m && same_values(m, "mlp1.3.weight", a, "mlp1.3.weight"));
    T_CHECK(m && same_values(m, "language_model.model.layers.1.attention.wqkv.weight", b, "model.layers.1.attention.wqkv.weight"));
    T_CHECK(m && same_values(m, "language_model.output.weight", b, "output.weight"));
    model_free(m);
    m = model_join(c, &(struct model_sources){ NULL, NULL, text }, 5, dev, DT_F32);      /* what no folder gives is that seed's */
    T_CHECK(m && same_values(m, "mlp1.3.weight", a, "mlp1.3.weight") && same_values(m, "language_model.output.weight", b, "output.weight"));
    model_free(m);
    T_CHECK(!model_join(c, &(struct model_sources){ text, NULL, text }, 5, dev, DT_F32));
    T_CHECK(strstr(err_msg(), "text: tensor vision_model.embeddings.patch_embedding.weight is missing"));
    struct model_cfg wide = *c;
    wide.text.vocab = 54;
    T_CHECK(!model_join(&wide, &(struct model_sources){ NULL, NULL, text }, 5, dev, DT_F32));
    T_CHECK(strstr(err_msg(), "text: tensor model.tok_embeddings.weight is [53,24], want [54,24]"));
    model_free(a), model_free(b);
    free(chat), free(tower), free(text);
}

static void test_full_disk(void)
{
    struct model *m = tiny_model(tiny_qwen2, dev, DT_F32, 0);
    char *tmp = mem_fmt("%s/model.safetensors.tmp.%ld", dir, (long)getpid());
    T_INT(symlink("/dev/full", tmp), 0);
    T_FAIL(model_save(m, dir, DT_F32), "No space left");
    free(tmp);
    model_free(m);
}

int main(void)
{
    if (!mkdtemp(dir)) return 1;
    dev = test_ops(2);
    T_RUN(test_round_trips);
    T_RUN(test_seeds);
    T_RUN(test_config_kept);
    T_RUN(test_add_tokens);
    T_RUN(test_files_that_do_not_fit);
    T_RUN(test_join);
    T_RUN(test_full_disk);
    dev->close(dev);
    return dir_remove(dir) || t_end();
}
