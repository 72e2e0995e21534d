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
    bool eof, array, begun, ended;             /* ended: the closing bracket was read */
    bool maybe_keyed, keyed;                   /* an object whose members are the rows, read as an array is */
    struct buf key;
};

struct import_in *import_open(FILE *f, const char *name)
{
    struct import_in *in = mem_alloc(sizeof *in);
    in->f = f;
    in->name = mem_str(name);
    in->line = 1;
    return in;
}

struct import_in *import_open_keyed(FILE *f, const char *name)
{
    struct import_in *in = import_open(f, name);
    in->maybe_keyed = true;
    return in;
}

struct slice import_key(const struct import_in *in) { return (struct slice){ in->key.p, in->key.len }; }

void import_close(struct import_in *in)
{
    if (!in) return;
    buf_free(&in->key);
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

static const char *open_end(const struct import_in *in) { return in->keyed ? "the object is not closed" : "the array is not closed"; }

/* Up to the end of the element that begins here: braces outside strings. Its syntax is import_parse's affair. */
static int whole_element(struct import_in *in, size_t *keep)
{
    int depth = 0;
    bool string = false, escaped = false;
    for (;;) {
        int ch = peek(in, keep);
        if (ch == -2) return -1;
        if (ch < 0) return fail("cut off: %s", open_end(in));
        if (!depth && !string && (ch == ',' || ch == (in->keyed ? '}' : ']'))) return 0;
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

/* A string's end, behind its quote; from behind the first. -1 at the file's end, -2 on failure. */
static int skip_string(struct import_in *in, size_t *keep)
{
    bool escaped = false;
    for (int ch; (ch = peek(in, keep)) >= 0;) {
        in->at++;
        if (ch == '"' && !escaped) return 0;
        escaped = ch == '\\' && !escaped;
    }
    return in->at == in->b.len && in->eof ? -1 : -2;
}

/* Is the object that begins here one of objects, as {"1": {..}, "2": {..}}? Looks ahead. */
static int look_keyed(struct import_in *in)
{
    static const char *const next[] = { "\"", ":", "{" };
    size_t keep = in->at++;
    int ch = 0, k = 0;
    for (; k < 3; k++) {
        while ((ch = peek(in, &keep)) == ' ' || ch == '\t' || ch == '\r' || ch == '\n') in->at++;
        if (ch < 0 || ch != next[k][0]) break;
        in->at++;
        if (k == 0 && (ch = skip_string(in, &keep)) < 0) break;
    }
    in->at = keep;
    in->keyed = k == 3;
    return ch == -2 ? -1 : 0;
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
    if (ch == '{' && in->maybe_keyed && look_keyed(in)) return -1;
    if (ch == '[' || in->keyed) in->array = true, take(in);
    return 0;
}

/* Stands before the next element: 1, 0 behind the array, -1. */
static int next_element(struct import_in *in, bool first)
{
    const int close = in->keyed ? '}' : ']';
    int ch = in->ended ? close : skip_blank(in);
    if (ch == ',' && !first && !in->ended) {
        take(in);
        ch = skip_blank(in);
        if (ch == close) return fail("a comma behind the last element");
    }
    if (ch == close && !in->ended) in->ended = true, take(in);
    if (in->ended) {
        ch = skip_blank(in);
        return ch == -1 ? 0 : ch == -2 ? -1 : fail("text behind the %s", in->keyed ? "object" : "array");
    }
    if (ch == -1) return fail("cut off: %s", open_end(in));
    return ch < 0 ? -1 : 1;
}

/* The member's name and the colon behind it. */
static int take_key(struct import_in *in)
{
    size_t keep = in->at;
    if (peek(in, &keep) != '"') return fail("want a quoted name");
    take(in);
    int bad = skip_string(in, &keep);
    if (bad) return bad == -1 ? fail("cut off: %s", open_end(in)) : -1;
    buf_clear(&in->key);
    buf_add(&in->key, in->b.p + keep + 1, in->at - keep - 2);
    int ch = skip_blank(in);
    if (ch != ':') return ch == -2 ? -1 : fail("want a colon behind \"%s\"", in->key.p);
    take(in);
    return skip_blank(in) == -2 ? -1 : 0;
}

static int next_row(struct import_in *in, struct slice *row, uint64_t *line)
{
    bool first = !in->begun;
    if (first && begin(in)) return -1;
    if (in->array) {
        int r = next_element(in, first);
        if (r <= 0) return r;
        if (in->keyed && take_key(in)) return -1;
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
