/* SPDX-License-Identifier: Apache-2.0 */
#include "text/tokenizer.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "text/tokenizer_priv.h"

enum { TEXT_MAX = 1 << 30 };

/* ---- set-up ---- */

/* Hugging Face counts the vocabulary's entries here, whatever ids they have. */
uint32_t tokenizer_next_id(const struct tokenizer *t) { return mem_max(t->bpe.count, t->next_added); }

static int find_added(const struct tokenizer *t, const char *s, size_t n)
{
    if (!t->nslot) return -1;
    for (uint32_t i = (uint32_t)hash64(s, n, 0) & (t->nslot - 1); t->slot[i]; i = (i + 1) & (t->nslot - 1)) {
        const struct added *a = &t->added[t->slot[i] - 1];
        if (a->n == n && !memcmp(a->content, s, n)) return (int)t->slot[i] - 1;
    }
    return -1;
}

static void put_slot(struct tokenizer *t, int k)
{
    uint32_t i = (uint32_t)hash64(t->added[k].content, t->added[k].n, 0) & (t->nslot - 1);
    while (t->slot[i]) i = (i + 1) & (t->nslot - 1);
    t->slot[i] = (uint32_t)k + 1;
}

static void append_added(struct tokenizer *t, const struct added *a)
{
    t->added = mem_grow(t->added, (size_t)t->nadded + 1, sizeof *t->added);
    t->added[t->nadded++] = *a;
    t->next_added = mem_max(t->next_added, a->id + 1);
    if (2 * (uint32_t)t->nadded <= t->nslot) {
        put_slot(t, t->nadded - 1);
        return;
    }
    free(t->slot);
    t->nslot = t->nslot ? 2 * t->nslot : 64;
    t->slot = mem_array(t->nslot, sizeof *t->slot);
    for (int k = 0; k < t->nadded; k++) put_slot(t, k);
}

static int set_pattern(const struct tokenizer *t, struct added *a)
{
    static const struct normal none;
    struct arena memory = {0};
    struct normal_text text;
    int bad = normal_run(a->normalized ? &t->normal : &none, a->content, a->n, &memory, &text);
    if (!bad) {
        a->pattern = mem_strn(text.p, text.n);
        a->npattern = text.n;
        normal_text_free(&text);
    }
    arena_free(&memory);
    return bad;
}

static int check_id(const struct tokenizer *t, const struct added *a)
{
    int64_t known = bpe_find_spelt(&t->bpe, a->content, a->n);
    uint32_t want = known >= 0 ? (uint32_t)known : tokenizer_next_id(t);
    if (t->sentence) return 0;
    if (a->id != want) return fail("token \"%.80s\" has id %u, but Hugging Face would give it %u", a->content, a->id, want);
    if (known < 0 && a->id < t->bpe.size && t->bpe.token[a->id].present)
        return fail("token \"%.80s\": id %u is taken by another token", a->content, a->id);
    return 0;
}

bool tokenizer_is_added(const struct tokenizer *t, const char *content, size_t n) { return find_added(t, content, n) >= 0; }

int tokenizer_change(struct tokenizer *t, const struct added *a)
{
    struct added *old = &t->added[find_added(t, a->content, a->n)];
    if (a->id != old->id) return fail("token \"%.80s\" has id %u and %u", a->content, old->id, a->id);
    old->special = a->special;
    old->single_word = a->single_word;
    old->lstrip = a->lstrip;
    old->rstrip = a->rstrip;
    return 0;
}

int tokenizer_add(struct tokenizer *t, const struct added *a)
{
    struct added v = *a;
    if (find_added(t, a->content, a->n) >= 0) return fail("token \"%.80s\" stands there twice", a->content);
    if (check_id(t, a)) return -1;
    if (a->id >= BPE_MAX_ID) return fail("token \"%.80s\": id %u, must be below %d", a->content, a->id, BPE_MAX_ID);
    v.content = mem_strn(a->content, a->n);
    if (set_pattern(t, &v)) return free(v.content), -1;
    append_added(t, &v);
    return 0;
}

static void hash_text(struct hash *h, const char *p, size_t n)
{
    uint64_t len = n;
    hash_add(h, &len, sizeof len);
    hash_add(h, p, n);
}

/* What only vocabularies of characters have. */
static void hash_chars(struct hash *h, const struct tokenizer *t)
{
    uint32_t lead[2] = { t->lead, t->drop_lead };
    if (!t->bpe.chars) return;
    if (t->sentence) hash_text(h, t->source, t->nsource);
    hash_add(h, lead, sizeof lead);
    for (int i = 0; i < t->normal.n; i++) {
        const struct normal_step *s = &t->normal.step[i];
        hash_add(h, &s->kind, sizeof s->kind);
        if (s->find) hash_text(h, s->find, strlen(s->find));
        if (s->put) hash_text(h, s->put, strlen(s->put));
    }
    hash_add(h, &t->meta[0].n, sizeof t->meta[0].n);
    hash_add(h, &t->meta[1].n, sizeof t->meta[1].n);
}

static void set_digest(struct tokenizer *t)
{
    struct hash *h = hash_new();
    uint32_t form = t->normal.n && t->normal.step[0].kind == NORMAL_FORM ? t->normal.step[0].form : FORM_NONE;
    uint32_t flags[4] = { form, t->bpe.ignore_merges, t->bpe.byte_fallback, t->bpe.fuse_unk };
    hash_add(h, flags, sizeof flags);
    hash_chars(h, t);
    hash_add(h, &t->bpe.unk, sizeof t->bpe.unk);
    for (uint32_t i = 0; i < t->bpe.size; i++) hash_text(h, t->bpe.token[i].p, t->bpe.token[i].n);
    for (uint32_t i = 0; i < t->bpe.nrule; i++) hash_add(h, &t->bpe.rule[i].pair, sizeof t->bpe.rule[i].pair);
    for (int i = 0; i < t->split.n; i++) {
        const struct split_stage *s = &t->split.stage[i];
        unsigned char how[3] = { s->code != NULL, (unsigned char)s->how, s->invert };
        hash_add(h, how, sizeof how);
        hash_text(h, s->pattern, strlen(s->pattern));
    }
    for (int i = 0; i < t->nadded; i++) {
        const struct added *a = &t->added[i];
        unsigned char f[5] = { a->special, a->single_word, a->lstrip, a->rstrip, a->normalized };
        hash_add(h, &a->id, sizeof a->id);
        hash_add(h, f, sizeof f);
        hash_text(h, a->content, a->n);
    }
    hash_end(h, t->digest);
}

int tokenizer_ready(struct tokenizer *t)
{
    t->size = t->bpe.size;
    t->size = mem_max(t->size, t->next_added);
    free(t->added_of);
    t->added_of = mem_array(t->size, sizeof *t->added_of);
    for (int i = 0; i < t->nadded; i++) t->added_of[t->added[i].id] = (uint32_t)i + 1;
    finder_build(&t->raw_added, t->added, t->nadded, false);
    finder_build(&t->normal_added, t->added, t->nadded, true);
    set_digest(t);
    return 0;
}

static bool has_gaps(const struct tokenizer *t)
{
    uint32_t behind = 0;
    for (int i = 0; i < t->nadded; i++) behind += t->added[i].id >= t->bpe.size;
    return t->bpe.count != t->bpe.size || (t->sentence && t->next_added > t->bpe.size + behind);
}

int tok_add(struct tokenizer *t, const char *const *content, int n)
{
    int fresh = 0;
    if (has_gaps(t))
        return fail("the vocabulary has gaps in its ids: Hugging Face would number added tokens otherwise");
    for (int i = 0; i < n; i++) {
        size_t len = strlen(content[i]);
        if (!len || text_valid(content[i], len) != len) return fail("a token to add is empty or not UTF-8");
        if (find_added(t, content[i], len) >= 0) continue;
        int64_t known = bpe_find_spelt(&t->bpe, content[i], len);
        struct added a = { .content = (char *)content[i], .n = len, .special = true,
                           .id = known >= 0 ? (uint32_t)known : tokenizer_next_id(t) };
        if (tokenizer_add(t, &a)) return -1;
        fresh++;
    }
    return tokenizer_ready(t) ? -1 : fresh;
}

void tok_free(struct tokenizer *t)
{
    if (!t) return;
    for (int i = 0; i < t->nadded; i++) {
        free(t->added[i].content);
        free(t->added[i].pattern);
    }
    free(t->added);
    free(t->added_of);
    free(t->slot);
    finder_free(&t->raw_added);
    finder_free(&t->normal_added);
    splitter_free(&t->split);
    normal_free(&t->normal);
    for (int i = 0; i < 2; i++) normal_free(&t->meta[i]);
    bpe_free(&t->bpe);
    sentence_free(t->sentence);
    json_decref(t->config);
    free(t->source);
    free(t);
}

/* ---- encoding ---- */

/* Words met before in this call: where their ids stand in out. A slot holds the newest word of its hash. */
struct seen { const char *p; uint32_t n, first, count; };
enum { SEEN_SLOTS = 1024, SEEN_FROM = 1024, SEEN_WORD = 48 };

struct encoder {
    const struct tokenizer *t;
    int flags;
    struct tok_ids *out;
    struct arena text;                         /* normalised sections, words with a space put in front */
    struct split_work split;
    struct bpe_work bpe;
    struct seen *seen;                         /* NULL: not kept (short texts; tokens that are not their bytes) */
};

/* Ids of a word seen before; every token is as long as its bytes. */
static void repeat_word(struct encoder *e, const struct seen *v)
{
    size_t at = 0;
    for (uint32_t i = v->first; i < v->first + v->count; i++) {
        uint32_t id = e->out->id[i];
        tok_ids_add(e->out, id, at);
        at += e->t->bpe.token[id].n;
    }
}

/* begin[] of the new ids counts from the word's first byte. */
static int encode_word(struct encoder *e, const struct word *w)
{
    struct seen *v = e->seen && w->n <= SEEN_WORD ? &e->seen[hash64(w->p, w->n, 0) % SEEN_SLOTS] : NULL;
    size_t first = e->out->n;
    if (v && v->n == w->n && !memcmp(v->p, w->p, w->n)) return repeat_word(e, v), 0;
    if (bpe_word(&e->t->bpe, &e->bpe, w->p, w->n, e->out)) return -1;
    if (v) *v = (struct seen){ w->p, (uint32_t)w->n, (uint32_t)first, (uint32_t)(e->out->n - first) };
    return 0;
}

/* A section between added tokens: normalised, and where in the text it came from. */
struct section { struct normal_text text; size_t at; };

static size_t origin(struct section *s, size_t offset) { return s->at + normal_origin(&s->text, offset); }

/* Words of s.text[from..] as Metaspace left them. */
static int encode_words(struct encoder *e, struct section *s, size_t from, struct normal_text *meta)
{
    if (split_text(&e->t->split, &e->split, &e->text, meta->p, meta->n)) return -1;
    for (size_t i = 0; i < e->split.n; i++) {
        const struct word *w = &e->split.word[i];
        size_t first = e->out->n;
        if (encode_word(e, w)) return -1;
        for (size_t k = first; k < e->out->n; k++) {
            size_t in = e->out->begin[k] > w->lead ? e->out->begin[k] - w->lead : 0;
            e->out->begin[k] = (uint32_t)origin(s, from + normal_origin(meta, w->at + in));
        }
    }
    return 0;
}

static void put_piece(void *arg, uint32_t id, size_t begin) { tok_ids_add(arg, id, begin); }

static int encode_pieces(struct encoder *e, struct section *s, size_t from, size_t to)
{
    char why[SENTENCE_WHY];
    size_t first = e->out->n;
    if (sentence_encode(e->t->sentence, s->text.p + from, to - from, put_piece, e->out, why)) return fail("%s", why);
    for (size_t k = first; k < e->out->n; k++) e->out->begin[k] = (uint32_t)origin(s, from + e->out->begin[k]);
    return 0;
}

static int encode_plain(struct encoder *e, struct section *s, size_t from, size_t to)
{
    struct normal_text meta;
    if (from == to) return 0;
    if (e->t->sentence) return encode_pieces(e, s, from, to);
    bool inside = s->at || from || (e->flags & TOK_INSIDE);
    if (normal_run(&e->t->meta[inside], s->text.p + from, to - from, &e->text, &meta)) return -1;
    int bad = encode_words(e, s, from, &meta);
    normal_text_free(&meta);
    return bad;
}

/* What no raw added token claimed: normalised, then looked through for the normalised added tokens. */
static int encode_section(struct encoder *e, const char *p, size_t n, size_t at)
{
    struct section s = { .at = at };
    int find = e->flags & TOK_SPECIAL ? 0 : FIND_NO_SPECIAL, status = 0, k;
    size_t from = 0, look = 0, begin, end;
    if (normal_run(&e->t->normal, p, n, &e->text, &s.text)) return -1;
    while (!status && !(e->flags & TOK_NO_ADDED)
           && (k = finder_next(&e->t->normal_added, e->t->added, s.text.p, s.text.n, find, from, &look, &begin, &end)) >= 0) {
        status = encode_plain(e, &s, from, begin);
        if (!status) tok_ids_add(e->out, e->t->added[k].id, origin(&s, begin));
        from = end;
    }
    if (!status) status = encode_plain(e, &s, from, s.text.n);
    normal_text_free(&s.text);
    return status;
}

static int encode_text(struct encoder *e, const char *s, size_t n)
{
    const struct tokenizer *t = e->t;
    int find = e->flags & TOK_SPECIAL ? 0 : FIND_NO_SPECIAL, k;
    size_t from = 0, look = 0, begin, end;
    while (!(e->flags & TOK_NO_ADDED)
           && (k = finder_next(&t->raw_added, t->added, s, n, find, from, &look, &begin, &end)) >= 0) {
        if (begin > from && encode_section(e, s + from, begin - from, from)) return -1;
        tok_ids_add(e->out, t->added[k].id, begin);
        from = end;
    }
    return from < n ? encode_section(e, s + from, n - from, from) : 0;
}

int tok_encode(const struct tokenizer *t, const char *s, size_t n, int flags, struct tok_ids *out)
{
    struct encoder e = { .t = t, .flags = flags, .out = out };
    struct buf repaired = {0};
    size_t first = out->n;
    if (n > TEXT_MAX) return fail("text of %zu bytes is too long to tokenize", n);
    if (text_valid(s, n) < n) {
        text_repair(s, n, &repaired);
        s = repaired.p, n = repaired.len;
    }
    if (n >= SEEN_FROM && t->bpe.unk < 0 && !t->bpe.byte_fallback && !t->bpe.chars) e.seen = mem_array(SEEN_SLOTS, sizeof *e.seen);
    int status = encode_text(&e, s, n);
    if (status) out->n = first;
    arena_free(&e.text);
    split_work_free(&e.split);
    bpe_work_free(&e.bpe);
    free(e.seen);
    buf_free(&repaired);
    return status;
}

/* ---- decoding and questions ---- */

static const struct added *added_by_id(const struct tokenizer *t, uint32_t id)
{
    return id < t->size && t->added_of[id] ? &t->added[t->added_of[id] - 1] : NULL;
}

void tok_bytes(const struct tokenizer *t, uint32_t id, const char **p, size_t *n)
{
    const struct added *a = added_by_id(t, id);
    bool known = id < t->bpe.size && t->bpe.token[id].present;
    *p = a ? a->content : known ? t->bpe.token[id].raw : "";
    *n = a ? a->n : known ? t->bpe.token[id].nraw : 0;
}

/* Whether encoding would have put a blank in front of token i, where all before it was passed over or not. */
static bool leads(const struct tokenizer *t, const uint32_t *id, size_t i, int flags)
{
    if (!t->drop_lead || added_by_id(t, id[i])) return false;
    if (i && (t->lead != LEAD_ALWAYS || !added_by_id(t, id[i - 1]))) return false;
    return i || t->lead == LEAD_ALWAYS || !(flags & TOK_INSIDE);
}

void tok_decode(const struct tokenizer *t, const uint32_t *id, size_t n, int flags, struct buf *out)
{
    struct buf raw = {0};
    for (size_t i = 0; i < n; i++) {
        const char *p;
        size_t len;
        if ((flags & TOK_SKIP_SPECIAL) && tok_is_special(t, id[i])) continue;
        tok_bytes(t, id[i], &p, &len);
        bool drop = len && p[0] == ' ' && leads(t, id, i, flags);
        buf_add(&raw, p + drop, len - drop);
    }
    text_repair(raw.p ? raw.p : "", raw.len, out);
    buf_free(&raw);
}

int tok_id(const struct tokenizer *t, const char *content)
{
    size_t n = strlen(content);
    int k = find_added(t, content, n);
    if (k >= 0) return (int)t->added[k].id;
    int64_t id = t->bpe.chars ? -1 : bpe_find(&t->bpe, content, n, false);
    return (int)(id >= 0 ? id : bpe_find(&t->bpe, content, n, true));
}

int tok_size(const struct tokenizer *t) { return (int)t->size; }
const char *tok_digest(const struct tokenizer *t) { return t->digest; }

bool tok_is_special(const struct tokenizer *t, uint32_t id)
{
    const struct added *a = added_by_id(t, id);
    return a && a->special;
}

int tok_find_special(const struct tokenizer *t, const char *s, size_t n, size_t *begin, size_t *end)
{
    size_t look = 0;
    int k;
    while ((k = finder_next(&t->raw_added, t->added, s, n, 0, 0, &look, begin, end)) >= 0)
        if (t->added[k].special) return (int)t->added[k].id;
    return -1;
}
