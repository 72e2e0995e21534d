/* SPDX-License-Identifier: Apache-2.0
 * tokenizer.json into a tokenizer. What is not understood is refused: a guess would give wrong ids without a word.
 */
#include "text/tokenizer_priv.h"

#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "store/gguf.h"
#include "store/json.h"

enum { JSON_MAX = 512 << 20, ADDED_MAX = 1 << 20, CONTENT_MAX = 4096 };

/* ---- model ---- */

static int refuse_affix(const json_t *model, const char *key)
{
    const char *text = "";
    if (json_opt_str(model, key, &text)) return -1;
    return text[0] ? fail("%s \"%s\" is not supported", key, text) : 0;
}

static int read_vocab(struct bpe *b, json_t *vocab)
{
    const char *key;
    json_t *id;
    json_object_foreach(vocab, key, id) {
        if (!json_is_integer(id)) return fail("vocab: \"%.40s\": the id is not a whole number", key);
        if (bpe_token_add(b, key, strlen(key), json_integer_value(id))) return fail_in("vocab");
    }
    bpe_index(b);
    return 0;
}

/* "a b" or ["a", "b"] */
static int read_merge(const json_t *m, struct slice pair[2])
{
    if (json_is_string(m)) {
        const char *s = json_string_value(m), *end = s + json_string_length(m), *space = strchr(s, ' ');
        if (!space || strchr(space + 1, ' ')) return fail("\"%.80s\": want two pieces and one space", s);
        pair[0] = (struct slice){ s, (size_t)(space - s) };
        pair[1] = (struct slice){ space + 1, (size_t)(end - space - 1) };
        return 0;
    }
    if (!json_is_array(m) || json_array_size(m) != 2) return fail("want \"a b\" or [\"a\", \"b\"]");
    for (int k = 0; k < 2; k++) {
        const json_t *s = json_array_get(m, (size_t)k);
        if (!json_is_string(s)) return fail("want \"a b\" or [\"a\", \"b\"]");
        pair[k] = (struct slice){ json_string_value(s), json_string_length(s) };
    }
    return 0;
}

static int read_merges(struct bpe *b, const json_t *merges)
{
    size_t n = json_array_size(merges);
    if (n > BPE_MAX_ID) return fail("merges: %zu, at most %d", n, BPE_MAX_ID);
    struct slice (*pair)[2] = mem_array(n, sizeof *pair);
    int status = 0;
    for (size_t i = 0; i < n && !status; i++)
        if (read_merge(json_array_get(merges, i), pair[i])) status = fail_in("merge %zu", i);
    if (!status) status = bpe_merges(b, (uint32_t)n, (const struct slice (*)[2])pair);
    free(pair);
    return status;
}

static int read_unk(struct bpe *b, const json_t *model)
{
    const char *unk = NULL;
    b->unk = -1;
    if (json_opt_str(model, "unk_token", &unk)) return -1;
    if (!unk) return 0;
    b->unk = bpe_find_spelt(b, unk, strlen(unk));
    return b->unk < 0 ? fail("unk_token \"%.80s\" is not in the vocabulary", unk) : 0;
}

static int read_model(struct bpe *b, const json_t *model)
{
    const char *type = "BPE";
    double dropout = 0;
    json_t *vocab, *merges;
    if (json_opt_str(model, "type", &type)) return -1;
    if (strcmp(type, "BPE")) return fail("type %s is not supported (BPE is)", type);
    if (json_opt_f64(model, "dropout", &dropout)) return -1;
    if (dropout != 0) return fail("dropout %g: only 0 gives the same ids twice", dropout);
    if (refuse_affix(model, "continuing_subword_prefix") || refuse_affix(model, "end_of_word_suffix")) return -1;
    if (json_opt_bool(model, "fuse_unk", &b->fuse_unk) || json_opt_bool(model, "byte_fallback", &b->byte_fallback)
        || json_opt_bool(model, "ignore_merges", &b->ignore_merges))
        return -1;
    if (json_get_object(model, "vocab", &vocab) || json_get_array(model, "merges", &merges)) return -1;
    if (read_vocab(b, vocab) || read_merges(b, merges) || read_unk(b, model)) return -1;
    return bpe_finish(b);
}

/* ---- added tokens ---- */

static int read_added(struct tokenizer *t, const json_t *v)
{
    const char *content;
    int id;
    struct added a = {0};
    if (json_get_str(v, "content", &content) || json_get_int(v, "id", 0, BPE_MAX_ID - 1, &id)
        || json_opt_bool(v, "special", &a.special) || json_opt_bool(v, "single_word", &a.single_word)
        || json_opt_bool(v, "lstrip", &a.lstrip) || json_opt_bool(v, "rstrip", &a.rstrip))
        return -1;
    a.normalized = !a.special;
    if (json_opt_bool(v, "normalized", &a.normalized)) return -1;
    a.content = (char *)content;
    a.n = strlen(content);
    a.id = (uint32_t)id;
    if (!a.n || a.n > CONTENT_MAX) return fail("content: %zu bytes, want 1 to %d", a.n, CONTENT_MAX);
    return tokenizer_add(t, &a);
}

static int read_all_added(struct tokenizer *t, const json_t *list)
{
    if (!list || json_is_null(list)) return 0;
    if (!json_is_array(list)) return fail("want an array");
    if (json_array_size(list) > ADDED_MAX) return fail("%zu entries, at most %d", json_array_size(list), ADDED_MAX);
    for (size_t i = 0; i < json_array_size(list); i++)
        if (read_added(t, json_array_get(list, i))) return fail_in("entry %zu", i);
    t->nread = t->nadded;
    return 0;
}

static int read_parts(struct tokenizer *t, const json_t *doc)
{
    json_t *model;
    if (json_get_object(doc, "model", &model)) return -1;
    if (stages_normalizer(t, json_object_get(doc, "normalizer"))) return fail_in("normalizer");
    if (stages_pre_tokenizer(t, json_object_get(doc, "pre_tokenizer"))) return fail_in("pre_tokenizer");
    if (read_model(&t->bpe, model)) return fail_in("model");
    if (stages_decoder(t, json_object_get(doc, "decoder"))) return fail_in("decoder");
    if (read_all_added(t, json_object_get(doc, "added_tokens"))) return fail_in("added_tokens");
    return tokenizer_ready(t);
}

int tokenizer_read(struct tokenizer *t)
{
    json_t *doc = json_parse(t->source, t->nsource, "tokenizer");
    if (!doc) return -1;
    int status = json_is_object(doc) ? read_parts(t, doc) : fail("want an object");
    json_decref(doc);
    return status;
}

struct tokenizer *tok_parse(const char *json, size_t n, const char *name)
{
    if (n > JSON_MAX) return fail_null("%s: %zu bytes, at most %d", name, n, JSON_MAX);
    struct tokenizer *t = mem_alloc(sizeof *t);
    t->source = mem_strn(json, n);
    t->nsource = n;
    if (!tokenizer_read(t)) return t;
    fail_in("%s", name);
    tok_free(t);
    return NULL;
}

static struct tokenizer *load_json(const char *path)
{
    struct buf b = {0};
    struct tokenizer *t = NULL;
    if (!file_read(path, JSON_MAX, &b)) t = tok_parse(b.p ? b.p : "", b.len, path);
    buf_free(&b);
    return t;
}

static struct tokenizer *load_dir(const char *dir)
{
    char *json = file_join(dir, "tokenizer.json"), *model = file_join(dir, "tokenizer.model");
    struct tokenizer *t = file_exists(json) || !file_exists(model) ? load_json(json) : sentence_tokenizer(model, dir);
    free(json);
    free(model);
    return t;
}

struct tokenizer *tok_load(const char *path)
{
    size_t n = strlen(path);
    if (file_is_dir(path)) return load_dir(path);
    if (gguf_is(path)) return gguf_tokenizer(path);
    return n > 6 && !strcmp(path + n - 6, ".model") ? sentence_tokenizer(path, NULL) : load_json(path);
}

static json_t *added_entry(const struct added *a)
{
    return json_pack("{s:i, s:s%, s:b, s:b, s:b, s:b, s:b}", "id", (int)a->id, "content", a->content, a->n, "single_word",
                     a->single_word, "lstrip", a->lstrip, "rstrip", a->rstrip, "normalized", a->normalized, "special",
                     a->special);
}

static int save_json(const struct tokenizer *t, const char *path)
{
    json_t *doc = json_parse(t->source, t->nsource, "tokenizer"), *list;
    if (!doc) return -1;
    list = json_object_get(doc, "added_tokens");
    if (!json_is_array(list)) {
        list = json_array();
        if (json_object_set_new(doc, "added_tokens", list)) return json_decref(doc), fail("%s: out of memory", path);
    }
    for (int i = t->nread; i < t->nadded; i++)
        if (json_array_append_new(list, added_entry(&t->added[i]))) return json_decref(doc), fail("%s: out of memory", path);
    int status = json_save(doc, path);
    json_decref(doc);
    return status;
}

int tok_save(const struct tokenizer *t, const char *dir)
{
    if (t->sentence) return sentence_save(t, dir);
    char *path = file_join(dir, "tokenizer.json");
    int status = save_json(t, path);
    free(path);
    return status;
}
