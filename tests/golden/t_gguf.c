/* SPDX-License-Identifier: Apache-2.0
 * GGUF files against ggml's own package: make_gguf.py wrote them.
 */
#include <stdlib.h>
#include "../unit/t.h"
#include "store/gguf.h"
#include "store/safetensors.h"
#include "text/tokenizer.h"

static struct gguf g;
static struct safetensors want;

/* Bit for bit: the same operations in the same order. */
static void test_numbers(void)
{
    T_INT(g.n, 11);
    T_INT(want.n, 11);
    for (int i = 0; i < want.n; i++) {
        const struct st_tensor *a = gguf_find(&g, want.v[i].name), *b = &want.v[i];
        T_CHECK(a && a->ndim == 2 && a->dims[0] == 3 && a->dims[1] == 512);
        if (!a) continue;
        float *x = mem_array(a->n, sizeof *x);
        st_get_f32(a, 0, a->n, x);
        if (memcmp(x, b->p, b->bytes)) printf("# %s differs\n", a->name);
        T_CHECK(!memcmp(x, b->p, b->bytes));
        free(x);
    }
}

/* Any part gives the same numbers as the whole. */
static void test_parts(void)
{
    static const size_t begin[] = { 0, 1, 31, 33, 255, 257, 500, 1000 }, n[] = { 0, 1, 5, 32, 33, 300, 536 };
    float x[536];
    uint16_t h[536];
    for (int i = 0; i < g.n; i++) {
        const float *whole = (const void *)st_find(&want, g.v[i].name)->p;
        for (int b = 0; b < countof(begin); b++)
            for (int k = 0; k < countof(n); k++) {
                st_get_f32(&g.v[i], begin[b], n[k], x);
                st_get_bf16(&g.v[i], begin[b], n[k], h);
                T_CHECK(!memcmp(x, whole + begin[b], n[k] * sizeof *x));
                for (size_t j = 0; j < n[k]; j++) T_CHECK(h[j] == bf16_of_f32(whole[begin[b] + j]));
            }
    }
}

static void test_metadata(void)
{
    const char *s;
    double f = 0;
    int i = 0;
    bool b = false;
    json_t *list;
    T_OK(json_get_str(g.meta, "general.architecture", &s));
    T_STR(s, "llama");
    T_OK(json_get_f64(g.meta, "some.float", &f));
    T_CHECK((float)f == 0.1f);
    T_OK(json_get_bool(g.meta, "some.truth", &b));
    T_CHECK(b);
    T_OK(json_get_int(g.meta, "some.negative", -10, 10, &i));
    T_INT(i, -5);
    T_CHECK(json_integer_value(json_object_get(g.meta, "some.large")) == (json_int_t)1 << 40);
    T_OK(json_get_array(g.meta, "some.words", &list));
    T_INT(json_array_size(list), 3);
    T_STR(json_string_value(json_array_get(list, 1)), "zwei");
    T_INT(json_integer_value(json_array_get(json_object_get(g.meta, "some.numbers"), 1)), -2);
}

/* The same ids as from the SentencePiece model itself. */
static void test_sentencepiece(void)
{
    static const char *const text[] = { "Hello world", "  two  blanks ", "", "a", "\n\tx = 3.14;", "na\xc3\xafve \xe2\x80\x94 caf\xc3\xa9",
        "\xe4\xbd\xa0\xe5\xa5\xbd \xf0\x9f\x98\x80", "the answer is 42</s> and <s>", "\xe2\x96\x81", "The quick brown fox jumps over the lazy dog." };
    struct tokenizer *a = tok_load("tests/golden/gguf/spm.gguf"), *b = tok_load("tests/golden/gguf/spm.model");
    if (!a || !b) printf("# %s\n", err_msg());
    T_CHECK(a && b);
    if (!a || !b) return;
    T_INT(tok_size(a), tok_size(b));
    T_CHECK(tok_is_special(a, (uint32_t)tok_id(a, "</s>")));
    for (int i = 0; i < countof(text); i++) {
        struct tok_ids x = {0}, y = {0};
        T_OK(tok_encode(a, text[i], strlen(text[i]), 0, &x));
        T_OK(tok_encode(b, text[i], strlen(text[i]), 0, &y));
        T_CHECK(x.n == y.n && (!x.n || !memcmp(x.id, y.id, x.n * sizeof *x.id)));
        if (x.n != y.n) printf("# text %d: %zu ids, want %zu\n", i, x.n, y.n);
        tok_ids_free(&x);
        tok_ids_free(&y);
    }
    tok_free(a);
    tok_free(b);
}

int main(void)
{
    if (gguf_open("tests/golden/gguf/quant.gguf", &g) || st_open("tests/golden/gguf/quant.safetensors", &want)) {
        printf("# %s\n", err_msg());
        return 1;
    }
    T_RUN(test_numbers);
    T_RUN(test_parts);
    T_RUN(test_metadata);
    T_RUN(test_sentencepiece);
    gguf_close(&g);
    st_close(&want);
    return t_end();
}
