/* SPDX-License-Identifier: Apache-2.0
 * Plain decoders against transformers, from safetensors and from GGUF: make_text.py wrote the checkpoints and the numbers.
 */
#include <stdlib.h>
#include <unistd.h>
#include "../unit/device.h"
#include "../unit/t.h"
#include "text/tokenizer.h"
#include "model/model.h"
#include "store/safetensors.h"

#define DIR_GOLDEN "tests/golden/text/"

/* Logits within 1e-4 of the largest |logit|: both sides sum in f32, in different orders. */
static const double TOL_F32 = 1e-4;
/* bf16 keeps 8 bits: see t_internvl.c; these models are as deep at most. */
static const double TOL_BF16 = 0.04;

static struct ops *dev;

static float *get_f32(const struct safetensors *g, const char *name, size_t *n)
{
    const struct st_tensor *t = st_find(g, name);
    float *x = mem_array(t->n, sizeof *x);
    st_get_f32(t, 0, t->n, x);
    *n = t->n;
    return x;
}

static int *get_int(const struct safetensors *g, const char *name, int *n)
{
    const struct st_tensor *t = st_find(g, name);
    int *x = mem_array(t->n, sizeof *x);
    memcpy(x, t->p, t->n * sizeof *x);
    *n = (int)t->n;
    return x;
}

/* max |a - b| / max |b|; frees a */
static double relative(float *a, const struct safetensors *g, const char *name)
{
    size_t n;
    double d = 0, m = 0;
    float *b = get_f32(g, name, &n);
    for (size_t i = 0; i < n; i++) {
        d = fmax(d, fabs((double)a[i] - (double)b[i]));
        m = fmax(m, fabs((double)b[i]));
    }
    free(a);
    free(b);
    return d / m;
}

static float *all_logits(struct model *m, struct mat hidden)
{
    int *row = mem_array((size_t)hidden.rows, sizeof *row);
    float *x = mem_array((size_t)hidden.rows * (size_t)model_config(m)->text.vocab, sizeof *x);
    for (int i = 0; i < hidden.rows; i++) row[i] = i;
    T_OK(model_logits(m, hidden, row, hidden.rows, x));
    free(row);
    return x;
}

static double packed_error(struct model *m, const struct safetensors *g)
{
    int n, *id = get_int(g, "ids", &n), *pos = mem_array((size_t)n, sizeof *pos);
    struct mat hidden;
    for (int i = 0; i < n; i++) pos[i] = i;
    struct model_batch b = { .ntok = n, .id = id, .pos = pos, .nseq = 1, .start = (int[]){ 0, n } };
    T_OK(model_forward(m, &b, &hidden));
    double d = relative(all_logits(m, hidden), g, "prefill");
    free(id);
    free(pos);
    return d;
}

/* Prefill into the cache, then one token at a time; the larger error of the two. */
static double cached_error(struct model *m, const struct safetensors *g)
{
    int n, next, *id = get_int(g, "ids", &n), *more = get_int(g, "next", &next), zero = 0, V = model_config(m)->text.vocab;
    struct kv *kv = kv_new(m, 128);
    int root = kv_node(kv, -1), *node = mem_array((size_t)n, sizeof *node);
    struct mat hidden;
    for (int i = 0; i < n; i++) node[i] = root;
    T_OK(model_extend(m, kv, &(struct model_rows){ .n = n, .node = node, .id = id }, &hidden));
    double prefill = relative(all_logits(m, hidden), g, "prefill");
    float *rows = mem_array((size_t)next * (size_t)V, sizeof *rows);
    for (int i = 0; i < next; i++) {
        T_OK(model_extend(m, kv, &(struct model_rows){ .n = 1, .node = &root, .id = &more[i] }, &hidden));
        T_OK(model_logits(m, hidden, &zero, 1, rows + (size_t)i * (size_t)V));
    }
    double decode = relative(rows, g, "decode");
    kv_free(kv);
    free(node);
    free(id);
    free(more);
    return fmax(prefill, decode);
}

static void check_path(const char *name, const char *path, enum dtype t, double tol)
{
    struct safetensors g;
    struct model *m = model_load(path, dev, t, 0);
    if (!m) printf("# %s\n", err_msg());
    T_CHECK(m);
    if (!m) return;
    char *golden = mem_fmt(DIR_GOLDEN "%s/golden.safetensors", name);
    T_OK(st_open(golden, &g));
    double packed = packed_error(m, &g), cached = cached_error(m, &g);
    printf("# %s in %s: relative error of the logits %.2g packed, %.2g through the cache\n", path, t == DT_F32 ? "f32" : "bf16", packed, cached);
    T_CHECK(packed <= tol && cached <= tol);
    st_close(&g);
    free(golden);
    model_free(m);
}

static void check(const char *name)
{
    char *path = mem_fmt(DIR_GOLDEN "%s", name);
    check_path(name, path, DT_F32, TOL_F32);
    check_path(name, path, DT_BF16, TOL_BF16);
    free(path);
}

static void test_llama3_tied_grouped(void) { check("llama3"); }
static void test_llama2_linear_f16_shards(void) { check("llama2"); }
static void test_llama_dynamic(void) { check("dynamic"); }
static void test_qwen2_yarn(void) { check("yarn"); }
static void test_qwen2_one_key_head(void) { check("qwen2"); }
static void test_qwen2_window_bf16_shards(void) { check("qwen2w"); }
static void test_mistral_wide_heads(void) { check("mistral"); }

/* ---- GGUF ---- */

/* The same model from either file: logits, and all that the digest covers, the configuration included. */
static void check_gguf(const char *name, enum rope_kind rope)
{
    char *folder = mem_fmt(DIR_GOLDEN "%s", name), *file = mem_fmt(DIR_GOLDEN "%s/model.gguf", name);
    check_path(name, file, DT_F32, TOL_F32);
    check_path(name, file, DT_BF16, TOL_BF16);
    struct model *a = model_load(folder, dev, DT_F32, 0), *b = model_load(file, dev, DT_F32, MODEL_TRAIN);
    T_CHECK(a && b);
    T_STR(model_digest(a), model_digest(b));
    T_INT(model_config(b)->text.blocks.rope.kind, rope);
    model_free(a);
    model_free(b);
    free(folder);
    free(file);
}

static void test_gguf_llama(void) { check_gguf("llama3", ROPE_LLAMA3); }
static void test_gguf_qwen2(void) { check_gguf("qwen2", ROPE_DEFAULT); }

static void test_gguf_tokenizer(void)
{
    static const struct { const char *path; int size; uint32_t want[7]; } known[] = {
        { DIR_GOLDEN "llama3/model.gguf", 129, { 127, 66, 125, 127, 125, 128, 1 } },
        { DIR_GOLDEN "qwen2/model.gguf", 147, { 145, 66, 143, 145, 143, 146, 1 } } };
    for (int i = 0; i < countof(known); i++) {
        static const char text[] = "<|im_start|>aab<|im_start|>ab<|im_end|> ";
        struct tokenizer *t = tok_load(known[i].path);
        struct tok_ids ids = {0};
        if (!t) printf("# %s\n", err_msg());
        T_CHECK(t);
        if (!t) continue;
        T_INT(tok_size(t), known[i].size);                 /* padding is no token */
        T_OK(tok_encode(t, text, sizeof text - 1, TOK_SPECIAL, &ids));
        T_INT(ids.n, 7);
        T_CHECK(ids.n == 7 && !memcmp(ids.id, known[i].want, sizeof known[i].want));
        tok_ids_free(&ids);
        tok_free(t);
    }
}

/* ---- the other way round ---- */
static void save_ours(const char *path, const char *dir)
{
    enum { N = 20 };
    int id[N], pos[N];
    struct mat hidden;
    struct model *m = model_load(path, dev, DT_F32, MODEL_TRAIN);
    T_CHECK(m);
    if (!m) return;
    int V = model_config(m)->text.vocab;
    for (int i = 0; i < N; i++) id[i] = (i * 7 + 3) % V, pos[i] = i;
    struct model_batch b = { .ntok = N, .id = id, .pos = pos, .nseq = 1, .start = (int[]){ 0, N } };
    T_OK(dir_make(dir));
    T_OK(model_save(m, dir, DT_F32));
    T_OK(model_forward(m, &b, &hidden));
    float *x = all_logits(m, hidden);
    struct st_tensor v[] = { { .name = "ids", .t = ST_I32, .ndim = 1, .dims = { N } }, { .name = "logits", .t = ST_F32, .ndim = 2, .dims = { N, V } } };
    char *ours = file_join(dir, "ours.safetensors");
    struct st_writer *w = st_create(ours, v, 2);
    T_CHECK(w && !st_write(w, id, sizeof id) && !st_write(w, x, (size_t)N * (size_t)V * 4));
    T_OK(st_finish(w));
    free(ours);
    free(x);
    model_free(m);
}

static void test_transformers_loads_ours(void)
{
    static const char *const from[] = { "llama3", "llama2", "dynamic", "qwen2", "qwen2w", "mistral", "llama3/model.gguf", "qwen2/model.gguf" };
    char dir[] = "/tmp/t_decoders.XXXXXX";
    struct buf cmd = {0};
    if (!mkdtemp(dir)) { T_CHECK(!"mkdtemp"); return; }
    buf_str(&cmd, "\"$COS_REF_PYTHON\" tests/golden/check_load.py");
    for (int i = 0; i < countof(from); i++) {
        char *path = mem_fmt(DIR_GOLDEN "%s", from[i]), *sub = mem_fmt("%s/%d", dir, i);
        save_ours(path, sub);
        buf_fmt(&cmd, " %s", sub);
        free(path);
        free(sub);
    }
    buf_fmt(&cmd, " >%s/log 2>&1 || { sed 's/^/# /' %s/log; false; }", dir, dir);
    T_INT(system(cmd.p), 0);
    buf_free(&cmd);
    T_OK(dir_remove(dir));
}

int main(void)
{
    dev = test_ops(2);
    T_RUN(test_llama3_tied_grouped);
    T_RUN(test_llama2_linear_f16_shards);
    T_RUN(test_llama_dynamic);
    T_RUN(test_qwen2_yarn);
    T_RUN(test_qwen2_one_key_head);
    T_RUN(test_qwen2_window_bf16_shards);
    T_RUN(test_mistral_wide_heads);
    T_RUN(test_gguf_llama);
    T_RUN(test_gguf_qwen2);
    T_RUN(test_gguf_tokenizer);
    if (getenv("COS_REF_PYTHON")) T_RUN(test_transformers_loads_ours);
    else printf("ok %d - test_transformers_loads_ours # SKIP COS_REF_PYTHON names no python with transformers\n", ++t_tests);
    dev->close(dev);
    return t_end();
}
