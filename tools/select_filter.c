/* SPDX-License-Identifier: Apache-2.0
 * cos-select filter: the records that meet conditions and occur in no test set.
 */
#include <stdlib.h>
#include <string.h>
#include "base/near.h"
#include "select.h"

static struct { struct opt_list where, has; bool not; struct unlike_opts unlike; } filter = { .unlike = { .distance = UNLIKE_BITS } };

const struct opt select_filter_opts[] = {
    { 'w', "where", "COND", OPT_LIST, &filter.where, 0, 0, "KEY=VALUE, or with != < <= > >=; #KEY is the number of items" },
    { 0, "has", "KEY", OPT_LIST, &filter.has, 0, 0, "the key is there and not null" },
    { 'v', "not", NULL, OPT_FLAG, &filter.not, 0, 0, "keep the records that do not meet them" },
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "Test sets" },
    { 0, "unlike", "FILE", OPT_LIST, &filter.unlike.files, 0, 0, "reject what occurs in this test set, a file of records" },
    { 0, "by", UNLIKE_WORDS, OPT_CHOICE, &filter.unlike.by, 0, 0, "what has to be the same: an image and the question asked about it, one alone,\nor either" },
    { 0, "bits", "N", OPT_INT, &filter.unlike.distance, 0, NEAR_MAX, "of 64 in which the hashes of equal images may differ" },
    { 0, "images", "PATH", OPT_STR, &filter.unlike.images, 0, 0, "folder or archive that image references are looked up in" },
    { 0, "test-images", "PATH", OPT_STR, &filter.unlike.tests_images, 0, 0, "the same for the test sets, where it is another one" },
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

struct filtering { struct tool *t; const struct cond *cond; int n; struct unlike *unlike; double done; };
struct item { struct record *r; struct looks looks; bool passes; char *unreadable; };

static void drop_item(void *arg, void *item)
{
    struct item *it = item;
    (void)arg;
    rec_free(it->r);
    looks_free(&it->looks);
    free(it->unreadable);
    free(it);
}

static int read_item(void *arg, void **item)
{
    struct filtering *f = arg;
    struct item *it = mem_alloc(sizeof *it);
    it->r = rec_new();
    int got = tool_read(f->t, it->r);
    if (got > 0) *item = it;
    else drop_item(arg, it);
    return got;
}

static int work_item(void *arg, void *item)
{
    struct filtering *f = arg;
    struct item *it = item;
    it->passes = passes(f->cond, f->n, it->r);
    if (it->passes && f->unlike && unlike_look(f->unlike, it->r, &it->looks)) it->unreadable = mem_str(err_msg());
    return 0;
}

static int write_item(void *arg, void *item)
{
    struct filtering *f = arg;
    struct item *it = item;
    int bad = 0;
    const char *why = NULL;
    if (it->passes && f->unlike && !it->unreadable) why = unlike_judge(f->unlike, it->r, &it->looks);
    if (!it->passes) tool_drop(f->t, 1, "not chosen");
    else if (it->unreadable) bad = tool_reject_noted(f->t, it->r, "unreadable image", it->unreadable);
    else bad = why ? tool_reject(f->t, it->r, why) : tool_write(f->t, it->r);
    tool_progress(f->t, "records", ++f->done, 0, NULL);
    drop_item(arg, it);
    return bad;
}

static int filter_stream(struct tool *t, const struct cond *c, int n)
{
    struct filtering f = { .t = t, .cond = c, .n = n };
    struct par_pipe pipe = { &f, read_item, work_item, write_item, drop_item };
    if (filter.unlike.files.n && !(f.unlike = unlike_open(&filter.unlike, t->std.threads))) return -1;
    int bad = tool_open(t) || par_pipe(t->std.threads, &pipe);
    if (!bad && f.unlike) unlike_note(f.unlike, t);
    unlike_close(f.unlike);
    return bad ? -1 : tool_close(t);
}

int select_filter(struct tool *t)
{
    struct cond c[OPT_LIST_MAX] = {0};
    int bad = filter.where.n + filter.has.n + filter.unlike.files.n ? 0 : fail_kind(ERR_USAGE, "want --where, --has or --unlike");
    for (int i = 0; i < filter.where.n && !bad; i++) bad = parse_cond(filter.where.v[i], &c[i]);
    if (!bad) bad = filter_stream(t, c, filter.where.n);
    for (int i = 0; i < filter.where.n; i++) {
        free(c[i].key);
        free(c[i].text);
    }
    return bad;
}
