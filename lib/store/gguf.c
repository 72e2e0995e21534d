/* SPDX-License-Identifier: Apache-2.0 */
#include "store/gguf.h"

#include <stdlib.h>
#include <string.h>

enum { TENSORS_MAX = 1 << 16, KEYS_MAX = 1 << 16, NAME_LEN_MAX = 512, DIMS_MAX = 4, ALIGN_MAX = 1 << 16, NESTING_MAX = 4,
       VALUES_MAX = 1 << 22 };                 /* all values of the metadata, those of arrays counted each */

enum kind { U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64, KINDS };
static const size_t kind_size[KINDS] = { 1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8 };    /* of STRING, ARRAY: at least */

/* ---- bytes ---- */
struct reader { const uint8_t *p; size_t n, at; int values; };

static const uint8_t *take(struct reader *r, size_t n)
{
    if (n > r->n - r->at) return fail_null("the file ends within its header (byte %zu)", r->n);
    r->at += n;
    return r->p + r->at - n;
}

static int take_uint(struct reader *r, int bytes, uint64_t *out)
{
    const uint8_t *p = take(r, (size_t)bytes);
    if (!p) return -1;
    *out = 0;
    while (bytes--) *out = *out << 8 | p[bytes];
    return 0;
}

static int take_text(struct reader *r, struct slice *s)
{
    uint64_t n;
    if (take_uint(r, 8, &n)) return -1;
    if (n > r->n - r->at) return fail("text of %llu bytes at byte %zu of %zu", (unsigned long long)n, r->at, r->n);
    *s = (struct slice){ (const char *)take(r, (size_t)n), (size_t)n };
    return 0;
}

/* The next text is a name: neither empty nor long nor with a NUL inside. */
static int take_name(struct reader *r, struct arena *a, const char *what, char **out)
{
    struct slice s;
    if (take_text(r, &s)) return -1;
    if (!s.n || s.n > NAME_LEN_MAX) return fail("%s: a name of %zu bytes", what, s.n);
    if (memchr(s.p, 0, s.n)) return fail("%s: a NUL inside the name", what);
    *out = arena_str(a, s.p, s.n);
    return 0;
}

/* ---- metadata ---- */
static json_t *or_null(json_t *v) { return v ? v : json_null(); }

static json_t *real_of(uint64_t u, bool wide)
{
    uint32_t u4 = (uint32_t)u;
    float f;
    double d;
    memcpy(&f, &u4, 4);
    memcpy(&d, &u, 8);
    return or_null(json_real(wide ? d : (double)f));
}

static json_t *integer_of(uint64_t u, enum kind k)
{
    int64_t v = k == I8 ? (int8_t)u : k == I16 ? (int16_t)u : k == I32 ? (int32_t)u : (int64_t)u;
    return k == U64 && v < 0 ? json_null() : json_integer(v);
}

static json_t *take_value(struct reader *r, uint64_t kind, int depth);

static json_t *take_array(struct reader *r, int depth)
{
    uint64_t kind, n;
    if (take_uint(r, 4, &kind) || take_uint(r, 8, &n)) return NULL;
    if (kind >= KINDS) return fail_null("values of unknown type %llu", (unsigned long long)kind);
    if (depth >= NESTING_MAX) return fail_null("arrays nested deeper than %d", NESTING_MAX);
    if (n > (r->n - r->at) / kind_size[kind]) return fail_null("an array of %llu values at byte %zu of %zu", (unsigned long long)n, r->at, r->n);
    json_t *list = json_array();
    for (uint64_t i = 0; i < n; i++) {
        json_t *v = take_value(r, kind, depth + 1);
        if (!v || json_array_append_new(list, v)) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *take_value(struct reader *r, uint64_t kind, int depth)
{
    uint64_t u;
    struct slice s;
    if (kind >= KINDS) return fail_null("a value of unknown type %llu", (unsigned long long)kind);
    if (++r->values > VALUES_MAX) return fail_null("more than %d values", VALUES_MAX);
    if (kind == ARRAY) return take_array(r, depth);
    if (kind == STRING) return take_text(r, &s) ? NULL : or_null(json_stringn(s.p, s.n));
    if (take_uint(r, (int)kind_size[kind], &u)) return NULL;
    if (kind == F32 || kind == F64) return real_of(u, kind == F64);
    if (kind == BOOL) return u > 1 ? fail_null("a truth value of %llu", (unsigned long long)u) : json_boolean(u);
    return integer_of(u, (enum kind)kind);
}

static int read_meta(struct reader *r, struct gguf *g, uint64_t n)
{
    g->meta = json_object();
    for (uint64_t i = 0; i < n; i++) {
        uint64_t kind;
        char *key;
        if (take_name(r, &g->names, "metadata", &key) || take_uint(r, 4, &kind)) return -1;
        if (json_object_get(g->meta, key)) return fail("metadata: %s comes twice", key);
        json_t *v = take_value(r, kind, 0);
        if (!v) return fail_in("metadata: %s", key);
        if (json_object_set_new(g->meta, key, v)) return fail("metadata: a key that is not UTF-8");
    }
    return 0;
}

/* ---- tensors ---- */
static const struct { uint32_t code; enum st_dtype t; } types[] = {
    { 0, ST_F32 }, { 1, ST_F16 }, { 2, ST_Q4_0 }, { 3, ST_Q4_1 }, { 6, ST_Q5_0 }, { 7, ST_Q5_1 }, { 8, ST_Q8_0 }, { 12, ST_Q4_K },
    { 13, ST_Q5_K }, { 14, ST_Q6_K }, { 24, ST_I8 }, { 25, ST_I16 }, { 26, ST_I32 }, { 27, ST_I64 }, { 28, ST_F64 }, { 30, ST_BF16 } };

static int read_type(struct reader *r, enum st_dtype *t)
{
    uint64_t code;
    if (take_uint(r, 4, &code)) return -1;
    for (int i = 0; i < countof(types); i++)
        if (types[i].code == code) {
            *t = types[i].t;
            return 0;
        }
    return fail("ggml type %llu is not supported (F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K are)", (unsigned long long)code);
}

/* The file counts dimensions from the innermost, we from the outermost. */
static int read_shape(struct reader *r, struct st_tensor *t)
{
    uint64_t ndim, d;
    if (take_uint(r, 4, &ndim)) return -1;
    if (ndim < 1 || ndim > DIMS_MAX) return fail("%llu dimensions, want 1 to %d", (unsigned long long)ndim, DIMS_MAX);
    t->ndim = (int)ndim;
    t->n = 1;
    for (int i = t->ndim - 1; i >= 0; i--) {
        if (take_uint(r, 8, &d)) return -1;
        if (d < 1 || d > INT64_MAX || __builtin_mul_overflow(t->n, (size_t)d, &t->n)) return fail("shape: a side of %llu", (unsigned long long)d);
        t->dims[i] = (int64_t)d;
    }
    return 0;
}

static int read_tensor(struct reader *r, struct st_tensor *t, uint64_t *offset)
{
    if (read_shape(r, t) || read_type(r, &t->t) || take_uint(r, 8, offset)) return -1;
    size_t block = (size_t)st_dtype_block(t->t);
    if ((size_t)t->dims[t->ndim - 1] % block)
        return fail("shape: rows of %lld, but %s comes in blocks of %zu", (long long)t->dims[t->ndim - 1], st_dtype_name(t->t), block);
    return __builtin_mul_overflow(t->n / block, st_dtype_size(t->t), &t->bytes) ? fail("shape: too large") : 0;
}

/* As ggml does: each tensor begins where the one before it ends, rounded up to the alignment. */
static int place_tensors(struct gguf *g, const uint64_t *offset, size_t start, size_t align)
{
    size_t size = g->map.n - start, at = 0;
    for (int i = 0; i < g->n; i++) {
        struct st_tensor *t = &g->v[i];
        if (offset[i] != at) return fail("tensor %s: data at %llu, want %zu, where the one before it ends", t->name, (unsigned long long)offset[i], at);
        if (at > size || t->bytes > size - at)
            return fail("tensor %s: %zu bytes at %zu are not within the %zu bytes of data", t->name, t->bytes, at, size);
        t->p = g->map.p + start + at;
        at += t->bytes;
        if (__builtin_add_overflow(at, (align - at % align) % align, &at)) return fail("tensor %s: too large", t->name);
    }
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct st_tensor *)a)->name, ((const struct st_tensor *)b)->name);
}

static int read_tensors(struct reader *r, struct gguf *g, int n)
{
    uint64_t *offset = mem_array((size_t)n + 1, sizeof *offset);
    int align = 32, bad = json_opt_int(g->meta, "general.alignment", 1, ALIGN_MAX, &align);
    g->v = mem_array((size_t)n + 1, sizeof *g->v);
    while (!bad && g->n < n) {
        struct st_tensor *t = &g->v[g->n];
        char *name;
        bad = take_name(r, &g->names, "tensor", &name);
        if (bad) break;
        t->name = name;
        bad = read_tensor(r, t, &offset[g->n++]) ? fail_in("tensor %s", name) : 0;
    }
    size_t a = (size_t)align, start = (r->at + a - 1) / a * a;
    if (!bad && n && start > g->map.n) bad = fail("the file ends within its header (byte %zu)", g->map.n);
    if (!bad && n) bad = place_tensors(g, offset, start, a);
    free(offset);
    if (bad) return -1;
    qsort(g->v, (size_t)n, sizeof *g->v, by_name);
    for (int i = 1; i < n; i++)
        if (!strcmp(g->v[i - 1].name, g->v[i].name)) return fail("tensor %s comes twice", g->v[i].name);
    return 0;
}

/* ---- the file ---- */
static int read_file(struct gguf *g)
{
    struct reader r = { .p = g->map.p, .n = g->map.n };
    uint64_t version, tensors, keys;
    const uint8_t *magic = take(&r, 4);
    if (!magic || memcmp(magic, "GGUF", 4)) return fail("not a GGUF file");
    if (take_uint(&r, 4, &version)) return -1;
    if (version == 0x02000000 || version == 0x03000000) return fail("a big-endian file is not supported");
    if (version != 2 && version != 3) return fail("GGUF version %llu is not supported (2 and 3 are)", (unsigned long long)version);
    if (take_uint(&r, 8, &tensors) || take_uint(&r, 8, &keys)) return -1;
    if (tensors > TENSORS_MAX) return fail("%llu tensors, at most %d", (unsigned long long)tensors, TENSORS_MAX);
    if (keys > KEYS_MAX) return fail("%llu keys of metadata, at most %d", (unsigned long long)keys, KEYS_MAX);
    return read_meta(&r, g, keys) || read_tensors(&r, g, (int)tensors) ? -1 : 0;
}

int gguf_open(const char *path, struct gguf *g)
{
    *g = (struct gguf){0};
    if (file_map(path, &g->map)) return -1;
    if (!read_file(g)) return 0;
    gguf_close(g);
    return fail_in("%s", path);
}

void gguf_close(struct gguf *g)
{
    json_decref(g->meta);
    free(g->v);
    arena_free(&g->names);
    file_unmap(&g->map);
    *g = (struct gguf){0};
}

const struct st_tensor *gguf_find(const struct gguf *g, const char *name)
{
    struct st_tensor key = { .name = name };
    return g->n ? bsearch(&key, g->v, (size_t)g->n, sizeof *g->v, by_name) : NULL;
}

bool gguf_is(const char *path)
{
    struct file_map m;
    if (file_map(path, &m)) return false;
    bool is = m.n >= 4 && !memcmp(m.p, "GGUF", 4);
    file_unmap(&m);
    return is;
}
