/* SPDX-License-Identifier: Apache-2.0
 * cos-select filter: the records that meet conditions.
 */
#include <stdlib.h>
#include <string.h>
#include "select.h"

static struct { struct opt_list where, has; bool not; } filter;

const struct opt select_filter_opts[] = {
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

int select_filter(struct tool *t)
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
