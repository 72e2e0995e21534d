/* SPDX-License-Identifier: Apache-2.0 */
#include "store/safetensors.h"

#include <stdlib.h>
#include <string.h>
#include "store/json.h"

enum { HEADER_MAX = 100 << 20, INDEX_MAX = 100 << 20, SHARDS_MAX = 1024, NAME_LEN_MAX = 512 };

static int read_dtype(const json_t *obj, enum st_dtype *t)
{
    const char *s;
    if (json_get_str(obj, "dtype", &s)) return -1;
    for (int i = 0; i < ST_PLAIN; i++)
        if (!strcmp(s, st_dtype_name((enum st_dtype)i))) { *t = (enum st_dtype)i; return 0; }
    return fail("dtype: \"%.20s\" is not supported", s);
}

static int read_shape(const json_t *obj, struct st_tensor *t)
{
    json_t *shape;
    if (json_get_array(obj, "shape", &shape)) return -1;
    if (json_array_size(shape) > ST_DIMS) return fail("shape: more than %d dimensions", ST_DIMS);
    t->ndim = (int)json_array_size(shape);
    t->n = 1;
    for (int i = 0; i < t->ndim; i++) {
        const json_t *d = json_array_get(shape, (size_t)i);
        if (!json_is_integer(d) || json_integer_value(d) < 0) return fail("shape: want whole numbers");
        t->dims[i] = json_integer_value(d);
        if (__builtin_mul_overflow(t->n, (size_t)t->dims[i], &t->n)) return fail("shape: too large");
    }
    if (__builtin_mul_overflow(t->n, st_dtype_size(t->t), &t->bytes)) return fail("shape: too large");
    return 0;
}

static int read_place(const json_t *obj, struct st_tensor *t, const uint8_t *data, size_t size)
{
    json_t *a;
    if (json_get_array(obj, "data_offsets", &a)) return -1;
    const json_t *b = json_array_get(a, 0), *e = json_array_get(a, 1);
    if (json_array_size(a) != 2 || !json_is_integer(b) || !json_is_integer(e)) return fail("data_offsets: want two whole numbers");
    json_int_t begin = json_integer_value(b), end = json_integer_value(e);
    if (begin < 0 || end < begin || (uint64_t)end > size)
        return fail("data_offsets: [%lld, %lld] is not within the %zu bytes of data", (long long)begin, (long long)end, size);
    if ((uint64_t)(end - begin) != t->bytes)
        return fail("data_offsets: %lld bytes, but the shape takes %zu", (long long)(end - begin), t->bytes);
    t->p = data + begin;
    return 0;
}

static int by_place(const void *a, const void *b)
{
    const struct st_tensor *x = a, *y = b;
    if (x->p != y->p) return x->p < y->p ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct st_tensor *)a)->name, ((const struct st_tensor *)b)->name);
}

/* As the format demands: in order of place the tensors follow one another without gap or overlap, up to the end. */
static int check_cover(struct st_tensor *v, int n, const uint8_t *data, size_t size)
{
    if (n) qsort(v, (size_t)n, sizeof *v, by_place);
    const uint8_t *at = data;
    for (int i = 0; i < n; i++) {
        if (v[i].p != at) return fail("tensor %s: data %s the tensor before it", v[i].name, v[i].p < at ? "overlaps" : "leaves a gap behind");
        at += v[i].bytes;
    }
    return at == data + size ? 0 : fail("%zu bytes behind the last tensor", (size_t)(data + size - at));
}

static int read_header(const json_t *doc, struct safetensors *s, const uint8_t *data, size_t size)
{
    const char *key;
    json_t *obj;
    int first = s->n;
    if (!json_is_object(doc)) return fail("header: want an object");
    s->v = mem_grow(s->v, (size_t)s->n + json_object_size(doc), sizeof *s->v);
    json_object_foreach((json_t *)(uintptr_t)doc, key, obj) {
        if (!strcmp(key, "__metadata__")) continue;
        struct st_tensor t = {0};
        if (strlen(key) > NAME_LEN_MAX) return fail("tensor %.40s...: name too long", key);
        if (!json_is_object(obj)) return fail("tensor %s: want an object", key);
        if (read_dtype(obj, &t.t) || read_shape(obj, &t) || read_place(obj, &t, data, size)) return fail_in("tensor %s", key);
        t.name = arena_str(&s->names, key, strlen(key));
        s->v[s->n++] = t;
    }
    return check_cover(s->v + first, s->n - first, data, size);
}

static int add_file(struct safetensors *s, const char *path)
{
    struct file_map m;
    if (file_map(path, &m)) return -1;
    s->map = mem_grow(s->map, (size_t)s->nmap + 1, sizeof *s->map);
    s->map[s->nmap++] = m;
    if (m.n < 8) return fail("%s: too short for a safetensors file", path);
    uint64_t len = 0;
    for (int i = 7; i >= 0; i--) len = len << 8 | m.p[i];
    if (len > HEADER_MAX || len > m.n - 8) return fail("%s: header of %llu bytes in a file of %zu", path, (unsigned long long)len, m.n);
    json_t *doc = json_parse((const char *)m.p + 8, (size_t)len, path);
    if (!doc) return -1;
    int bad = read_header(doc, s, m.p + 8 + len, m.n - 8 - (size_t)len) ? fail_in("%s", path) : 0;
    json_decref(doc);
    return bad;
}

static int finish_open(struct safetensors *s, const char *name)
{
    if (s->n) qsort(s->v, (size_t)s->n, sizeof *s->v, by_name);
    for (int i = 1; i < s->n; i++)
        if (!strcmp(s->v[i - 1].name, s->v[i].name)) return fail("%s: tensor %s comes twice", name, s->v[i].name);
    return 0;
}

int st_open(const char *path, struct safetensors *s)
{
    *s = (struct safetensors){0};
    if (add_file(s, path) == 0 && finish_open(s, path) == 0) return 0;
    st_close(s);
    return -1;
}

static int by_string(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* The distinct file names of an index's weight_map, ascending; borrowed from the map. */
static int shard_names(json_t *map, const char **file, int *n)
{
    const char *key;
    json_t *v;
    const char **all = mem_array(json_object_size(map) + 1, sizeof *all);
    size_t k = 0;
    int bad = 0;
    json_object_foreach(map, key, v) {
        const char *f = json_string_value(v);
        if (!f || !*f || strchr(f, '/') || f[0] == '.') { bad = fail("weight_map: %.80s: want a file name beside the index", key); break; }
        all[k++] = f;
    }
    if (k) qsort(all, k, sizeof *all, by_string);
    *n = 0;
    for (size_t i = 0; i < k && !bad; i++) {
        if (i && !strcmp(all[i], all[i - 1])) continue;
        if (*n == SHARDS_MAX) bad = fail("weight_map: more than %d files", SHARDS_MAX);
        else file[(*n)++] = all[i];
    }
    free(all);
    return bad;
}

static int add_shards(struct safetensors *s, const char *dir, const json_t *doc)
{
    const char *file[SHARDS_MAX], *key;
    json_t *map, *v;
    int n;
    if (json_get_object(doc, "weight_map", &map) || shard_names(map, file, &n)) return -1;
    for (int i = 0; i < n; i++) {
        char *path = file_join(dir, file[i]);
        int bad = add_file(s, path);
        free(path);
        if (bad) return -1;
    }
    if (finish_open(s, dir)) return -1;
    json_object_foreach(map, key, v)
        if (!st_find(s, key)) return fail("weight_map: tensor %.200s is in no file", key);
    return 0;
}

int st_open_dir(const char *dir, struct safetensors *s)
{
    *s = (struct safetensors){0};
    char *one = file_join(dir, "model.safetensors"), *index = file_join(dir, "model.safetensors.index.json");
    int bad;
    if (file_exists(one)) bad = st_open(one, s);
    else if (file_exists(index)) {
        json_t *doc = json_file(index, INDEX_MAX);
        bad = !doc ? -1 : add_shards(s, dir, doc) ? fail_in("%s", index) : 0;
        json_decref(doc);
        if (bad) st_close(s);
    } else bad = fail("%s: neither model.safetensors nor model.safetensors.index.json", dir);
    free(one);
    free(index);
    return bad;
}

void st_close(struct safetensors *s)
{
    for (int i = 0; i < s->nmap; i++) file_unmap(&s->map[i]);
    free(s->map);
    free(s->v);
    arena_free(&s->names);
    *s = (struct safetensors){0};
}

const struct st_tensor *st_find(const struct safetensors *s, const char *name)
{
    struct st_tensor key = { .name = name };
    return s->n ? bsearch(&key, s->v, (size_t)s->n, sizeof *s->v, by_name) : NULL;
}
