/* SPDX-License-Identifier: Apache-2.0
 * Reading values. */
#include "record/record.h"

#include <math.h>
#include <string.h>

static val *get_n(const val *map, const char *key, size_t n)
{
    if (!map || map->type != MSGPACK_OBJECT_MAP) return NULL;
    msgpack_object_kv *kv = map->via.map.ptr;
    for (uint32_t i = 0; i < map->via.map.size; i++)
        if (kv[i].key.via.str.size == n && !memcmp(kv[i].key.via.str.ptr, key, n)) return &kv[i].val;
    return NULL;
}

val *val_get(const val *map, const char *key) { return get_n(map, key, strlen(key)); }

val *val_path(const val *map, const char *dotted)
{
    val *v = NULL;
    do {
        size_t n = strcspn(dotted, ".");
        v = get_n(map, dotted, n);
        map = v;
        dotted += n;
    } while (v && *dotted++);
    return v;
}

bool val_str(const val *v, const char **s, size_t *n)
{
    if (!v || v->type != MSGPACK_OBJECT_STR) return false;
    *s = v->via.str.ptr;
    *n = v->via.str.size;
    return true;
}

bool val_is_str(const val *v, const char *s)
{
    size_t n = strlen(s);
    return v && v->type == MSGPACK_OBJECT_STR && v->via.str.size == n && !memcmp(v->via.str.ptr, s, n);
}

bool val_f64(const val *v, double *x)
{
    if (!v) return false;
    switch (v->type) {
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64: *x = v->via.f64; return true;
    case MSGPACK_OBJECT_POSITIVE_INTEGER: *x = (double)v->via.u64; return true;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER: *x = (double)v->via.i64; return true;
    default: return false;
    }
}

bool val_i64(const val *v, int64_t *x)
{
    if (!v) return false;
    switch (v->type) {
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        if (v->via.u64 > INT64_MAX) return false;
        *x = (int64_t)v->via.u64;
        return true;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER: *x = v->via.i64; return true;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        if (!(v->via.f64 >= -0x1p63 && v->via.f64 < 0x1p63) || v->via.f64 != trunc(v->via.f64)) return false;
        *x = (int64_t)v->via.f64;
        return true;
    default: return false;
    }
}

bool val_bool(const val *v, bool *b)
{
    if (!v || v->type != MSGPACK_OBJECT_BOOLEAN) return false;
    *b = v->via.boolean;
    return true;
}

bool val_bin(const val *v, const uint8_t **p, size_t *n)
{
    if (!v || v->type != MSGPACK_OBJECT_BIN) return false;
    *p = (const uint8_t *)v->via.bin.ptr;
    *n = v->via.bin.size;
    return true;
}

int val_len(const val *v)
{
    return v && v->type == MSGPACK_OBJECT_ARRAY ? (int)v->via.array.size : 0;
}

val *val_at(const val *v, int i)
{
    return i >= 0 && i < val_len(v) ? &v->via.array.ptr[i] : NULL;
}

static bool ext(const val *v, int8_t type, const void **p, size_t *n)
{
    if (!v || v->type != MSGPACK_OBJECT_EXT || v->via.ext.type != type) return false;
    *p = v->via.ext.ptr;
    *n = v->via.ext.size / 4;
    return true;
}

bool val_u32s(const val *v, const uint32_t **p, size_t *n)
{
    const void *q;
    if (!ext(v, EXT_U32, &q, n)) return false;
    *p = q;
    return true;
}

bool val_f32s(const val *v, const float **p, size_t *n)
{
    const void *q;
    if (!ext(v, EXT_F32, &q, n)) return false;
    *p = q;
    return true;
}

static bool same_bytes(const void *a, uint32_t na, const void *b, uint32_t nb)
{
    return na == nb && (na == 0 || !memcmp(a, b, na));
}

static bool same_items(const val *a, const val *b)
{
    for (int i = 0; i < val_len(a); i++)
        if (!val_equal(val_at(a, i), val_at(b, i))) return false;
    return val_len(a) == val_len(b);
}

static bool same_map(const val *a, const val *b)
{
    struct val_index of_b;
    bool same = a->via.map.size == b->via.map.size;
    if (!same) return false;
    val_index_open(&of_b, (val *)b);
    for (uint32_t i = 0; i < a->via.map.size && same; i++) {
        const msgpack_object_kv *kv = &a->via.map.ptr[i];
        same = val_equal(&kv->val, val_index_get(&of_b, (struct slice){ kv->key.via.str.ptr, kv->key.via.str.size }));
    }
    val_index_close(&of_b);
    return same;
}

static msgpack_object_type type_of(const val *v)
{
    return v->type == MSGPACK_OBJECT_FLOAT32 ? MSGPACK_OBJECT_FLOAT64 : v->type;
}

bool val_equal(const val *a, const val *b)
{
    if (!a || !b) return a == b;
    if (type_of(a) != type_of(b)) return false;
    switch (type_of(a)) {
    case MSGPACK_OBJECT_NIL: return true;
    case MSGPACK_OBJECT_BOOLEAN: return a->via.boolean == b->via.boolean;
    case MSGPACK_OBJECT_POSITIVE_INTEGER: return a->via.u64 == b->via.u64;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER: return a->via.i64 == b->via.i64;
    case MSGPACK_OBJECT_FLOAT64: return a->via.f64 == b->via.f64 || (isnan(a->via.f64) && isnan(b->via.f64));
    case MSGPACK_OBJECT_STR: return same_bytes(a->via.str.ptr, a->via.str.size, b->via.str.ptr, b->via.str.size);
    case MSGPACK_OBJECT_BIN: return same_bytes(a->via.bin.ptr, a->via.bin.size, b->via.bin.ptr, b->via.bin.size);
    case MSGPACK_OBJECT_EXT: return a->via.ext.type == b->via.ext.type &&
                                    same_bytes(a->via.ext.ptr, a->via.ext.size, b->via.ext.ptr, b->via.ext.size);
    case MSGPACK_OBJECT_ARRAY: return same_items(a, b);
    case MSGPACK_OBJECT_MAP: return same_map(a, b);
    default: return false;
    }
}
