/* SPDX-License-Identifier: Apache-2.0
 * cos-eval length: how long the paths are, by source and in total.
 */
#include <math.h>
#include <stdlib.h>
#include "eval.h"

static struct { const char *by; bool json; int resamples; } set = { .by = "source", .resamples = EVAL_RESAMPLES };

const struct opt eval_length_opts[] = {
    { 0, "by", "KEY", OPT_STR, &set.by, 0, 0, "rows for each value of this key, as meta.round" },
    EVAL_BOOT_OPT(set.resamples),
    EVAL_JSON_OPT(set.json),
    OPT_END };

const char eval_length_details[] =
    "Means over all paths: steps, tokens (where path.tokens is there), characters of the steps and the answer, tokens a\n"
    "step, and the shares of paths that end by themselves in the step format, that were cut off, and that are not in the\n"
    "format. n: paths that a mean is over. Intervals resample questions, since the paths of one are not independent.";

enum { STEPS, TOKENS, CHARS, PER_STEP, STOP, CUT, FORMAT, MEASURES };
static const char *const names[MEASURES] = { "steps", "tokens", "chars", "tokens_per_step", "ends", "cut_off", "bad_format" };
static const int decimals[MEASURES] = { 2, 1, 1, 1, 4, 4, 4 };

struct part { struct columns c; struct names ids; };       /* the paths of one row of the table */
struct parts { struct part *part, total; int n; struct names rows; };

static void add(struct part *p, struct slice id, const double *x)
{
    double *row;
    p->c.k = MEASURES;
    row = columns_add(&p->c, (int)names_index(&p->ids, id));
    for (int j = 0; j < MEASURES; j++) row[j] = x[j];
}

static double is_end(const val *path, const char *word)
{
    const val *end = val_get(path, "end");
    return end && end->type == MSGPACK_OBJECT_STR ? val_is_str(end, word) : NAN;
}

static int take(struct parts *s, const struct record *r)
{
    struct slice id;
    char space[32];
    const val *path = val_get(&r->root, "path");
    if (!eval_id(r, &id)) return fail("no id");
    if (!path || path->type != MSGPACK_OBJECT_MAP) return fail("no path");
    double steps = eval_steps(path), tokens = eval_tokens(path);
    double x[MEASURES] = { steps, tokens, eval_chars(path), steps > 0 ? tokens / steps : NAN, is_end(path, "stop"), is_end(path, "length"),
                           is_end(path, "format") };
    int row = (int)names_index(&s->rows, eval_row(&r->root, set.by, space));
    if (row == s->n) {
        s->part = mem_grow(s->part, (size_t)++s->n, sizeof *s->part);
        s->part[row] = (struct part){ 0 };
    }
    add(&s->part[row], id, x);
    add(&s->total, id, x);
    return 0;
}

static void put_part(struct table *t, struct slice name, const struct part *p, const struct boot *b)
{
    struct estimate e[MEASURES];
    uint64_t count[MEASURES];
    columns_means(&p->c, (int)p->ids.n, b, e, count);
    for (int j = 0; j < MEASURES; j++) {
        if (!count[j]) continue;
        table_text(t, name);
        table_word(t, names[j]);
        table_count(t, count[j]);
        if (j >= STOP) table_rate(t, &e[j], p->ids.n, decimals[j], eval_boot_name(b));
        else table_estimate(t, &e[j], decimals[j], eval_boot_name(b));
    }
}

static int by_name(const void *x, const void *y, void *arg)
{
    return slice_order(((const struct slice *)arg)[*(const int *)x], ((const struct slice *)arg)[*(const int *)y]);
}

static void put_table(FILE *f, const struct parts *s, const struct boot *b)
{
    const char *const column[] = { set.by, "measure", "n", EVAL_VALUE_COLUMNS };
    struct table t;
    int *order = mem_array((size_t)s->n, sizeof *order);
    for (int i = 0; i < s->n; i++) order[i] = i;
    qsort_r(order, (size_t)s->n, sizeof *order, by_name, s->rows.name);
    table_begin(&t, f, set.json, "length", column, countof(column));
    for (int i = 0; i < s->n; i++) put_part(&t, s->rows.name[order[i]], &s->part[order[i]], b);
    put_part(&t, (struct slice){ "total", 5 }, &s->total, b);
    table_end(&t);
    free(order);
}

static int length(struct tool *t, struct parts *s, struct record *r)
{
    int got;
    char label[256];
    if (tool_open(t)) return -1;
    FILE *out = tool_text(t);
    for (double n = 1; (got = tool_read(t, r)) > 0; n++) {
        if (take(s, r)) return fail_in("%s", rec_label(r, label, sizeof label));
        tool_progress(t, "paths", n, 0, NULL);
    }
    if (got < 0) return -1;
    if (s->total.c.n == 0) return fail("no paths to measure");
    put_table(out, s, &(struct boot){ set.resamples, t->std.seed, t->std.threads });
    return tool_close(t);
}

static void part_free(struct part *p)
{
    columns_free(&p->c);
    names_free(&p->ids);
}

int eval_length(struct tool *t)
{
    struct parts s = { 0 };
    struct record *r = rec_new();
    int bad = length(t, &s, r);
    rec_free(r);
    for (int i = 0; i < s.n; i++) part_free(&s.part[i]);
    part_free(&s.total);
    free(s.part);
    names_free(&s.rows);
    return bad;
}
