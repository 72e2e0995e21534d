/* SPDX-License-Identifier: Apache-2.0
 * cos-segment --from BENCHMARK: its files, or files of models' outputs, row by row. */
#include <string.h>
#include "segment.h"

struct state {
    struct tool *t;
    const struct segment_bench *set;
    struct bench_reader reader;
    struct record *row, *out;
    struct buf last_id;                        /* of the record written last, and how many paths it had so far */
    int64_t paths;
    double done;
};

static bool other_split(const struct state *s)
{
    return s->set->split && !val_is_str(val_get(&s->row->root, "split"), s->set->split) &&
           !val_is_str(val_path(&s->row->root, "metadata.split"), s->set->split);
}

/* Rows that follow each other with one id are paths of one question. */
static void number_path(struct state *s)
{
    struct slice id;
    val *path = val_get(&s->out->root, "path");
    if (!val_str(val_get(&s->out->root, "id"), &id.p, &id.n)) return;
    bool same = s->last_id.len == id.n && id.n && !memcmp(s->last_id.p, id.p, id.n);
    if (!same) {
        buf_clear(&s->last_id);
        buf_add(&s->last_id, id.p, id.n);
        s->paths = 0;
    }
    if (path) val_set(&s->out->zone, path, "index", val_of_i64(s->paths++));
}

static int convert_row(struct state *s, uint64_t line)
{
    const char *why = NULL;
    tool_count(s->t, 1, 0);
    tool_progress(s->t, "rows", ++s->done, 0, NULL);
    if (other_split(s)) {
        tool_drop(s->t, 1, "of another split");
        return 0;
    }
    if (bench_read(&s->reader, s->row, line, s->out, &why)) return why ? tool_reject(s->t, s->out, why) : -1;
    if (s->set->source) val_set(&s->out->zone, &s->out->root, "source", val_of_cstr(&s->out->zone, s->set->source));
    number_path(s);
    return tool_write(s->t, s->out);
}

static int convert_file(struct state *s, FILE *f, const char *name)
{
    uint64_t line;
    int got;
    struct bench_rows *in = bench_rows_open(s->set->form, f, name);
    s->reader.file = name;
    while ((got = bench_rows_next(in, s->row, &line)) > 0)
        if (convert_row(s, line)) {
            got = -1;
            break;
        }
    bench_rows_close(in);
    return got;
}

static int convert(struct state *s)
{
    FILE *f;
    const char *name;
    int got;
    if (tool_open_out(s->t)) return -1;
    while ((got = tool_next_file(s->t, &f, &name)) > 0)
        if (convert_file(s, f, name)) return -1;
    if (got < 0) return -1;
    size_t unused = s->reader.outputs ? bench_outputs_unused(s->reader.outputs) : 0;
    if (unused) tool_warn(s->t, "--outputs %s: %zu outputs of ids that no row has", s->set->outputs, unused);
    return tool_close(s->t);
}

int segment_bench(struct tool *t, const struct segment_bench *set)
{
    struct state s = { .t = t, .set = set, .reader = { .form = set->form, .prefix = set->prefix, .media = set->media } };
    if (set->outputs && !(s.reader.outputs = bench_outputs_load(set->outputs))) return -1;
    s.row = rec_new();
    s.out = rec_new();
    int bad = convert(&s);
    rec_free(s.row);
    rec_free(s.out);
    buf_free(&s.last_id);
    bench_outputs_free(s.reader.outputs);
    return bad;
}
