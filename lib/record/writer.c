/* SPDX-License-Identifier: Apache-2.0
 * The writing end of a stream, and provenance. */
#include "record/record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FLUSH_BYTES = 256 << 10 };
static const double FLUSH_SECONDS = 0.2;       /* a slow program's records reach the next one soon */

struct rec_writer {
    FILE *f;
    char *name;
    struct buf b;
    bool in_stream;                            /* a header was written and no trailer yet */
    uint64_t count, total;                     /* records of the running stream, of all */
    double flushed;                            /* when */
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct rec_writer *rec_writer_new(FILE *f, const char *name)
{
    struct rec_writer *out = mem_alloc(sizeof *out);
    out->f = f;
    out->name = mem_str(name);
    out->flushed = now();
    return out;
}

void rec_writer_abandon(struct rec_writer *out)
{
    if (!out) return;
    buf_free(&out->b);
    free(out->name);
    free(out);
}

uint64_t rec_writer_count(const struct rec_writer *out) { return out->total; }

static int flush(struct rec_writer *out)
{
    size_t n = out->b.len;
    if ((n && fwrite(out->b.p, 1, n, out->f) != n) || fflush(out->f)) return fail_errno("%s", out->name);
    buf_clear(&out->b);
    out->flushed = now();
    return 0;
}

int rec_writer_flush(struct rec_writer *out) { return out->b.len ? flush(out) : 0; }

static int flush_if_due(struct rec_writer *out)
{
    if (out->b.len < FLUSH_BYTES && now() - out->flushed < FLUSH_SECONDS) return 0;
    return flush(out);
}

/* ---- headers, trailers ---- */

static val prov_entry(msgpack_zone *z, const struct rec_prov *me)
{
    val e = val_map();
    val_set(z, &e, "program", val_of_cstr(z, me->program));
    val_set(z, &e, "version", val_of_cstr(z, me->version));
    val args = val_array(z, me->argc > 1 ? me->argc - 1 : 0);
    for (int i = 1; i < me->argc; i++) *val_at(&args, i - 1) = val_of_cstr(z, me->argv[i]);
    val_set(z, &e, "args", args);
    if (me->has_seed) {
        val seed = { .type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = me->seed };
        val_set(z, &e, "seed", seed);
    }
    if (me->model) val_set(z, &e, "model", val_of_cstr(z, me->model));
    return e;
}

val rec_header(msgpack_zone *z, const val *header, const struct rec_prov *me)
{
    val h = val_map();
    val_set(z, &h, "cos", val_of_i64(REC_VERSION));
    val_set(z, &h, "kind", val_of_cstr(z, "header"));
    if (!me) return h;
    const val *old = header ? val_get(header, "provenance") : NULL;
    int n = val_len(old);
    val chain = val_array(z, n + 1);
    for (int i = 0; i < n; i++) *val_at(&chain, i) = val_copy(z, val_at(old, i));
    *val_at(&chain, n) = prov_entry(z, me);
    val_set(z, &h, "provenance", chain);
    return h;
}

val rec_trailer(msgpack_zone *z, uint64_t count)
{
    val t = val_map();
    val_set(z, &t, "cos", val_of_i64(REC_VERSION));
    val_set(z, &t, "kind", val_of_cstr(z, "trailer"));
    val_set(z, &t, "count", val_of_i64((int64_t)count));
    return t;
}

static int put_trailer(struct rec_writer *out)
{
    struct record *r = rec_new();
    r->root = rec_trailer(&r->zone, out->count);
    int bad = rec_pack(r, &out->b);
    rec_free(r);
    out->in_stream = false;
    out->count = 0;
    return bad;
}

int rec_write_header_after(struct rec_writer *out, const val *header, const struct rec_prov *me)
{
    if (out->in_stream && put_trailer(out)) return -1;
    struct record *r = rec_new();
    r->root = rec_header(&r->zone, header, me);
    int bad = rec_pack(r, &out->b);
    rec_free(r);
    out->in_stream = true;
    return bad ? fail_in("%s: header", out->name) : 0;
}

int rec_write_header(struct rec_writer *out, const struct rec_reader *in, const struct rec_prov *me)
{
    return rec_write_header_after(out, in ? rec_reader_header(in) : NULL, me);
}

/* ---- records ---- */

static int written(struct rec_writer *out)
{
    out->count++;
    out->total++;
    return flush_if_due(out);
}

int rec_write(struct rec_writer *out, const struct record *r)
{
    if (!out->in_stream && rec_write_header(out, NULL, NULL)) return -1;
    size_t start = out->b.len;
    if (rec_pack(r, &out->b)) {
        char label[256];
        out->b.len = start;
        return fail_in("%s: %s", out->name, rec_label(r, label, sizeof label));
    }
    return written(out);
}

int rec_write_packed(struct rec_writer *out, const void *p, size_t n)
{
    if (!out->in_stream && rec_write_header(out, NULL, NULL)) return -1;
    buf_add(&out->b, p, n);
    return written(out);
}

int rec_writer_close(struct rec_writer *out)
{
    int bad = !out->in_stream && out->total == 0 ? rec_write_header(out, NULL, NULL) : 0;
    if (!bad && out->in_stream) bad = put_trailer(out);
    if (!bad) bad = flush(out);
    rec_writer_abandon(out);
    return bad ? -1 : 0;
}
