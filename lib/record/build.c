/* SPDX-License-Identifier: Apache-2.0
 * Building values in a zone. */
#include "record/record.h"

#include <string.h>
#include "record/utf8.h"

static void *zone_alloc(msgpack_zone *z, size_t n)
{
    void *p = msgpack_zone_malloc(z, n ? n : 1);
    return p ? p : mem_array(SIZE_MAX, 1);         /* out of memory: mem_array says so and ends */
}

static uint32_t size32(size_t n)                   /* no record holds that much; the packer refuses long before */
{
    return n <= UINT32_MAX ? (uint32_t)n : (mem_array(SIZE_MAX, 1), 0);
}

static void *zone_dup(msgpack_zone *z, const void *p, size_t n)
{
    void *q = zone_alloc(z, n);
    if (n) memcpy(q, p, n);
    return q;
}

val val_nil(void) { return (val){ .type = MSGPACK_OBJECT_NIL }; }
val val_of_bool(bool b) { return (val){ .type = MSGPACK_OBJECT_BOOLEAN, .via.boolean = b }; }
val val_of_f64(double x) { return (val){ .type = MSGPACK_OBJECT_FLOAT64, .via.f64 = x }; }

val val_of_i64(int64_t x)
{
    if (x < 0) return (val){ .type = MSGPACK_OBJECT_NEGATIVE_INTEGER, .via.i64 = x };
    return (val){ .type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = (uint64_t)x };
}

static val str_of(const char *p, size_t n)
{
    val v = { .type = MSGPACK_OBJECT_STR };
    v.via.str.ptr = p;
    v.via.str.size = size32(n);
    return v;
}

static val repaired(msgpack_zone *z, const char *s, size_t n)
{
    struct buf b = {0};
    while (n) {
        size_t good = utf8_good(s, n);
        buf_add(&b, s, good);
        if (good < n) {
            buf_str(&b, "\xef\xbf\xbd");
            good += utf8_bad_run(s + good, n - good);
        }
        s += good;
        n -= good;
    }
    val v = str_of(zone_dup(z, b.p, b.len), b.len);
    buf_free(&b);
    return v;
}

val val_of_str(msgpack_zone *z, const char *s, size_t n)
{
    if (utf8_good(s, n) != n) return repaired(z, s, n);
    return str_of(zone_dup(z, s, n), n);
}

val val_of_cstr(msgpack_zone *z, const char *s) { return val_of_str(z, s, strlen(s)); }

val val_of_bin(msgpack_zone *z, const void *p, size_t n)
{
    val v = { .type = MSGPACK_OBJECT_BIN };
    v.via.bin.ptr = zone_dup(z, p, n);
    v.via.bin.size = size32(n);
    return v;
}

static val ext_of(msgpack_zone *z, int8_t type, const void *p, size_t n)
{
    val v = { .type = MSGPACK_OBJECT_EXT };
    v.via.ext.type = type;
    v.via.ext.size = size32(n > UINT32_MAX ? n : n * 4);
    v.via.ext.ptr = zone_dup(z, p, v.via.ext.size);
    return v;
}

val val_of_u32s(msgpack_zone *z, const uint32_t *p, size_t n) { return ext_of(z, EXT_U32, p, n); }
val val_of_f32s(msgpack_zone *z, const float *p, size_t n) { return ext_of(z, EXT_F32, p, n); }
val val_map(void) { return (val){ .type = MSGPACK_OBJECT_MAP }; }

val val_array(msgpack_zone *z, int n)
{
    val v = { .type = MSGPACK_OBJECT_ARRAY };
    if (n <= 0) return v;
    v.via.array.ptr = zone_alloc(z, (size_t)n * sizeof(val));
    v.via.array.size = (uint32_t)n;
    for (int i = 0; i < n; i++) v.via.array.ptr[i] = val_nil();
    return v;
}

/* Room for one item of `size` bytes behind n of them: in place when they are the zone's newest bytes, else a copy. */
static void *grow(msgpack_zone *z, void *p, uint32_t n, size_t size)
{
    size_t have = (size_t)n * size;
    if (p && (char *)p + have == z->chunk_list.ptr && z->chunk_list.free >= size) {
        z->chunk_list.ptr += size;
        z->chunk_list.free -= size;
        return p;
    }
    void *q = zone_alloc(z, have + size);
    if (have) memcpy(q, p, have);
    return q;
}

/* Twice the room, in a copy, for n items that fill it. */
static void *more_room(msgpack_zone *z, const void *p, uint32_t n, uint32_t *room, size_t size)
{
    if (n < *room) return (void *)p;
    *room = n ? size32(2 * (size_t)n) : 4;
    void *q = zone_alloc(z, *room * size);
    if (n) memcpy(q, p, n * size);
    return q;
}

void val_push(msgpack_zone *z, struct val_list *l, val v)
{
    l->p = more_room(z, l->p, l->n, &l->room, sizeof v);
    l->p[l->n++] = v;
}

val val_of_list(const struct val_list *l)
{
    val v = { .type = MSGPACK_OBJECT_ARRAY };
    v.via.array.ptr = l->p;
    v.via.array.size = l->n;
    return v;
}

val *val_set(msgpack_zone *z, val *map, const char *key, val v)
{
    val *old = val_get(map, key);
    if (old) { *old = v; return old; }
    msgpack_object_map *m = &map->via.map;
    val k = val_of_cstr(z, key);                   /* before grow: the pairs stay the zone's newest bytes */
    m->ptr = grow(z, m->ptr, m->size, sizeof *m->ptr);
    m->ptr[m->size] = (msgpack_object_kv){ k, v };
    return &m->ptr[m->size++].val;
}

void val_index_open(struct val_index *x, val *map)
{
    const msgpack_object_map *m = &map->via.map;
    *x = (struct val_index){ .map = map, .room = m->size };
    for (uint32_t i = 0; i < m->size; i++)
        (void)names_index(&x->names, (struct slice){ m->ptr[i].key.via.str.ptr, m->ptr[i].key.via.str.size });
}

void val_index_close(struct val_index *x) { names_free(&x->names); }

val *val_index_get(const struct val_index *x, struct slice key)
{
    long i = names_find(&x->names, key);
    return i < 0 ? NULL : &x->map->via.map.ptr[i].val;
}

void val_index_set(struct val_index *x, msgpack_zone *z, struct slice key, val v)
{
    msgpack_object_map *m = &x->map->via.map;
    size_t i = names_index(&x->names, key);
    if (i == m->size) {
        m->ptr = more_room(z, m->ptr, m->size, &x->room, sizeof *m->ptr);
        m->ptr[m->size++].key = val_of_str(z, key.p, key.n);
    }
    m->ptr[i].val = v;
}

val *val_set_map(msgpack_zone *z, val *map, const char *key)
{
    val *v = val_get(map, key);
    return v && v->type == MSGPACK_OBJECT_MAP ? v : val_set(z, map, key, val_map());
}

bool val_remove(val *map, const char *key)
{
    val *v = val_get(map, key);
    if (!v) return false;
    msgpack_object_map *m = &map->via.map;
    msgpack_object_kv *kv = m->ptr;
    while (&kv->val != v) kv++;
    memmove(kv, kv + 1, (size_t)(m->ptr + m->size - kv - 1) * sizeof *kv);
    m->size--;
    return true;
}

static val copy_array(msgpack_zone *z, const val *v)
{
    val c = val_array(z, (int)v->via.array.size);
    for (uint32_t i = 0; i < c.via.array.size; i++) c.via.array.ptr[i] = val_copy(z, &v->via.array.ptr[i]);
    return c;
}

static val copy_map(msgpack_zone *z, const val *v)
{
    val c = val_map();
    c.via.map.size = v->via.map.size;
    c.via.map.ptr = zone_alloc(z, c.via.map.size * sizeof *c.via.map.ptr);
    for (uint32_t i = 0; i < c.via.map.size; i++) {
        c.via.map.ptr[i].key = val_copy(z, &v->via.map.ptr[i].key);
        c.via.map.ptr[i].val = val_copy(z, &v->via.map.ptr[i].val);
    }
    return c;
}

val val_copy(msgpack_zone *z, const val *v)
{
    val c = *v;
    switch (v->type) {
    case MSGPACK_OBJECT_STR: c.via.str.ptr = zone_dup(z, v->via.str.ptr, v->via.str.size); return c;
    case MSGPACK_OBJECT_BIN: c.via.bin.ptr = zone_dup(z, v->via.bin.ptr, v->via.bin.size); return c;
    case MSGPACK_OBJECT_EXT: c.via.ext.ptr = zone_dup(z, v->via.ext.ptr, v->via.ext.size); return c;
    case MSGPACK_OBJECT_ARRAY: return copy_array(z, v);
    case MSGPACK_OBJECT_MAP: return copy_map(z, v);
    default: return c;
    }
}
