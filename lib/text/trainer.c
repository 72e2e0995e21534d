/* SPDX-License-Identifier: Apache-2.0
 * Learning a byte-level BPE: words are counted, then the most frequent pair of neighbours becomes a token, again and
 * again (Sennrich et al. 2016). Pair counts are kept up to date word by word; a heap holds candidates, whose counts
 * only fall behind its back and are checked when they come up.
 */
#include "text/tokenizer.h"

#include <stdlib.h>
#include <string.h>
#include "store/json.h"
#include "text/bpe.h"
#include "text/split.h"
#include "text/unicode.h"

enum { TOKEN_BYTES = 128, TRAIN_MAX = 4 << 20 };    /* longest token learned; largest vocabulary */

/* Strings to numbers 0, 1, 2, ... in the order they came. */
struct strings { struct arena text; struct slice *v; uint32_t n, cap, *slot, nslot; };

static uint32_t *string_slot(struct strings *s, const char *p, size_t n)
{
    uint32_t i = (uint32_t)hash64(p, n, 0) & (s->nslot - 1);
    while (s->slot[i] && (s->v[s->slot[i] - 1].n != n || memcmp(s->v[s->slot[i] - 1].p, p, n))) i = (i + 1) & (s->nslot - 1);
    return &s->slot[i];
}

static void string_room(struct strings *s)
{
    if (s->n == s->cap) s->v = mem_grow(s->v, s->cap = s->cap ? 2 * s->cap : 512, sizeof *s->v);
    if (2 * s->n < s->nslot) return;
    free(s->slot);
    s->nslot = s->nslot ? 2 * s->nslot : 1024;
    s->slot = mem_array(s->nslot, sizeof *s->slot);
    for (uint32_t i = 0; i < s->n; i++) *string_slot(s, s->v[i].p, s->v[i].n) = i + 1;
}

static uint32_t string_id(struct strings *s, const char *p, size_t n)
{
    string_room(s);
    uint32_t *slot = string_slot(s, p, n);
    if (!*slot) {
        s->v[s->n] = (struct slice){ arena_str(&s->text, p, n), n };
        *slot = ++s->n;
    }
    return *slot - 1;
}

static void strings_free(struct strings *s)
{
    arena_free(&s->text);
    free(s->v);
    free(s->slot);
}

/* ---- state ---- */

struct unit { uint32_t *sym, n; uint64_t count; };                   /* a word as symbols */
struct pair { uint64_t key, count; uint32_t *word, n, cap; };        /* words that hold, or once held, the pair */
struct best { uint64_t count, key; };

struct tok_trainer {
    struct strings words;
    uint64_t *count;                            /* [words.cap] */
    uint32_t count_cap;
    struct splitter split;
    struct split_work work;
    struct strings tokens;
    struct unit *unit;
    struct pair *pair;
    uint32_t npair, pair_cap, *slot, nslot;     /* pairs by key */
    struct best *heap;
    size_t nheap, heap_cap;
    uint64_t *rule;                             /* merges in order */
    uint32_t nrule;
};

struct tok_trainer *tok_trainer_new(void)
{
    struct tok_trainer *tr = mem_alloc(sizeof *tr);
    if (!splitter_add(&tr->split, split_gpt2, strlen(split_gpt2), SPLIT_ISOLATED, false)) return tr;
    tok_trainer_free(tr);
    return NULL;
}

void tok_trainer_free(struct tok_trainer *tr)
{
    if (!tr) return;
    if (tr->unit)
        for (uint32_t i = 0; i < tr->words.n; i++) free(tr->unit[i].sym);
    for (uint32_t i = 0; i < tr->npair; i++) free(tr->pair[i].word);
    strings_free(&tr->words);
    strings_free(&tr->tokens);
    splitter_free(&tr->split);
    split_work_free(&tr->work);
    free(tr->count);
    free(tr->unit);
    free(tr->pair);
    free(tr->slot);
    free(tr->heap);
    free(tr->rule);
    free(tr);
}

int tok_trainer_add(struct tok_trainer *tr, const char *s, size_t n)
{
    struct buf valid = {0};
    struct arena a = {0};
    text_repair(s, n, &valid);
    int status = split_text(&tr->split, &tr->work, &a, valid.p ? valid.p : "", valid.len);
    for (size_t i = 0; i < tr->work.n && !status; i++) {
        uint32_t id = string_id(&tr->words, tr->work.word[i].p, tr->work.word[i].n);
        if (id >= tr->count_cap) {
            uint32_t cap = tr->words.cap;
            tr->count = mem_grow(tr->count, cap, sizeof *tr->count);
            memset(tr->count + tr->count_cap, 0, (cap - tr->count_cap) * sizeof *tr->count);
            tr->count_cap = cap;
        }
        tr->count[id]++;
    }
    arena_free(&a);
    buf_free(&valid);
    return status;
}

/* ---- heap: higher count first, then the lower pair ---- */

static bool better(const struct best *a, const struct best *b)
{
    return a->count != b->count ? a->count > b->count : a->key < b->key;
}

static void heap_push(struct tok_trainer *tr, struct best c)
{
    if (tr->nheap == tr->heap_cap) tr->heap = mem_grow(tr->heap, tr->heap_cap = tr->heap_cap ? 2 * tr->heap_cap : 1024, sizeof *tr->heap);
    size_t i = tr->nheap++;
    for (; i && better(&c, &tr->heap[(i - 1) / 2]); i = (i - 1) / 2) tr->heap[i] = tr->heap[(i - 1) / 2];
    tr->heap[i] = c;
}

static struct best heap_pop(struct tok_trainer *tr)
{
    struct best top = tr->heap[0], last = tr->heap[--tr->nheap];
    size_t i = 0, k;
    while ((k = 2 * i + 1) < tr->nheap) {
        if (k + 1 < tr->nheap && better(&tr->heap[k + 1], &tr->heap[k])) k++;
        if (!better(&tr->heap[k], &last)) break;
        tr->heap[i] = tr->heap[k];
        i = k;
    }
    tr->heap[i] = last;
    return top;
}

/* ---- pairs ---- */

static uint32_t *pair_slot(struct tok_trainer *tr, uint64_t key)
{
    uint32_t i = (uint32_t)((key * 0x9E3779B97F4A7C15u) >> 32) & (tr->nslot - 1);
    while (tr->slot[i] && tr->pair[tr->slot[i] - 1].key != key) i = (i + 1) & (tr->nslot - 1);
    return &tr->slot[i];
}

static struct pair *pair_of(struct tok_trainer *tr, uint64_t key)
{
    if (tr->npair == tr->pair_cap) tr->pair = mem_grow(tr->pair, tr->pair_cap = tr->pair_cap ? 2 * tr->pair_cap : 1024, sizeof *tr->pair);
    if (2 * tr->npair >= tr->nslot) {
        free(tr->slot);
        tr->nslot = tr->nslot ? 2 * tr->nslot : 2048;
        tr->slot = mem_array(tr->nslot, sizeof *tr->slot);
        for (uint32_t i = 0; i < tr->npair; i++) *pair_slot(tr, tr->pair[i].key) = i + 1;
    }
    uint32_t *slot = pair_slot(tr, key);
    if (!*slot) {
        tr->pair[tr->npair] = (struct pair){ .key = key };
        *slot = ++tr->npair;
    }
    return &tr->pair[*slot - 1];
}

static uint64_t key_at(const struct unit *u, uint32_t i) { return (uint64_t)u->sym[i] << 32 | u->sym[i + 1]; }

static void count_in(struct tok_trainer *tr, uint32_t word)
{
    const struct unit *u = &tr->unit[word];
    for (uint32_t i = 0; i + 1 < u->n; i++) {
        struct pair *p = pair_of(tr, key_at(u, i));
        p->count += u->count;
        if (p->n && p->word[p->n - 1] == word) continue;
        if (p->n == p->cap) p->word = mem_grow(p->word, p->cap = p->cap ? 2 * p->cap : 4, sizeof *p->word);
        p->word[p->n++] = word;
    }
}

static void count_out(struct tok_trainer *tr, const struct unit *u)
{
    for (uint32_t i = 0; i + 1 < u->n; i++) pair_of(tr, key_at(u, i))->count -= u->count;
}

static bool holds(const struct unit *u, uint64_t key)
{
    for (uint32_t i = 0; i + 1 < u->n; i++)
        if (key_at(u, i) == key) return true;
    return false;
}

static void join(struct unit *u, uint64_t key, uint32_t id)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < u->n; i++) {
        bool here = i + 1 < u->n && key_at(u, i) == key;
        u->sym[n++] = here ? id : u->sym[i];
        i += here;
    }
    u->n = n;
}

/* ---- learning ---- */

static void start_units(struct tok_trainer *tr)
{
    uint32_t id_of[256], next = 0;
    struct buf b = {0};
    for (uint32_t c = 0; c < 0x144; c++) {      /* GPT-2's order: by the characters that spell the bytes */
        int byte = byte_unspell(c);
        if (byte < 0) continue;
        buf_clear(&b);
        buf_byte(&b, (char)byte);
        string_id(&tr->tokens, b.p, 1);
        id_of[byte] = next++;
    }
    buf_free(&b);
    tr->unit = mem_array(tr->words.n, sizeof *tr->unit);
    for (uint32_t w = 0; w < tr->words.n; w++) {
        struct slice s = tr->words.v[w];
        struct unit *u = &tr->unit[w];
        *u = (struct unit){ mem_array(s.n, sizeof *u->sym), (uint32_t)s.n, tr->count[w] };
        for (size_t i = 0; i < s.n; i++) u->sym[i] = id_of[(unsigned char)s.p[i]];
        count_in(tr, w);
    }
    for (uint32_t i = 0; i < tr->npair; i++) heap_push(tr, (struct best){ tr->pair[i].count, tr->pair[i].key });
}

/* The pair becomes a token in all words; its new neighbours become candidates. */
static void merge(struct tok_trainer *tr, uint64_t key, uint32_t id)
{
    struct pair p = *pair_of(tr, key);
    struct pair *own = pair_of(tr, key);
    own->word = NULL, own->n = own->cap = 0;
    for (uint32_t i = 0; i < p.n; i++) {
        struct unit *u = &tr->unit[p.word[i]];
        if (!holds(u, key)) continue;
        count_out(tr, u);
        join(u, key, id);
        count_in(tr, p.word[i]);
    }
    for (uint32_t i = 0; i < p.n; i++) {
        const struct unit *u = &tr->unit[p.word[i]];
        for (uint32_t k = 0; k + 1 < u->n; k++)
            if (u->sym[k] == id || u->sym[k + 1] == id)
                heap_push(tr, (struct best){ pair_of(tr, key_at(u, k))->count, key_at(u, k) });
    }
    free(p.word);
}

static void learn(struct tok_trainer *tr, uint32_t size)
{
    struct buf joined = {0};
    uint32_t rule_cap = 0;
    while (tr->tokens.n < size && tr->nheap) {
        struct best c = heap_pop(tr);
        uint64_t now = pair_of(tr, c.key)->count;
        if (now != c.count) {
            if (now > 1 && now < c.count) heap_push(tr, (struct best){ now, c.key });
            continue;
        }
        if (now < 2) break;
        struct slice left = tr->tokens.v[c.key >> 32], right = tr->tokens.v[c.key & UINT32_MAX];
        if (left.n + right.n > TOKEN_BYTES) continue;
        buf_clear(&joined);
        buf_add(&joined, left.p, left.n);
        buf_add(&joined, right.p, right.n);
        if (tr->nrule == rule_cap) tr->rule = mem_grow(tr->rule, rule_cap = rule_cap ? 2 * rule_cap : 1024, sizeof *tr->rule);
        tr->rule[tr->nrule++] = c.key;
        merge(tr, c.key, string_id(&tr->tokens, joined.p, joined.len));
    }
    buf_free(&joined);
}

/* ---- tokenizer.json ---- */

static const char frame[] =
    "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[],\"normalizer\":null,"
    "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true},"
    "\"post_processor\":null,"
    "\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true},"
    "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,\"continuing_subword_prefix\":null,"
    "\"end_of_word_suffix\":null,\"fuse_unk\":false,\"byte_fallback\":false,\"ignore_merges\":false,"
    "\"vocab\":{},\"merges\":[]}}";

static json_t *spelt(const struct tok_trainer *tr, uint32_t id)
{
    struct buf b = {0};
    bytes_spell(tr->tokens.v[id].p, tr->tokens.v[id].n, &b);
    json_t *s = json_stringn(b.p, b.len);
    buf_free(&b);
    return s;
}

static int fill(const struct tok_trainer *tr, json_t *doc)
{
    json_t *model = json_object_get(doc, "model"), *vocab = json_object_get(model, "vocab"), *merges = json_object_get(model, "merges");
    int bad = 0;
    for (uint32_t id = 0; id < tr->tokens.n; id++) {
        json_t *s = spelt(tr, id);
        bad |= json_object_set_new(vocab, json_string_value(s), json_integer(id));
        json_decref(s);
    }
    for (uint32_t i = 0; i < tr->nrule; i++)
        bad |= json_array_append_new(merges, json_pack("[o, o]", spelt(tr, (uint32_t)(tr->rule[i] >> 32)), spelt(tr, (uint32_t)tr->rule[i])));
    return bad ? fail("tokenizer: out of memory") : 0;
}

static struct tokenizer *build(const struct tok_trainer *tr)
{
    struct tokenizer *t = NULL;
    json_t *doc = json_parse(frame, strlen(frame), "tokenizer");
    if (!doc) return NULL;
    char *text = fill(tr, doc) ? NULL : json_dumps(doc, JSON_COMPACT);
    if (text) t = tok_parse(text, strlen(text), "trained tokenizer");
    free(text);
    json_decref(doc);
    return t;
}

struct tokenizer *tok_trainer_end(struct tok_trainer *tr, int size, const char *const *special, int nspecial)
{
    struct tokenizer *t = NULL;
    if (size - nspecial < 256 || size > TRAIN_MAX)
        fail("a vocabulary of %d: want %d (bytes and special tokens) to %d", size, 256 + nspecial, TRAIN_MAX);
    else {
        start_units(tr);
        learn(tr, (uint32_t)(size - nspecial));
        t = build(tr);
    }
    tok_trainer_free(tr);
    if (t && tok_add(t, special, nspecial) < 0) {
        tok_free(t);
        return NULL;
    }
    return t;
}
