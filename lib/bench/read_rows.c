/* SPDX-License-Identifier: Apache-2.0
 * Rows of the benchmarks' files: JSON in three shapes, TSV with a header, and MME's lines without one. */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "bench/read.h"
#include "record/import.h"

enum { COLUMNS_MAX = 256, MME_COLUMNS = 4, SEEN = 16, REFERENCE_MAX = 64 };

struct bench_rows {
    FILE *f;
    char *name;
    struct import_in *json;                    /* NULL: lines of fields */
    bool begun, quotes;
    uint64_t line;
    int ncolumn;
    char *column[COLUMNS_MAX];
    struct buf field[COLUMNS_MAX];
    struct { struct buf index, image; } seen[SEEN];            /* the newest images, and the rows that held them */
    int nseen;
};

struct bench_rows *bench_rows_open(enum bench_form form, FILE *f, const char *name)
{
    struct bench_rows *in = mem_alloc(sizeof *in);
    in->f = f;
    in->name = mem_str(name);
    in->quotes = form != READ_MME;             /* until a header is seen */
    in->line = 1;
    return in;
}

void bench_rows_close(struct bench_rows *in)
{
    if (!in) return;
    import_close(in->json);
    for (int i = 0; i < COLUMNS_MAX; i++) {
        free(in->column[i]);
        buf_free(&in->field[i]);
    }
    for (int i = 0; i < SEEN; i++) {
        buf_free(&in->seen[i].index);
        buf_free(&in->seen[i].image);
    }
    free(in->name);
    free(in);
}

/* ---- fields ---- */

/* One field; what ended it: TAB, newline or EOF. -2: broken. */
static int read_field(struct bench_rows *in, struct buf *out)
{
    int ch = getc(in->f);
    bool quoted = in->quotes && ch == '"';
    buf_clear(out);
    if (quoted) ch = getc(in->f);
    for (;; ch = getc(in->f)) {
        if (ch == '\n') in->line++;
        if (quoted && ch == EOF) return fail("cut off within quotes"), -2;
        if (quoted && ch == '"') {
            ch = getc(in->f);
            if (ch == '\r') ch = getc(in->f);
            if (ch != '"' && ch != '\t' && ch != '\n' && ch != EOF) return fail("text behind a closing quote"), -2;
            if (ch == '\n') in->line++;
            if (ch != '"') return ch;
        } else if (!quoted && (ch == '\t' || ch == '\n' || ch == EOF)) {
            if (ch != '\t' && out->len && out->p[out->len - 1] == '\r') out->p[--out->len] = 0;
            return ch;
        }
        if (out->len >= (size_t)REC_MAX) return fail("a field of more than %d MiB", REC_MAX >> 20), -2;
        buf_byte(out, (char)ch);
    }
}

/* The fields of a line: how many; 0 at the end, -1. Empty lines are passed over. */
static int read_fields(struct bench_rows *in)
{
    for (;;) {
        int n = 0, end;
        do {
            if (n == COLUMNS_MAX) return fail("more than %d fields", COLUMNS_MAX);
            end = read_field(in, &in->field[n++]);
        } while (end == '\t');
        if (end == -2) return -1;
        if (ferror(in->f)) return fail_errno("read");
        if (n > 1 || in->field[0].len) return n;
        if (end == EOF) return 0;
    }
}

/* ---- beginning ---- */

static int take_header(struct bench_rows *in)
{
    static const char *const mme[MME_COLUMNS] = { "image", "question", "answer", "response" };
    int n = read_fields(in);
    if (n <= 0) return n < 0 ? -1 : fail("empty");
    bool header = false;
    for (int i = 0; i < n; i++) header |= in->field[i].len == 8 && !memcmp(in->field[i].p, "question", 8);
    if (!header && in->quotes) return fail("neither JSON nor a table with a column \"question\"");
    in->quotes |= header;
    in->ncolumn = header ? n : MME_COLUMNS;
    for (int i = 0; i < in->ncolumn; i++) in->column[i] = header ? mem_strn(in->field[i].p ? in->field[i].p : "", in->field[i].len) : mem_str(mme[i]);
    in->begun = true;
    return header ? 0 : n;                     /* fields that are a row already */
}

static bool is_json(FILE *f, uint64_t *line)
{
    int ch;
    while ((ch = getc(f)) != EOF && isspace(ch)) *line += ch == '\n';
    bool mark = ch == 0xEF;                    /* of a byte order mark, which import_open passes over */
    if (ch != EOF) ungetc(ch, f);
    return ch == '{' || ch == '[' || mark;
}

static void set_text(struct record *row, const char *key, const struct buf *b)
{
    val_set(&row->zone, &row->root, key, val_of_str(&row->zone, b->p ? b->p : "", b->len));
}

static struct buf *field_of(struct bench_rows *in, const char *column)
{
    for (int i = 0; i < in->ncolumn; i++)
        if (!strcmp(in->column[i], column)) return &in->field[i];
    return NULL;
}

static void copy(struct buf *to, const struct buf *from)
{
    buf_clear(to);
    buf_add(to, from->p, from->len);
}

/* VLMEvalKit writes an image that another row holds already as that row's index. */
static void resolve_image(struct bench_rows *in)
{
    struct buf *image = field_of(in, "image"), *index = field_of(in, "index");
    if (!in->quotes || !image || !index || !image->len) return;
    if (image->len > REFERENCE_MAX) {
        int i = in->nseen++ % SEEN;
        copy(&in->seen[i].index, index);
        copy(&in->seen[i].image, image);
        return;
    }
    for (int i = 0; i < mem_min(in->nseen, SEEN); i++) {
        const struct buf *other = &in->seen[i].index;
        if (other->len != image->len || memcmp(other->p, image->p, image->len)) continue;
        copy(image, &in->seen[i].image);
        return;
    }
}

static int next_fields(struct bench_rows *in, struct record *row, uint64_t *line)
{
    int n = 0;
    *line = in->line;
    if (!in->begun && (n = take_header(in)) < 0) return -1;
    if (!n) {
        *line = in->line;
        n = read_fields(in);
    }
    if (n <= 0) return n;
    if (n > in->ncolumn) return fail("%d fields, want %d", n, in->ncolumn);
    for (int i = n; i < in->ncolumn; i++) buf_clear(&in->field[i]);
    resolve_image(in);
    rec_clear(row);
    for (int i = 0; i < n; i++)
        if (in->field[i].len || !in->quotes) set_text(row, in->column[i], &in->field[i]);      /* empty: a value that is missing */
    row->number = *line;
    return 1;
}

static int next_json(struct bench_rows *in, struct record *row, uint64_t *line)
{
    struct slice text;
    int got = import_next(in->json, &text, line);
    if (got <= 0) return got;
    if (import_parse(text.p, text.n, row)) return fail_in("%s: line %" PRIu64, in->name, *line);
    struct slice key = import_key(in->json);
    if (key.n && !val_get(&row->root, "pid")) val_set(&row->zone, &row->root, "pid", val_of_str(&row->zone, key.p, key.n));
    row->number = *line;
    return 1;
}

int bench_rows_next(struct bench_rows *in, struct record *row, uint64_t *line)
{
    if (!in->begun && !in->json && is_json(in->f, &in->line)) in->json = import_open_keyed(in->f, in->name);
    if (in->json) return next_json(in, row, line);
    int got = next_fields(in, row, line);
    return got < 0 ? fail_in("%s: line %" PRIu64, in->name, in->line) : got;
}
