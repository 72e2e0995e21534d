/* SPDX-License-Identifier: Apache-2.0
 * The tokenizer in a GGUF file's metadata: its arrays, handed to tok_from_parts.
 */
#include <stdlib.h>
#include <string.h>
#include "store/gguf.h"
#include "text/tokenizer_priv.h"

struct lists { struct slice *token, *merge; uint8_t *type; float *score; };

/* Texts of an array; borrowed from it. */
static struct slice *texts(const json_t *list, const char *key)
{
    struct slice *v = mem_array(json_array_size(list) + 1, sizeof *v);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *s = json_array_get(list, i);
        if (!json_is_string(s)) {
            free(v);
            return fail_null("%s: value %zu is not text", key, i);
        }
        v[i] = (struct slice){ json_string_value(s), json_string_length(s) };
    }
    return v;
}

static int read_types(const json_t *meta, struct tok_parts *p, struct lists *v)
{
    json_t *list = json_object_get(meta, "tokenizer.ggml.token_type");
    if (!list) return 0;
    if (json_array_size(list) != p->n) return fail("tokenizer.ggml.token_type: want an array of %u", p->n);
    v->type = mem_array((size_t)p->n + 1, sizeof *v->type);
    for (uint32_t i = 0; i < p->n; i++) {
        json_int_t type = json_integer_value(json_array_get(list, i));
        if (type < TOK_NORMAL || type > TOK_BYTE) return fail("tokenizer.ggml.token_type: value %u: want 1 to %d", i, TOK_BYTE);
        v->type[i] = (uint8_t)type;
    }
    p->type = v->type;
    while (p->n && v->type[p->n - 1] == TOK_UNUSED) p->n--;            /* padding: rows of the embedding that no token has */
    return 0;
}

static int read_scores(const json_t *meta, struct tok_parts *p, struct lists *v)
{
    json_t *list;
    if (json_get_array(meta, "tokenizer.ggml.scores", &list)) return -1;
    if (json_array_size(list) < p->n) return fail("tokenizer.ggml.scores: %zu, but %u tokens", json_array_size(list), p->n);
    v->score = mem_array((size_t)p->n + 1, sizeof *v->score);
    for (uint32_t i = 0; i < p->n; i++) v->score[i] = (float)json_number_value(json_array_get(list, i));
    p->score = v->score;
    p->lead = true;
    return json_opt_bool(meta, "tokenizer.ggml.add_space_prefix", &p->lead);
}

static int read_merges(const json_t *meta, struct tok_parts *p, struct lists *v)
{
    json_t *list;
    if (json_get_array(meta, "tokenizer.ggml.merges", &list) || json_get_str(meta, "tokenizer.ggml.pre", &p->pre)) return -1;
    p->merge = v->merge = texts(list, "tokenizer.ggml.merges");
    p->nmerge = (uint32_t)json_array_size(list);
    return v->merge ? 0 : -1;
}

static int read_parts(const json_t *meta, struct tok_parts *p, struct lists *v)
{
    const char *model;
    json_t *tokens;
    if (json_get_str(meta, "tokenizer.ggml.model", &model) || json_get_array(meta, "tokenizer.ggml.tokens", &tokens)) return -1;
    if (!(p->token = v->token = texts(tokens, "tokenizer.ggml.tokens"))) return -1;
    p->n = (uint32_t)json_array_size(tokens);
    if (read_types(meta, p, v)) return -1;
    p->kind = !strcmp(model, "llama") ? TOK_OF_SCORES : TOK_OF_BYTES;
    if (p->kind == TOK_OF_SCORES) return read_scores(meta, p, v);
    return strcmp(model, "gpt2") ? fail("tokenizer.ggml.model: \"%.40s\" is not supported (gpt2, llama are)", model) : read_merges(meta, p, v);
}

struct tokenizer *gguf_tokenizer(const char *path)
{
    struct gguf g;
    struct tok_parts p = {0};
    struct lists v = {0};
    if (gguf_open(path, &g)) return NULL;
    struct tokenizer *t = NULL;
    if (read_parts(g.meta, &p, &v)) fail_in("%s", path);
    else t = tok_from_parts(&p, path);
    free(v.token);
    free(v.merge);
    free(v.type);
    free(v.score);
    gguf_close(&g);
    return t;
}
