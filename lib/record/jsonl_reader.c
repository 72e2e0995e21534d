/* SPDX-License-Identifier: Apache-2.0
 * JSON lines as a stream. */
#include "record/jsonl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "record/wire.h"

enum { FIRST_BUFFER = 256 << 10 };
static const size_t LINE_MAX_BYTES = (size_t)REC_MAX * 2;      /* base64 and escapes make records longer */
enum place { BEFORE, PLAIN, INSIDE, BEHIND };                  /* PLAIN: records without a header */

struct jsonl_reader {
    FILE *f;
    char *name;
    char *p;
    size_t begin, end, cap;                                    /* bytes of p that are unread */
    bool eof;
    enum place place;
    uint64_t line, in_stream, streams;
    struct record *control;                                    /* the header or trailer read last */
    struct record *header;
};

struct jsonl_reader *jsonl_reader_new(FILE *f, const char *name)
{
    struct jsonl_reader *in = mem_alloc(sizeof *in);
    in->f = f;
    in->name = mem_str(name);
    in->cap = FIRST_BUFFER;
    in->p = mem_alloc(in->cap);
    in->control = rec_new();
    in->header = rec_new();
    return in;
}

void jsonl_reader_free(struct jsonl_reader *in)
{
    if (!in) return;
    rec_free(in->control);
    rec_free(in->header);
    free(in->p);
    free(in->name);
    free(in);
}

uint64_t jsonl_line(const struct jsonl_reader *in) { return in->line; }
const val *jsonl_header(const struct jsonl_reader *in) { return in->streams ? &in->header->root : NULL; }
uint64_t jsonl_streams(const struct jsonl_reader *in) { return in->streams; }

static int more(struct jsonl_reader *in)
{
    if (in->begin && in->cap - in->end < in->cap / 2) {
        memmove(in->p, in->p + in->begin, in->end - in->begin);
        in->end -= in->begin;
        in->begin = 0;
    }
    if (in->end - in->begin > LINE_MAX_BYTES) return fail("longer than %zu MiB", LINE_MAX_BYTES >> 20);
    if (in->end == in->cap) in->p = mem_grow(in->p, in->cap *= 2, 1);
    ssize_t r = wire_read(in->f, in->p + in->end, in->cap - in->end);
    if (r < 0) return fail_errno("read");
    in->eof = r == 0;
    in->end += (size_t)r;
    return 0;
}

/* The next line without its newline: 1, 0 at the end, -1. A last line needs no newline. */
static int next_line(struct jsonl_reader *in, const char **s, size_t *n)
{
    size_t looked = 0;
    in->line++;
    for (;;) {
        size_t have = in->end - in->begin;
        const char *from = in->p + in->begin, *nl = have > looked ? memchr(from + looked, '\n', have - looked) : NULL;
        if (nl || (in->eof && have)) {
            *s = from;
            *n = nl ? (size_t)(nl - from) : have;
            in->begin += *n + (nl != NULL);
            return 1;
        }
        if (in->eof) return 0;
        looked = have;
        if (more(in)) return -1;
    }
}

static size_t skip_space(const char *s, size_t n, size_t i)
{
    while (i < n && (s[i] == ' ' || s[i] == '\t' || s[i] == '\r')) i++;
    return i;
}

static bool is_control(const char *s, size_t n)                /* does it begin with {"cos" ? */
{
    size_t i = skip_space(s, n, 0);
    if (i == n || s[i] != '{') return false;
    i = skip_space(s, n, i + 1);
    return n - i >= 5 && !memcmp(s + i, "\"cos\"", 5);
}

static int take_header(struct jsonl_reader *in)
{
    int64_t version;
    if (in->place == INSIDE) return fail("a header inside a stream");
    if (!val_i64(val_get(&in->control->root, "cos"), &version)) return fail("no schema version");
    if (version != REC_VERSION) return fail("schema version %" PRId64 ", this program reads %d", version, REC_VERSION);
    struct record *old = in->header;
    in->header = in->control;
    in->control = old;
    in->place = INSIDE;
    in->in_stream = 0;
    in->streams++;
    return 0;
}

static int take_trailer(struct jsonl_reader *in)
{
    int64_t count;
    if (in->place != INSIDE) return fail("a trailer without a header");
    if (!val_i64(val_get(&in->control->root, "count"), &count)) return fail("a trailer without a count");
    if (count < 0 || (uint64_t)count != in->in_stream)
        return fail("the trailer counts %" PRId64 " records, there were %" PRIu64 " (to filter lines, write them with --plain)",
                    count, in->in_stream);
    in->place = BEHIND;
    return 0;
}

static int take_control(struct jsonl_reader *in, const char *s, size_t n)
{
    struct buf b = {0};
    int r = jsonl_get(s, n, &b);
    if (!r) r = rec_unpack_control(in->control, b.p, b.len);
    buf_free(&b);
    if (r) return -1;
    const val *kind = val_get(&in->control->root, "kind");
    if (val_is_str(kind, "header")) return take_header(in);
    if (val_is_str(kind, "trailer")) return take_trailer(in);
    return fail("the key \"cos\" is reserved for headers and trailers");
}

static int at_end(const struct jsonl_reader *in)
{
    if (in->place == PLAIN || in->place == BEHIND) return 0;
    if (in->place == BEFORE) return fail("%s: empty", in->name);
    return fail("%s: cut off after line %" PRIu64 ": no trailer", in->name, in->line - 1);
}

int jsonl_read(struct jsonl_reader *in, const char **s, size_t *n)
{
    for (;;) {
        int r = next_line(in, s, n);
        if (r == 0) return at_end(in);
        if (r > 0 && skip_space(*s, *n, 0) == *n) continue;
        if (r > 0 && is_control(*s, *n)) r = take_control(in, *s, *n);
        else if (r > 0 && in->place == BEHIND) r = fail("a record behind the trailer");
        else if (r > 0) {
            if (in->place == BEFORE) in->place = PLAIN;
            in->in_stream++;
            return 1;
        }
        if (r < 0) return fail_in("%s: line %" PRIu64, in->name, in->line);
    }
}
