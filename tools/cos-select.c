/* SPDX-License-Identifier: Apache-2.0
 * cos-select: chooses among records. */
#include "common.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- top ---- */

static struct { int n; const char *by; } top = { 1, "scores.prm" };

static const struct opt top_opts[] = {
    { 'n', NULL, "N", OPT_INT, &top.n, 1, 1000000, "paths kept of each id" },
    { 0, "by", "KEY", OPT_STR, &top.by, 0, 0, "the number to go by, higher is better; dots lead into maps" },
    OPT_END };

/* The best paths of the id being read, best first: at most n, and one more while it is tried. */
struct best { struct record **r; double *score; int64_t *index; int n; };

static bool same_id(const struct record *a, const struct record *b)
{
    return val_equal(val_get(&a->root, "id"), val_get(&b->root, "id"));
}

static void insert(struct best *b, struct record *r, double score)
{
    int64_t index = INT64_MAX;                 /* equal scores: by path.index, then as they came */
    val_i64(val_path(&r->root, "path.index"), &index);
    int i = b->n++;
    for (; i > 0 && (score > b->score[i - 1] || (score == b->score[i - 1] && index < b->index[i - 1])); i--) {
        b->r[i] = b->r[i - 1];
        b->score[i] = b->score[i - 1];
        b->index[i] = b->index[i - 1];
    }
    b->r[i] = r;
    b->score[i] = score;
    b->index[i] = index;
}

static int put_best(struct tool *t, struct best *b)
{
    int bad = 0;
    for (int i = 0; i < b->n; i++) {
        if (!bad) bad = tool_write(t, b->r[i]);
        rec_free(b->r[i]);
    }
    b->n = 0;
    return bad;
}

/* Takes r over. */
static int offer(struct tool *t, struct best *b, struct record *r)
{
    double score;
    const char *id;
    size_t n;
    bool named = val_str(val_get(&r->root, "id"), &id, &n), known = val_f64(val_path(&r->root, top.by), &score) && !isnan(score);
    if (!named || !known) {
        int bad = tool_reject(t, r, named ? "no score" : "no id");
        rec_free(r);
        return bad;
    }
    insert(b, r, score);
    if (b->n <= top.n) return 0;
    rec_free(b->r[--b->n]);
    tool_drop(t, 1, "not chosen");
    return 0;
}

static int top_stream(struct tool *t, struct best *b)
{
    int got, bad = 0;
    struct record *r = rec_new();
    while (!bad && (got = tool_read(t, r)) > 0) {
        if (b->n && !same_id(b->r[0], r)) bad = put_best(t, b);
        if (!bad) bad = offer(t, b, r);
        else rec_free(r);
        r = rec_new();
        tool_progress(t, "records", (double)rec_reader_count(t->in), 0, NULL);
    }
    rec_free(r);
    return bad || got < 0 || put_best(t, b) ? -1 : tool_close(t);
}

static int run_top(struct tool *t)
{
    if (tool_open(t)) return -1;
    size_t room = (size_t)top.n + 1;
    struct best b = { mem_array(room, sizeof *b.r), mem_array(room, sizeof *b.score), mem_array(room, sizeof *b.index), 0 };
    int bad = top_stream(t, &b);
    for (int i = 0; i < b.n; i++) rec_free(b.r[i]);
    free(b.r);
    free(b.score);
    free(b.index);
    return bad;
}

/* ---- filter ---- */

static struct { struct opt_list where, has; bool not; } filter;

static const struct opt filter_opts[] = {
    { 'w', "where", "COND", OPT_LIST, &filter.where, 0, 0, "KEY=VALUE, or with != < <= > >=; #KEY is the number of items" },
    { 0, "has", "KEY", OPT_LIST, &filter.has, 0, 0, "the key is there and not null" },
    { 'v', "not", NULL, OPT_FLAG, &filter.not, 0, 0, "keep the others" },
    OPT_END };

enum op { OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE };
struct cond { char *key; enum op op; char *text; bool is_number, count; double x; };

static char *trimmed(const char *s, size_t n)
{
    while (n && *s == ' ') { s++; n--; }
    while (n && s[n - 1] == ' ') n--;
    return mem_strn(s, n);
}

static int parse_cond(const char *s, struct cond *c)
{
    size_t k = strcspn(s, "=<>!");
    const char *o = s + k;
    bool wide = *o && o[1] == '=';
    if (k == 0 || !*o || (*o == '!' && !wide)) return fail_kind(ERR_USAGE, "--where: '%s' is not KEY=VALUE or the like", s);
    c->op = *o == '=' ? OP_EQ : *o == '!' ? OP_NE : *o == '<' ? (wide ? OP_LE : OP_LT) : wide ? OP_GE : OP_GT;
    c->count = s[0] == '#';
    c->key = trimmed(s + c->count, k - c->count);
    o += wide ? 2 : 1;
    c->text = trimmed(o, strlen(o));
    char *end;
    c->x = strtod(c->text, &end);
    c->is_number = *c->text && !*end;
    if (!c->is_number && (c->op >= OP_LT || c->count)) return fail_kind(ERR_USAGE, "--where: '%s': '%s' is not a number", s, c->text);
    return 0;
}

static bool compare(double a, enum op op, double b)
{
    switch (op) {
    case OP_EQ: return a == b;
    case OP_NE: return a != b;
    case OP_LT: return a < b;
    case OP_LE: return a <= b;
    case OP_GT: return a > b;
    default: return a >= b;
    }
}

static double items(const val *v)              /* of an array, map, or numeric array; characters of a string */
{
    size_t n = 0;
    if (v->type == MSGPACK_OBJECT_MAP) return v->via.map.size;
    if (v->type == MSGPACK_OBJECT_EXT) return v->via.ext.size / 4;
    if (v->type == MSGPACK_OBJECT_BIN) return v->via.bin.size;
    if (v->type != MSGPACK_OBJECT_STR) return val_len(v);
    for (uint32_t i = 0; i < v->via.str.size; i++) n += (v->via.str.ptr[i] & 0xc0) != 0x80;
    return (double)n;
}

/* A key that is absent meets no condition, not even !=: what is unknown is not told apart from anything. */
static bool holds(const struct cond *c, const struct record *r)
{
    const val *v = val_path(&r->root, c->key);
    double x;
    bool b;
    if (!v) return false;
    if (c->count) return compare(items(v), c->op, c->x);
    if (val_f64(v, &x)) return c->is_number && compare(x, c->op, c->x);
    if (c->op >= OP_LT) return false;
    bool equal = val_bool(v, &b) ? !strcmp(c->text, b ? "true" : "false")
               : v->type == MSGPACK_OBJECT_NIL ? !strcmp(c->text, "null") : val_is_str(v, c->text);
    return equal == (c->op == OP_EQ);
}

static bool passes(const struct cond *c, int n, const struct record *r)
{
    bool ok = true;
    for (int i = 0; i < n && ok; i++) ok = holds(&c[i], r);
    for (int i = 0; i < filter.has.n && ok; i++) {
        const val *v = val_path(&r->root, filter.has.v[i]);
        ok = v && v->type != MSGPACK_OBJECT_NIL;
    }
    return ok != filter.not;
}

static int filter_stream(struct tool *t, const struct cond *c, int n)
{
    if (tool_open(t)) return -1;
    struct record *r = rec_new();
    int got, bad = 0;
    while (!bad && (got = tool_read(t, r)) > 0) {
        if (passes(c, n, r)) bad = tool_write(t, r);
        else tool_drop(t, 1, "not chosen");
        tool_progress(t, "records", (double)rec_reader_count(t->in), 0, NULL);
    }
    rec_free(r);
    return bad || got < 0 ? -1 : tool_close(t);
}

static int run_filter(struct tool *t)
{
    struct cond c[OPT_LIST_MAX] = {0};
    int bad = filter.where.n + filter.has.n ? 0 : fail_kind(ERR_USAGE, "want --where or --has");
    for (int i = 0; i < filter.where.n && !bad; i++) bad = parse_cond(filter.where.v[i], &c[i]);
    if (!bad) bad = filter_stream(t, c, filter.where.n);
    for (int i = 0; i < filter.where.n; i++) {
        free(c[i].key);
        free(c[i].text);
    }
    return bad;
}

static const struct command cmds[] = {
    { "top", "keeps the best paths of each id, best first", top_opts, run_top, "[FILE...]",
      "The paths of an id follow one another. Equal scores go by path.index, then by their order. Paths without the\n"
      "number are rejected (\"no score\"): unknown is not worst. Holds N + 1 records in memory.\n\n"
      "  cos-select top -n 4 --by scores.prm < scored.cos > best4.cos\n"
      "  cos-select top --by path.answer_score < scored.cos | cos-eval accuracy" },
    { "filter", "keeps the records that meet all conditions", filter_opts, run_filter, "[FILE...]",
      "Dots lead into maps. Numbers are compared as numbers, true, false and null by those words, all else as text.\n"
      "A key that is absent meets no condition, not even !=.\n\n"
      "  cos-select filter --where path.end=stop --where 'scores.prm > 0.5' < paths.cos > good.cos\n"
      "  cos-select filter --where '#path.steps >= 3' --has path.correct < paths.cos > long.cos\n"
      "  cos-select filter --not --where path.correct=true < paths.cos > wrong-or-unknown.cos" },
    { 0 } };

int main(int argc, char **argv) { return tool_main("cos-select", "chooses among records", cmds, argc, argv); }
