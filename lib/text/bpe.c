/* SPDX-License-Identifier: Apache-2.0 */
#include "text/bpe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "text/unicode.h"

/* Printable bytes stand for themselves, the others for U+0100, U+0101, ... in order. */
#define R8(a) a, a + 1, a + 2, a + 3, a + 4, a + 5, a + 6, a + 7
const uint16_t byte_char[256] = {
    R8(0x100), R8(0x108), R8(0x110), R8(0x118), 0x120, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, R8(0x28), R8(0x30),
    R8(0x38), R8(0x40), R8(0x48), R8(0x50), R8(0x58), R8(0x60), R8(0x68), R8(0x70), 0x78, 0x79, 0x7A, 0x7B, 0x7C, 0x7D,
    0x7E, 0x121, R8(0x122), R8(0x12A), R8(0x132), R8(0x13A), 0x142, 0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9,
    0xAA, 0xAB, 0xAC, 0x143, 0xAE, 0xAF, R8(0xB0), R8(0xB8), R8(0xC0), R8(0xC8), R8(0xD0), R8(0xD8), R8(0xE0), R8(0xE8),
    R8(0xF0), R8(0xF8) };

int byte_unspell(uint32_t c)
{
    if (c <= 0xFF) return (c > 0x20 && c < 0x7F) || (c > 0xA0 && c != 0xAD) ? (int)c : -1;
    if (c <= 0x120) return (int)c - 0x100;
    if (c <= 0x142) return (int)c - 0x121 + 0x7F;
    return c == 0x143 ? 0xAD : -1;
}

static int put_code(char out[2], uint32_t c)
{
    if (c < 0x80) return out[0] = (char)c, 1;
    out[0] = (char)(0xC0 | c >> 6);
    out[1] = (char)(0x80 | (c & 0x3F));
    return 2;
}

void bytes_spell(const char *raw, size_t n, struct buf *out)
{
    char two[2];
    for (size_t i = 0; i < n; i++) buf_add(out, two, (size_t)put_code(two, byte_char[(unsigned char)raw[i]]));
}

bool bytes_unspell(const char *s, size_t n, struct buf *out)
{
    size_t start = out->len;
    for (size_t i = 0; i < n;) {
        int len, byte = byte_unspell(text_code(s + i, n - i, &len));
        if (byte < 0) {
            out->len = start;
            return false;
        }
        buf_byte(out, (char)byte);
        i += (size_t)len;
    }
    return true;
}

/* ---- vocabulary ---- */

int bpe_token_add(struct bpe *b, const char *spelt, size_t n, int64_t id)
{
    if (id < 0 || id >= BPE_MAX_ID) return fail("token \"%.*s\": id %lld, must be below %d", (int)mem_min(n, 40), spelt,
                                                (long long)id, BPE_MAX_ID);
    if (n > BPE_MAX_TOKEN) return fail("token %lld: %zu bytes, at most %d", (long long)id, n, BPE_MAX_TOKEN);
    if (id >= b->cap) {
        uint32_t cap = b->cap ? b->cap : 1024;
        while (cap <= id) cap *= 2;
        b->token = mem_grow(b->token, cap, sizeof *b->token);
        memset(b->token + b->cap, 0, (cap - b->cap) * sizeof *b->token);
        b->cap = cap;
    }
    struct bpe_token *t = &b->token[id];
    if (t->present) return fail("token \"%.*s\": id %lld is taken", (int)mem_min(n, 40), spelt, (long long)id);
    struct buf raw = {0};
    t->verbatim = b->chars || !bytes_unspell(spelt, n, &raw);
    t->n = (uint32_t)(t->verbatim ? n : raw.len);
    t->p = arena_str(&b->text, t->verbatim ? spelt : raw.p ? raw.p : "", t->n);
    t->raw = t->p, t->nraw = t->n;
    t->present = true;
    buf_free(&raw);
    if (id >= b->size) b->size = (uint32_t)id + 1;
    b->count++;
    return 0;
}

static uint32_t slot_of(const struct bpe *b, const char *p, size_t n, bool verbatim)
{
    return (uint32_t)hash64(p, n, verbatim) & (b->nslot - 1);
}

int64_t bpe_find(const struct bpe *b, const char *p, size_t n, bool verbatim)
{
    if (!b->nslot) return -1;
    for (uint32_t i = slot_of(b, p, n, verbatim); b->slot[i]; i = (i + 1) & (b->nslot - 1)) {
        const struct bpe_token *t = &b->token[b->slot[i] - 1];
        if (t->n == n && t->verbatim == verbatim && !memcmp(t->p, p, n)) return b->slot[i] - 1;
    }
    return -1;
}

int64_t bpe_find_spelt(const struct bpe *b, const char *p, size_t n)
{
    if (b->chars) return bpe_find(b, p, n, true);
    struct buf raw = {0};
    int64_t id = bytes_unspell(p, n, &raw) ? bpe_find(b, raw.p ? raw.p : "", raw.len, false) : bpe_find(b, p, n, true);
    buf_free(&raw);
    return id;
}

void bpe_index(struct bpe *b)
{
    b->nslot = 16;
    while (b->nslot < 2 * b->count) b->nslot *= 2;
    free(b->slot);
    b->slot = mem_array(b->nslot, sizeof *b->slot);
    for (uint32_t id = 0; id < b->size; id++) {
        const struct bpe_token *t = &b->token[id];
        if (!t->present) continue;
        uint32_t i = slot_of(b, t->p, t->n, t->verbatim);
        while (b->slot[i]) i = (i + 1) & (b->nslot - 1);
        b->slot[i] = id + 1;
    }
}

/* ---- merges ---- */

static uint32_t merge_slot(const struct bpe *b, uint64_t pair)
{
    return (uint32_t)((pair * 0x9E3779B97F4A7C15u) >> 32) & (b->nmerge - 1);
}

static const struct bpe_merge *merge_find(const struct bpe *b, uint32_t left, uint32_t right)
{
    uint64_t pair = (uint64_t)left << 32 | right;
    for (uint32_t i = merge_slot(b, pair); b->merge[i].id; i = (i + 1) & (b->nmerge - 1))
        if (b->merge[i].pair == pair) return &b->merge[i];
    return NULL;
}

static int merge_read(const struct bpe *b, const struct slice pair[2], struct buf *joined, struct bpe_merge *m)
{
    int64_t id[2];
    buf_clear(joined);
    for (int k = 0; k < 2; k++) {
        id[k] = bpe_find_spelt(b, pair[k].p, pair[k].n);
        if (id[k] < 0) return fail("\"%.*s\" is not in the vocabulary", (int)mem_min(pair[k].n, 40), pair[k].p);
        buf_add(joined, pair[k].p, pair[k].n);
    }
    int64_t whole = bpe_find_spelt(b, joined->p, joined->len);
    if (whole < 0) return fail("\"%.*s\" is not in the vocabulary", (int)mem_min(joined->len, 80), joined->p);
    m->pair = (uint64_t)id[0] << 32 | (uint64_t)id[1];
    m->id = (uint32_t)whole;
    return 0;
}

int bpe_merges(struct bpe *b, uint32_t n, const struct slice (*pair)[2])
{
    struct buf joined = {0};
    int status = 0;
    b->nmerge = 16;
    while (b->nmerge < 2 * n) b->nmerge *= 2;
    b->merge = mem_array(b->nmerge, sizeof *b->merge);
    b->rule = mem_array(n, sizeof *b->rule);
    for (uint32_t r = 0; r < n && !status; r++) {
        struct bpe_merge m = { .rank = r };
        if (merge_read(b, pair[r], &joined, &m)) {
            status = fail_in("merge %u", r);
            break;
        }
        b->rule[b->nrule++] = m;
        uint32_t i = merge_slot(b, m.pair);
        while (b->merge[i].id && b->merge[i].pair != m.pair) i = (i + 1) & (b->nmerge - 1);
        b->merge[i] = m;                        /* a pair listed twice has its later rank, as in `tokenizers` */
        b->merge[i].id++;
    }
    buf_free(&joined);
    return status;
}

/* The symbols a byte starts as: its own token, or with byte_fallback the tokens <0x..> of its spelling. */
static void byte_start(struct bpe *b, int byte)
{
    char raw = (char)byte, name[8];
    struct buf spelt = {0};
    int64_t id = bpe_find(b, &raw, 1, false);
    if (id >= 0) {
        b->byte_sym[byte][0] = (uint32_t)id;
        b->byte_nsym[byte] = 1;
        return;
    }
    if (!b->byte_fallback) return;
    bytes_spell(&raw, 1, &spelt);
    for (size_t i = 0; i < spelt.len; i++) {
        int n = snprintf(name, sizeof name, "<0x%02X>", (unsigned char)spelt.p[i]);
        id = bpe_find_spelt(b, name, (size_t)n);
        if (id < 0) break;
        b->byte_sym[byte][i] = (uint32_t)id;
        b->byte_nsym[byte] = (uint8_t)(i + 1);
    }
    if (b->byte_nsym[byte] != spelt.len) b->byte_nsym[byte] = 0;
    b->byte_stands_in[byte] = b->byte_nsym[byte] > 0;
    buf_free(&spelt);
}

/* The token <0x..> of a byte, for characters that the vocabulary lacks. */
static void byte_stand_in(struct bpe *b, int byte)
{
    char name[8];
    int n = snprintf(name, sizeof name, "<0x%02X>", (unsigned)byte);
    int64_t id = b->byte_fallback ? bpe_find(b, name, (size_t)n, true) : -1;
    b->byte_nsym[byte] = id >= 0;
    b->byte_sym[byte][0] = (uint32_t)mem_max(id, 0);
}

int bpe_finish(struct bpe *b)
{
    if (!b->count) return fail("the vocabulary is empty");
    for (int i = 0; i < 256; i++) {
        if (b->chars) byte_stand_in(b, i);
        else byte_start(b, i);
    }
    return 0;
}

static int hex_digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; }

/* The byte that <0x..> stands for, or -1. */
static int byte_of(const struct bpe_token *t)
{
    if (t->n != 6 || memcmp(t->p, "<0x", 3) || t->p[5] != '>') return -1;
    int hi = hex_digit(t->p[3]), lo = hex_digit(t->p[4]);
    return hi < 0 || lo < 0 ? -1 : 16 * hi + lo;
}

void bpe_unspell(struct bpe *b, bool blank, bool bytes)
{
    static const char mark[] = "\xE2\x96\x81";
    struct buf raw = {0};
    for (uint32_t id = 0; id < b->size; id++) {
        struct bpe_token *t = &b->token[id];
        int byte = bytes && t->present ? byte_of(t) : -1;
        buf_clear(&raw);
        if (byte >= 0) buf_byte(&raw, (char)byte);
        else if (blank && t->present && memmem(t->p, t->n, mark, 3)) {
            for (uint32_t i = 0; i < t->n;) {
                bool is_mark = t->n - i >= 3 && !memcmp(t->p + i, mark, 3);
                buf_byte(&raw, is_mark ? ' ' : t->p[i]);
                i += is_mark ? 3 : 1;
            }
        } else continue;
        t->raw = arena_str(&b->text, raw.p, raw.len);
        t->nraw = (uint32_t)raw.len;
    }
    buf_free(&raw);
}

void bpe_free(struct bpe *b)
{
    arena_free(&b->text);
    free(b->token);
    free(b->slot);
    free(b->merge);
    free(b->rule);
    *b = (struct bpe){0};
}

/* ---- one word ---- */

enum { SHORT_WORD = 40 };                       /* up to here a scan for the best pair beats a heap */

void bpe_work_free(struct bpe_work *w)
{
    free(w->sym);
    free(w->heap);
    free(w->rank);
    *w = (struct bpe_work){0};
}

void tok_ids_add(struct tok_ids *v, uint32_t id, size_t begin)
{
    if (v->n == v->cap) {
        v->cap = v->cap ? v->cap * 2 : 64;
        v->id = mem_grow(v->id, v->cap, sizeof *v->id);
        v->begin = mem_grow(v->begin, v->cap, sizeof *v->begin);
    }
    v->id[v->n] = id;
    v->begin[v->n++] = (uint32_t)begin;
}

void tok_ids_free(struct tok_ids *v)
{
    free(v->id);
    free(v->begin);
    *v = (struct tok_ids){0};
}

static void sym_add(struct bpe_work *w, uint32_t id, size_t begin)
{
    int32_t i = (int32_t)w->nsym++;
    w->sym[i] = (struct bpe_sym){ id, (uint32_t)begin, i - 1, i + 1 };
}

static void make_room(struct bpe_work *w, size_t n)
{
    w->nsym = 0;
    if (w->cap >= 2 * n) return;
    w->cap = 2 * n + 64;
    w->sym = mem_grow(w->sym, w->cap, sizeof *w->sym);
    w->rank = mem_grow(w->rank, w->cap, sizeof *w->rank);
}

static bool stand_ins(const struct bpe *b, struct bpe_work *w, const char *s, int n, size_t at)
{
    for (int i = 0; i < n; i++)
        if (!b->byte_nsym[(unsigned char)s[i]]) return false;
    for (int i = 0; i < n; i++) sym_add(w, b->byte_sym[(unsigned char)s[i]][0], at + (size_t)i);
    return true;
}

/* What the vocabulary lacks becomes the unknown token, or nothing where there is none. As in `tokenizers` it waits for the
 * next thing known, and tokens that stand in for bytes overtake it. */
struct unknown { bool waits; size_t at; };

static void unknown_flush(const struct bpe *b, struct bpe_work *w, struct unknown *u)
{
    if (!u->waits) return;
    sym_add(w, (uint32_t)b->unk, w->nsym ? mem_max(u->at, w->sym[w->nsym - 1].begin) : u->at);
    u->waits = false;
}

static void unknown_add(const struct bpe *b, struct bpe_work *w, struct unknown *u, size_t at)
{
    if (b->unk < 0) return;
    if (!b->fuse_unk) unknown_flush(b, w, u);
    if (!u->waits) *u = (struct unknown){ true, at };
}

/* Characters to first symbols. */
static void start_chars(const struct bpe *b, struct bpe_work *w, const char *s, size_t n)
{
    struct unknown u = {0};
    int len;
    make_room(w, n);
    for (size_t i = 0; i < n; i += (size_t)len) {
        (void)text_code(s + i, n - i, &len);
        int64_t id = bpe_find(b, s + i, (size_t)len, true);
        if (id < 0 && stand_ins(b, w, s + i, len, i)) continue;
        if (id < 0) unknown_add(b, w, &u, i);
        else {
            unknown_flush(b, w, &u);
            sym_add(w, (uint32_t)id, i);
        }
    }
    unknown_flush(b, w, &u);
}

/* Bytes to first symbols. */
static void start_bytes(const struct bpe *b, struct bpe_work *w, const char *s, size_t n)
{
    struct unknown u = {0};
    make_room(w, n);
    for (size_t i = 0; i < n; i++) {
        unsigned char byte = (unsigned char)s[i];
        int k = b->byte_nsym[byte];
        if (!k) unknown_add(b, w, &u, i);
        if (k && !b->byte_stands_in[byte]) unknown_flush(b, w, &u);
        for (int j = 0; j < k; j++) sym_add(w, b->byte_sym[byte][j], i);
    }
    unknown_flush(b, w, &u);
}

static uint32_t rank_of(const struct bpe *b, uint32_t left, uint32_t right)
{
    const struct bpe_merge *m = merge_find(b, left, right);
    return m ? m->rank : UINT32_MAX;
}

/* Repeats: the leftmost pair of the lowest rank becomes one symbol. */
static void merge_short(const struct bpe *b, struct bpe_work *w)
{
    struct bpe_sym *s = w->sym;
    uint32_t *rank = w->rank;
    size_t n = w->nsym;
    for (size_t i = 0; i + 1 < n; i++) rank[i] = rank_of(b, s[i].id, s[i + 1].id);
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (rank[i] < rank[best]) best = i;
        if (rank[best] == UINT32_MAX) break;
        s[best].id = merge_find(b, s[best].id, s[best + 1].id)->id - 1;
        n--;
        memmove(s + best + 1, s + best + 2, (n - best - 1) * sizeof *s);
        memmove(rank + best, rank + best + 1, (n - best - 1) * sizeof *rank);
        if (best + 1 < n) rank[best] = rank_of(b, s[best].id, s[best + 1].id);
        if (best) rank[best - 1] = rank_of(b, s[best - 1].id, s[best].id);
    }
    w->nsym = n;
}

static bool cand_before(const struct bpe_cand *a, const struct bpe_cand *c)
{
    return a->rank != c->rank ? a->rank < c->rank : a->pos < c->pos;
}

static void heap_push(struct bpe_work *w, struct bpe_cand c)
{
    if (w->nheap == w->heap_cap) {
        w->heap_cap = w->heap_cap ? 2 * w->heap_cap : 256;
        w->heap = mem_grow(w->heap, w->heap_cap, sizeof *w->heap);
    }
    size_t i = w->nheap++;
    for (; i && cand_before(&c, &w->heap[(i - 1) / 2]); i = (i - 1) / 2) w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = c;
}

static struct bpe_cand heap_pop(struct bpe_work *w)
{
    struct bpe_cand top = w->heap[0], last = w->heap[--w->nheap];
    size_t i = 0, k;
    while ((k = 2 * i + 1) < w->nheap) {
        if (k + 1 < w->nheap && cand_before(&w->heap[k + 1], &w->heap[k])) k++;
        if (!cand_before(&w->heap[k], &last)) break;
        w->heap[i] = w->heap[k];
        i = k;
    }
    w->heap[i] = last;
    return top;
}

static void push_pair(const struct bpe *b, struct bpe_work *w, int32_t left)
{
    int32_t right = left < 0 ? -1 : w->sym[left].next;
    if (right < 0) return;
    const struct bpe_merge *m = merge_find(b, w->sym[left].id, w->sym[right].id);
    if (m) heap_push(w, (struct bpe_cand){ m->rank, (uint32_t)left, m->id - 1 });
}

/* The same with a heap. A candidate is stale when its pair no longer makes its token: symbols only grow, so the same
 * token at the same place means the same pair. A symbol merged away has next = -2. */
static void merge_long(const struct bpe *b, struct bpe_work *w)
{
    struct bpe_sym *s = w->sym;
    w->nheap = 0;
    s[w->nsym - 1].next = -1;
    for (size_t i = 0; i + 1 < w->nsym; i++) push_pair(b, w, (int32_t)i);
    while (w->nheap) {
        struct bpe_cand c = heap_pop(w);
        int32_t left = (int32_t)c.pos, right = s[left].next;
        if (right < 0) continue;
        const struct bpe_merge *m = merge_find(b, s[left].id, s[right].id);
        if (!m || m->id - 1 != c.id) continue;
        s[left].id = c.id;
        s[left].next = s[right].next;
        if (s[left].next >= 0) s[s[left].next].prev = left;
        s[right].next = -2;
        push_pair(b, w, s[left].prev);
        push_pair(b, w, left);
    }
    size_t n = 0;
    for (int32_t i = 0; i >= 0; i = s[i].next) w->rank[n++] = (uint32_t)i;
    for (size_t i = 0; i < n; i++) s[i] = s[w->rank[i]];
    w->nsym = n;
}

int bpe_word(const struct bpe *b, struct bpe_work *w, const char *s, size_t n, struct tok_ids *out)
{
    if (n >= INT32_MAX / 2) return fail("a word of %zu bytes is too long", n);
    if (!n) return 0;
    if (b->ignore_merges) {
        int64_t id = bpe_find(b, s, n, b->chars);
        if (id >= 0) return tok_ids_add(out, (uint32_t)id, 0), 0;
    }
    if (b->chars) start_chars(b, w, s, n);
    else start_bytes(b, w, s, n);
    if (!w->nsym) return 0;
    if (w->nsym <= SHORT_WORD) merge_short(b, w);
    else merge_long(b, w);
    for (size_t i = 0; i < w->nsym; i++) tok_ids_add(out, w->sym[i].id, w->sym[i].begin);
    return 0;
}
