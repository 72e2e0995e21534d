/* SPDX-License-Identifier: Apache-2.0
 * Rows of JSON lines or of a JSON array, one by one, in memory of one row. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "record/import.h"
#include "record/jsonl.h"

enum { BLOCK = 256 << 10 };

struct import_in {
    FILE *f;
    char *name;
    struct buf b;                              /* bytes read; [at, b.len) not looked at */
    size_t at;
    uint64_t line;                             /* of b.p[at] */
    bool eof, array, begun, ended;             /* ended: the array's ] was read */
};

struct import_in *import_open(FILE *f, const char *name)
{
    struct import_in *in = mem_alloc(sizeof *in);
    in->f = f;
    in->name = mem_str(name);
    in->line = 1;
    return in;
}

void import_close(struct import_in *in)
{
    if (!in) return;
    buf_free(&in->b);
    free(in->name);
    free(in);
}

/* More bytes behind b.len; `keep` is the first byte still needed and moves to the front. */
static int more(struct import_in *in, size_t *keep)
{
    if (in->b.len) memmove(in->b.p, in->b.p + *keep, in->b.len - *keep);
    in->b.len -= *keep;
    in->at -= *keep;
    *keep = 0;
    if (in->b.len > (size_t)REC_MAX) return fail("a row of more than %d MiB", REC_MAX >> 20);
    buf_need(&in->b, BLOCK);
    size_t n = fread(in->b.p + in->b.len, 1, BLOCK, in->f);
    if (!n && ferror(in->f)) return fail_errno("read");
    in->eof = n == 0;
    in->b.len += n;
    return 0;
}

/* The next byte without taking it; -1 at the end, -2 on failure. */
static int peek(struct import_in *in, size_t *keep)
{
    while (in->at == in->b.len && !in->eof)
        if (more(in, keep)) return -2;
    return in->at < in->b.len ? (unsigned char)in->b.p[in->at] : -1;
}

static void take(struct import_in *in) { in->line += in->b.p[in->at++] == '\n'; }

static int skip_blank(struct import_in *in)                    /* returns what peek gives behind it */
{
    for (;;) {
        size_t keep = in->at;
        int ch = peek(in, &keep);
        if (ch != ' ' && ch != '\t' && ch != '\r' && ch != '\n') return ch;
        take(in);
    }
}

static int whole_line(struct import_in *in, size_t *keep)
{
    for (;;) {
        int ch = peek(in, keep);
        if (ch == -2) return -1;
        if (ch < 0 || ch == '\n') return 0;
        char *nl = memchr(in->b.p + in->at, '\n', in->b.len - in->at);
        in->at = nl ? (size_t)(nl - in->b.p) : in->b.len;
    }
}

/* Up to the end of the element that begins here: braces outside strings. Its syntax is import_parse's affair. */
static int whole_element(struct import_in *in, size_t *keep)
{
    int depth = 0;
    bool string = false, escaped = false;
    for (;;) {
        int ch = peek(in, keep);
        if (ch == -2) return -1;
        if (ch < 0) return fail("cut off: the array is not closed");
        if (!depth && !string && (ch == ',' || ch == ']')) return 0;
        if (string) {
            if (escaped) escaped = false;
            else if (ch == '\\') escaped = true;
            else if (ch == '"') string = false;
        } else if (ch == '"') string = true;
        else if (ch == '{' || ch == '[') depth++;
        else if (ch == '}' || ch == ']') depth--;
        take(in);
    }
}

static int begin(struct import_in *in)
{
    size_t keep = 0;
    in->begun = true;
    int ch = peek(in, &keep);
    if (ch >= 0 && in->b.len - in->at >= 3 && !memcmp(in->b.p + in->at, "\xEF\xBB\xBF", 3)) in->at += 3;
    ch = skip_blank(in);
    if (ch == -2) return -1;
    if (ch < 0) return fail("empty");
    if (ch == '[') in->array = true, take(in);
    return 0;
}

/* Stands before the next element: 1, 0 behind the array, -1. */
static int next_element(struct import_in *in, bool first)
{
    int ch = in->ended ? ']' : skip_blank(in);
    if (ch == ',' && !first && !in->ended) {
        take(in);
        ch = skip_blank(in);
        if (ch == ']') return fail("a comma behind the last element");
    }
    if (ch == ']' && !in->ended) in->ended = true, take(in);
    if (in->ended) {
        ch = skip_blank(in);
        return ch == -1 ? 0 : ch == -2 ? -1 : fail("text behind the array");
    }
    if (ch == -1) return fail("cut off: the array is not closed");
    return ch < 0 ? -1 : 1;
}

static int next_row(struct import_in *in, struct slice *row, uint64_t *line)
{
    bool first = !in->begun;
    if (first && begin(in)) return -1;
    if (in->array) {
        int r = next_element(in, first);
        if (r <= 0) return r;
    } else {
        int ch = skip_blank(in);
        if (ch < 0) return ch == -1 ? 0 : -1;
    }
    size_t keep = in->at;
    *line = in->line;
    if (in->array ? whole_element(in, &keep) : whole_line(in, &keep)) return -1;
    *row = (struct slice){ in->b.p + keep, in->at - keep };
    return 1;
}

int import_next(struct import_in *in, struct slice *row, uint64_t *line)
{
    int r = next_row(in, row, line);
    return r < 0 ? fail_in("%s: line %" PRIu64, in->name, in->line) : r;
}

int import_parse(const char *s, size_t n, struct record *row)
{
    struct buf packed = {0};
    int r = jsonl_get(s, n, &packed);
    if (!r) r = rec_unpack(row, packed.p, packed.len);
    buf_free(&packed);
    return r;
}
