/* SPDX-License-Identifier: Apache-2.0
 * Records in memory, packed and unpacked. */
#include "record/record.h"

#include <stdlib.h>
#include <string.h>
#include "record/wire.h"

enum { ZONE_CHUNK = 32 << 10 };

struct record *rec_new(void)
{
    struct record *r = mem_alloc(sizeof *r);
    if (!msgpack_zone_init(&r->zone, ZONE_CHUNK)) mem_array(SIZE_MAX, 1);      /* out of memory */
    r->root = val_map();
    return r;
}

void rec_free(struct record *r)
{
    if (!r) return;
    msgpack_zone_destroy(&r->zone);
    free(r);
}

void rec_clear(struct record *r)
{
    msgpack_zone_clear(&r->zone);
    r->root = val_map();
    r->number = r->stream = 0;
}

struct record *rec_copy(const struct record *r)
{
    struct record *c = rec_new();
    c->root = val_copy(&c->zone, &r->root);
    c->number = r->number;
    c->stream = r->stream;
    return c;
}

enum rec_kind rec_kind_of(const struct record *r)
{
    if (val_get(&r->root, "chosen") && val_get(&r->root, "rejected")) return REC_PAIR;
    return val_get(&r->root, "path") ? REC_PATH : REC_SAMPLE;
}

const char *rec_label(const struct record *r, char *buf, size_t n)
{
    const char *id;
    size_t len;
    if (val_str(val_get(&r->root, "id"), &id, &len))
        snprintf(buf, n, "record %llu (id %.*s)", (unsigned long long)r->number, (int)mem_min(len, 200), id);
    else snprintf(buf, n, "record %llu", (unsigned long long)r->number);
    return buf;
}

/* ---- packing ---- */

static int pack(const val *v, int depth, struct buf *out);

static int pack_array(const val *v, int depth, struct buf *out)
{
    wire_put_array(out, v->via.array.size);
    for (uint32_t i = 0; i < v->via.array.size; i++)
        if (pack(&v->via.array.ptr[i], depth, out)) return -1;
    return 0;
}

static int pack_map(const val *v, int depth, struct buf *out)
{
    wire_put_map(out, v->via.map.size);
    for (uint32_t i = 0; i < v->via.map.size; i++) {
        const msgpack_object_kv *kv = &v->via.map.ptr[i];
        wire_put_str(out, kv->key.via.str.ptr, kv->key.via.str.size);
        if (pack(&kv->val, depth, out)) return -1;
    }
    return 0;
}

static int pack(const val *v, int depth, struct buf *out)      /* depth: of the containers around v */
{
    switch (v->type) {
    case MSGPACK_OBJECT_NIL: wire_put_nil(out); return 0;
    case MSGPACK_OBJECT_BOOLEAN: wire_put_bool(out, v->via.boolean); return 0;
    case MSGPACK_OBJECT_POSITIVE_INTEGER: wire_put_u64(out, v->via.u64); return 0;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER: wire_put_i64(out, v->via.i64); return 0;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64: wire_put_f64(out, v->via.f64); return 0;
    case MSGPACK_OBJECT_STR: wire_put_str(out, v->via.str.ptr, v->via.str.size); return 0;
    case MSGPACK_OBJECT_BIN: wire_put_bin(out, v->via.bin.ptr, v->via.bin.size); return 0;
    case MSGPACK_OBJECT_EXT: wire_put_ext(out, v->via.ext.type, v->via.ext.ptr, v->via.ext.size); return 0;
    default: break;
    }
    if (depth == REC_DEPTH) return fail("nested deeper than %d", REC_DEPTH);
    return v->type == MSGPACK_OBJECT_ARRAY ? pack_array(v, depth + 1, out) : pack_map(v, depth + 1, out);
}

int rec_pack(const struct record *r, struct buf *out)
{
    size_t start = out->len;
    if (pack(&r->root, 0, out)) return -1;
    if (out->len - start > REC_MAX) return fail("larger than %d MiB", REC_MAX >> 20);
    return 0;
}

/* ---- unpacking ---- */

/* What msgpack-c leaves: numbers of ext arrays aligned for direct use, float32 scalars widened. */
static void settle(msgpack_zone *z, val *v)
{
    if (v->type == MSGPACK_OBJECT_FLOAT32) v->type = MSGPACK_OBJECT_FLOAT64;
    else if (v->type == MSGPACK_OBJECT_ARRAY) {
        for (uint32_t i = 0; i < v->via.array.size; i++) settle(z, &v->via.array.ptr[i]);
    } else if (v->type == MSGPACK_OBJECT_MAP) {
        for (uint32_t i = 0; i < v->via.map.size; i++) settle(z, &v->via.map.ptr[i].val);
    } else if (v->type == MSGPACK_OBJECT_EXT && (uintptr_t)v->via.ext.ptr % 4) {
        *v = val_copy(z, v);
    }
}

static int unpack(struct record *r, const void *p, size_t n, int flags)
{
    int found;
    uint64_t number = r->number;
    uint32_t stream = r->stream;
    rec_clear(r);
    r->number = number;
    r->stream = stream;
    if (wire_check(p, n, flags, &found)) return -1;
    char *own = msgpack_zone_malloc(&r->zone, n);              /* the objects point into it */
    if (!own) return fail("out of memory: %zu bytes for a record", n);
    memcpy(own, p, n);
    size_t off = 0;
    val root;
    if (msgpack_unpack(own, n, &off, &r->zone, &root) != MSGPACK_UNPACK_SUCCESS) return fail("not a msgpack map");
    r->root = root;
    if (found & (WIRE_HAS_EXT | WIRE_HAS_F32)) settle(&r->zone, &r->root);
    return 0;
}

int rec_unpack(struct record *r, const void *p, size_t n) { return unpack(r, p, n, 0); }
int rec_unpack_control(struct record *r, const void *p, size_t n) { return unpack(r, p, n, WIRE_CONTROL); }

int rec_check_packed(const void *p, size_t n)
{
    int found;
    return wire_check(p, n, 0, &found);
}
