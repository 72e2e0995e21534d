/* SPDX-License-Identifier: Apache-2.0
 * A tokenizer out of arrays: they are written as the tokenizer.json that Hugging Face would hold, and that is read. So
 * there is one reader, and what was a GGUF file is saved as a folder others can load.
 */
#include "text/tokenizer.h"

#include <stdlib.h>
#include <string.h>
#include "store/json.h"
#include "text/bpe.h"               /* its limits */
#include "text/unicode.h"

/* ---- pre-tokenizers by llama.cpp's names ---- */

#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|"
#define BEHIND_NUMBERS "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"
#define SPLIT(numbers) "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" CONTRACTIONS \
    numbers BEHIND_NUMBERS "\"},\"behavior\":\"Isolated\",\"invert\":false}," WORDLESS "]}"
#define WORDLESS "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":false,\"use_regex\":false}"
#define GPT2 "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true}"
#define SMOLLM "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\",\"individual_digits\":true}," GPT2 "]}"

static const struct pre { const char *name, *json; bool nfc, ignore_merges; } pres[] = {
    { "gpt-2", GPT2, false, false },
    { "llama-bpe", SPLIT("\\\\p{N}{1,3}"), false, true },
    { "qwen2", SPLIT("\\\\p{N}"), true, false },
    { "smollm", SMOLLM, false, false },
};

static const struct pre *find_pre(const char *name)
{
    struct buf known = {0};
    for (int i = 0; i < countof(pres); i++) {
        if (name && !strcmp(pres[i].name, name)) {
            buf_free(&known);
            return &pres[i];
        }
        buf_fmt(&known, "%s%s", i ? ", " : "", pres[i].name);
    }
    fail("pre-tokenizer \"%.40s\" is not known (%s are)", name ? name : "", known.p);
    buf_free(&known);
    return NULL;
}

/* ---- tokens ---- */

static enum tok_type type_of(const struct tok_parts *p, uint32_t i) { return p->type ? (enum tok_type)p->type[i] : TOK_NORMAL; }

static int check_tokens(const struct tok_parts *p)
{
    if (!p->n || p->n > BPE_MAX_ID) return fail("%u tokens, want 1 to %d", p->n, BPE_MAX_ID);
    if (p->kind == TOK_OF_SCORES && !p->score) return fail("no scores");
    for (uint32_t i = 0; i < p->n; i++) {
        const struct slice *t = &p->token[i];
        if (t->n > BPE_MAX_TOKEN || memchr(t->p, 0, t->n)) return fail("token %u: longer than %d bytes or with a NUL", i, BPE_MAX_TOKEN);
        if (text_valid(t->p, t->n) < t->n) return fail("token %u is not UTF-8", i);
        if (p->type && (p->type[i] < TOK_NORMAL || p->type[i] > TOK_BYTE)) return fail("token %u: type %u", i, p->type[i]);
    }
    return 0;
}

static bool is_added(const struct tok_parts *p, uint32_t i)
{
    enum tok_type type = type_of(p, i);
    return type == TOK_CONTROL || type == TOK_UNKNOWN || type == TOK_USER;
}

/* Added tokens behind the last other one stand in added_tokens alone, as Hugging Face has it. */
static json_t *make_vocab(const struct tok_parts *p)
{
    json_t *vocab = json_object();
    uint32_t n = p->n;
    while (n && is_added(p, n - 1)) n--;
    for (uint32_t i = 0; i < n; i++) {
        char *key = mem_strn(p->token[i].p, p->token[i].n);
        bool twice = json_object_get(vocab, key), bad = twice || json_object_set_new(vocab, key, json_integer(i));
        if (bad) fail("token %u \"%.40s\" %s", i, key, twice ? "stands there twice" : "cannot be kept");
        free(key);
        if (!bad) continue;
        json_decref(vocab);
        return NULL;
    }
    return vocab;
}

static json_t *make_added(const struct tok_parts *p)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < p->n; i++) {
        bool special = type_of(p, i) != TOK_USER;
        if (!is_added(p, i) || !p->token[i].n) continue;
        json_t *one = json_pack("{s:i, s:s%, s:b, s:b, s:b, s:b, s:b}", "id", (int)i, "content", p->token[i].p, p->token[i].n,
                                "single_word", 0, "lstrip", 0, "rstrip", 0, "normalized", 0, "special", special);
        if (json_array_append_new(list, one)) break;
    }
    return list;
}

/* ---- merges ---- */

static json_t *given_merges(const struct tok_parts *p)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < p->nmerge; i++)
        if (json_array_append_new(list, json_stringn(p->merge[i].p, p->merge[i].n))) {
            json_decref(list);
            return fail_null("merge %u is not UTF-8", i);
        }
    return list;
}

/* A pair that makes a token. SentencePiece merges the pair whose token scores best; so the tokens' scores rank the pairs. */
struct pair { float score; uint32_t token, left; };
struct pairs { struct pair *v; size_t n, cap; };

static int by_score(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    if (x->token != y->token) return x->token < y->token ? -1 : 1;
    return x->left < y->left ? -1 : x->left > y->left;
}

static bool in_vocab(const json_t *vocab, const char *s, size_t n, struct buf *key)
{
    buf_clear(key);
    buf_add(key, s, n);
    return json_object_get(vocab, key->p);
}

static void add_pairs(const struct tok_parts *p, uint32_t i, const json_t *vocab, struct buf *key, struct pairs *out)
{
    const struct slice *t = &p->token[i];
    for (uint32_t k = 1; k < t->n; k++) {
        if (((unsigned char)t->p[k] & 0xC0) == 0x80) continue;
        if (!in_vocab(vocab, t->p, k, key) || !in_vocab(vocab, t->p + k, t->n - k, key)) continue;
        if (out->n == out->cap) out->v = mem_grow(out->v, out->cap = out->cap ? 2 * out->cap : 4096, sizeof *out->v);
        out->v[out->n++] = (struct pair){ p->score[i], i, k };
    }
}

enum { PAIRED_MAX = 256 };                       /* bytes: longer tokens are not pieces that merges make */

static json_t *scored_merges(const struct tok_parts *p, const json_t *vocab)
{
    struct pairs all = {0};
    struct buf key = {0};
    json_t *list = json_array();
    for (uint32_t i = 0; i < p->n; i++)
        if (type_of(p, i) == TOK_NORMAL && p->token[i].n <= PAIRED_MAX) add_pairs(p, i, vocab, &key, &all);
    if (all.n) qsort(all.v, all.n, sizeof *all.v, by_score);
    for (size_t i = 0; i < all.n; i++) {
        const struct slice *t = &p->token[all.v[i].token];
        uint32_t k = all.v[i].left;
        if (json_array_append_new(list, json_pack("[s%, s%]", t->p, (size_t)k, t->p + k, t->n - k))) break;
    }
    free(all.v);
    buf_free(&key);
    return list;
}

/* ---- documents ---- */

static const char chars_decoder[] = "{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":\"\xE2\x96\x81\"},"
    "\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}%s]}";

static json_t *literal(const char *json) { return json_loads(json, JSON_DECODE_ANY, NULL); }

static json_t *of_bytes(const struct tok_parts *p, json_t *vocab)
{
    const struct pre *pre = find_pre(p->pre);
    json_t *merges = pre ? given_merges(p) : NULL;
    if (!merges) return NULL;
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:{s:s, s:b, s:b, s:b, s:O, s:o}}", "version", "1.0", "added_tokens", make_added(p),
                     "normalizer", pre->nfc ? literal("{\"type\":\"NFC\"}") : json_null(), "pre_tokenizer", literal(pre->json),
                     "decoder", literal(GPT2), "model", "type", "BPE", "fuse_unk", 0, "byte_fallback", 0, "ignore_merges",
                     pre->ignore_merges, "vocab", vocab, "merges", merges);
}

static json_t *unk_token(const struct tok_parts *p)
{
    for (uint32_t i = 0; i < p->n; i++)
        if (type_of(p, i) == TOK_UNKNOWN) return json_stringn(p->token[i].p, p->token[i].n);
    return json_null();
}

static json_t *of_scores(const struct tok_parts *p, json_t *vocab)
{
    static const char prepend[] = "{\"type\":\"Prepend\",\"prepend\":\"\xE2\x96\x81\"},";
    char *normalizer = mem_fmt("{\"type\":\"Sequence\",\"normalizers\":[%s{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},"
                               "\"content\":\"\xE2\x96\x81\"}]}", p->lead ? prepend : "");
    char *decoder = mem_fmt(chars_decoder, p->lead ? ",{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}" : "");
    json_t *doc = json_pack("{s:s, s:o, s:o, s:n, s:o, s:{s:s, s:o, s:b, s:b, s:O, s:o}}", "version", "1.0", "added_tokens",
                            make_added(p), "normalizer", literal(normalizer), "pre_tokenizer", "decoder", literal(decoder),
                            "model", "type", "BPE", "unk_token", unk_token(p), "fuse_unk", 1, "byte_fallback", 1,
                            "vocab", vocab, "merges", scored_merges(p, vocab));
    free(normalizer);
    free(decoder);
    return doc ? doc : fail_null("cannot be written as JSON");
}

struct tokenizer *tok_from_parts(const struct tok_parts *p, const char *name)
{
    json_t *vocab = check_tokens(p) ? NULL : make_vocab(p);
    json_t *doc = !vocab ? NULL : p->kind == TOK_OF_BYTES ? of_bytes(p, vocab) : of_scores(p, vocab);
    char *text = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
    struct tokenizer *t = NULL;
    json_decref(doc);
    json_decref(vocab);
    if (text) t = tok_parse(text, strlen(text), name);
    else fail_in("%s", name);
    free(text);
    return t;
}
