/* SPDX-License-Identifier: Apache-2.0
 * The reading end of a stream: frames records in a large buffer, checks header, trailer and count. */
#include "record/record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "record/wire.h"

enum { FIRST_BUFFER = 256 << 10 };
enum place { BEFORE, INSIDE, BEHIND };         /* of a stream: no header yet; header read; trailer read */

struct rec_reader {
    FILE *f;
    char *name;
    uint8_t *p;                                /* bytes begin..end of cap are unread; p[0] is byte `base` of the input */
    size_t begin, end, cap;
    uint64_t base;
    bool eof, cut;
    enum place place;
    uint64_t count, in_stream, streams;        /* records in all, of the running stream; headers */
    struct record *header, *trailer;
};

struct rec_reader *rec_reader_new(FILE *f, const char *name)
{
    struct rec_reader *in = mem_alloc(sizeof *in);
    in->f = f;
    in->name = mem_str(name);
    in->cap = FIRST_BUFFER;
    in->p = mem_alloc(in->cap);
    in->header = rec_new();
    in->trailer = rec_new();
    return in;
}

void rec_reader_free(struct rec_reader *in)
{
    if (!in) return;
    rec_free(in->header);
    rec_free(in->trailer);
    free(in->p);
    free(in->name);
    free(in);
}

const val *rec_reader_header(const struct rec_reader *in) { return in->streams ? &in->header->root : NULL; }
uint64_t rec_reader_count(const struct rec_reader *in) { return in->count; }
uint64_t rec_reader_streams(const struct rec_reader *in) { return in->streams; }
bool rec_reader_cut(const struct rec_reader *in) { return in->cut; }

static int fill(struct rec_reader *in, size_t need)        /* until `need` bytes are there, or the end */
{
    if (in->begin && in->cap - in->begin < need) {
        memmove(in->p, in->p + in->begin, in->end - in->begin);
        in->base += in->begin;
        in->end -= in->begin;
        in->begin = 0;
    }
    while (!in->eof && in->end - in->begin < need) {
        if (in->end == in->cap) in->p = mem_grow(in->p, in->cap *= 2, 1);
        ssize_t r = wire_read(in->f, in->p + in->end, in->cap - in->end);
        if (r < 0) return fail_errno("%s", in->name);
        in->eof = r == 0;
        in->end += (size_t)r;
    }
    return 0;
}

static int here(const struct rec_reader *in)               /* puts name, record and byte before the message */
{
    return fail_in("%s: record %" PRIu64 " at byte %" PRIu64, in->name, in->count + 1, in->base + in->begin);
}

/* The bytes of the next item; they stay in the buffer until in->begin moves. 1, 0 at the end of the input, -1. */
static int frame(struct rec_reader *in, size_t *n)
{
    struct wire_extent e = {0};
    e.need = 1;
    for (;;) {
        if (fill(in, e.need)) return -1;
        if (in->begin == in->end) return 0;
        int r = wire_extent(&e, in->p + in->begin, in->end - in->begin);
        if (r > 0) { *n = e.at; return 1; }
        if (r < 0) return here(in);
        if (in->eof) { in->cut = true; fail("cut off after %zu bytes", in->end - in->begin); return here(in); }
    }
}

static int take_header(struct rec_reader *in, const uint8_t *p, size_t n)
{
    int64_t version;
    if (in->place == INSIDE) return fail("a header inside a stream");
    if (rec_unpack_control(in->header, p, n)) return -1;
    if (!val_i64(val_get(&in->header->root, "cos"), &version)) return fail("no schema version");
    if (version != REC_VERSION) return fail("schema version %" PRId64 ", this program reads %d", version, REC_VERSION);
    if (!val_is_str(val_get(&in->header->root, "kind"), "header")) return fail("not a header");
    in->place = INSIDE;
    in->in_stream = 0;
    in->streams++;
    return 0;
}

static int take_trailer(struct rec_reader *in)
{
    int64_t count;
    if (!val_is_str(val_get(&in->trailer->root, "kind"), "trailer")) return fail("neither header nor trailer");
    if (!val_i64(val_get(&in->trailer->root, "count"), &count)) return fail("a trailer without a count");
    if (count < 0 || (uint64_t)count != in->in_stream)
        return fail("the trailer counts %" PRId64 " records, there were %" PRIu64, count, in->in_stream);
    in->place = BEHIND;
    return 0;
}

static int take_control(struct rec_reader *in, const uint8_t *p, size_t n)
{
    if (in->place != INSIDE) return take_header(in, p, n);
    if (rec_unpack_control(in->trailer, p, n)) return -1;
    if (val_is_str(val_get(&in->trailer->root, "kind"), "header")) return take_header(in, p, n);
    return take_trailer(in);
}

static int no_header(const struct rec_reader *in)
{
    const char *hint = in->p[in->begin] == '{' ? " (JSON lines? see cos-cat --from-json)" : "";
    if (in->place == BEHIND) return fail("bytes behind the trailer that are no header");
    return fail("not a record stream: no header%s", hint);
}

static int at_end(struct rec_reader *in)
{
    if (in->place == BEHIND) return 0;
    in->cut = true;
    if (in->place == BEFORE) return fail("%s: empty: not even a header", in->name);
    return fail("%s: cut off after record %" PRIu64 " at byte %" PRIu64 ": no trailer", in->name, in->count, in->base + in->end);
}

/* The next record's bytes, behind any headers and trailers. 1, 0 at the clean end, -1. stop: return 1 at a header, too. */
static int next(struct rec_reader *in, bool stop, size_t *n)
{
    for (;;) {
        if (in->place != INSIDE && fill(in, 1) == 0 && in->begin < in->end && in->p[in->begin] >> 4 != 8 &&
            in->p[in->begin] != 0xde && in->p[in->begin] != 0xdf) { no_header(in); return here(in); }
        int r = frame(in, n);
        if (r <= 0) return r < 0 ? -1 : at_end(in);
        const uint8_t *p = in->p + in->begin;
        if (!wire_is_control(p, *n)) {
            if (in->place != INSIDE) { no_header(in); return here(in); }
            return 1;
        }
        if (take_control(in, p, *n)) return here(in);
        in->begin += *n;
        if (stop) return 1;
    }
}

int rec_read_header(struct rec_reader *in)
{
    size_t n;
    if (in->streams) return 0;
    return next(in, true, &n) > 0 ? 0 : -1;
}

static void consumed(struct rec_reader *in, size_t n)
{
    in->begin += n;
    in->count++;
    in->in_stream++;
}

int rec_read(struct rec_reader *in, struct record *r)
{
    size_t n;
    int got = next(in, false, &n);
    if (got <= 0) return got;
    r->number = in->count + 1;
    if (rec_unpack(r, in->p + in->begin, n)) return here(in);
    consumed(in, n);
    return 1;
}

int rec_read_packed(struct rec_reader *in, struct buf *out, uint64_t *number)
{
    size_t n;
    int got = next(in, false, &n);
    if (got <= 0) return got;
    buf_add(out, in->p + in->begin, n);
    consumed(in, n);
    *number = in->count;
    return 1;
}
