/* SPDX-License-Identifier: Apache-2.0
 * cos-eval compare: two sets of answers to the same questions.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "eval.h"

static struct { int match, resamples; bool common, json; } set = { .resamples = 10000 };

const struct opt eval_compare_opts[] = {
    EVAL_MATCH_OPT(set.match),
    { 0, "common", NULL, OPT_FLAG, &set.common, 0, 0, "leave out questions that only one side has, instead of refusing them" },
    EVAL_BOOT_OPT(set.resamples),
    EVAL_JSON_OPT(set.json),
    OPT_END };

const char eval_compare_details[] =
    "Takes two files, A and B. Of several paths with one id the one with the lowest path.index counts. A question that only\n"
    "one side has is an error, since the sides would answer different questions; --common leaves it out.\n"
    "  a, b          accuracy of A and of B (Wilson)\n"
    "  difference    b - a, with its interval by resampling questions, both answers of a question together\n"
    "  only_a_right, only_b_right, both_right, none_right        counts of questions, as shares\n"
    "  p_mcnemar     McNemar's test, exact and two-sided: how likely so uneven a split of the questions that only one side\n"
    "                has right would be, were neither side better\n\n"
    "  cos-eval compare before.cos after.cos";

struct answer { bool known, right; int64_t index; };
struct question { struct answer side[2]; };
struct comparison {
    struct names ids;
    struct question *q;
    size_t cap;
    int n, count[2][2];                        /* questions that both have; [a right][b right] */
    int *in_both;
    uint64_t later;
};

static int take(struct comparison *c, struct record *r, int side)
{
    struct slice id;
    struct answer a = { .known = true };
    bool unparsed;
    if (!eval_id(r, &id)) return fail("no id");
    if (eval_judge(r, set.match, &a.right, &unparsed)) return -1;
    (void)val_i64(val_path(&r->root, "path.index"), &a.index);
    size_t known = c->ids.n, i = names_index(&c->ids, id);
    if (i == c->cap) {
        c->cap = c->cap ? 2 * c->cap : 1024;
        c->q = mem_grow(c->q, c->cap, sizeof *c->q);
    }
    if (i == known) c->q[i] = (struct question){ 0 };
    struct answer *old = &c->q[i].side[side];
    if (old->known && old->index == a.index) return fail("the same path.index as another path of its id");
    c->later += old->known;
    if (!old->known || a.index < old->index) *old = a;
    return 0;
}

static int settle(struct tool *t, struct comparison *c)
{
    int only[2] = { 0, 0 }, first[2] = { -1, -1 };
    c->in_both = mem_array(c->ids.n + 1, sizeof *c->in_both);
    for (int i = 0; i < (int)c->ids.n; i++) {
        const struct answer *s = c->q[i].side;
        int lone = s[0].known ? 0 : 1;
        if (s[0].known && s[1].known) {
            c->in_both[c->n++] = i;
            c->count[s[0].right][s[1].right]++;
        } else if (only[lone]++ == 0) first[lone] = i;
    }
    if (only[0] + only[1] && !set.common) {
        struct slice id = c->ids.name[first[only[0] == 0]];
        return fail("%d questions are only in %s, %d only in %s, as %.*s (--common leaves them out)", only[0], t->operand[0], only[1],
                    t->operand[1], (int)id.n, id.p);
    }
    tool_drop(t, (uint64_t)(only[0] + only[1]), "on one side only");
    return c->n ? 0 : fail("no question is in both");
}

static void difference(const void *arg, const double *weight, double *out)
{
    const struct comparison *c = arg;
    double sum = 0, n = 0;
    for (int i = 0; i < c->n; i++) {
        const struct answer *s = c->q[c->in_both[i]].side;
        sum += weight[i] * (s[1].right - s[0].right);
        n += weight[i];
    }
    out[0] = sum / n;
}

static void put_share(struct table *t, const char *name, int k, int n)
{
    table_word(t, name);
    table_count(t, (uint64_t)n);
    table_share(t, (double)k / n, (uint64_t)n, 4);
}

static void put_table(FILE *f, const struct comparison *c, const struct boot *b)
{
    static const char *const column[] = { "measure", "n", EVAL_VALUE_COLUMNS };
    struct table t;
    struct estimate e;
    int n = c->n, none = c->count[0][0], only_b = c->count[0][1], only_a = c->count[1][0], both = c->count[1][1];
    boot_estimate(difference, c, n, 1, b, &e);
    table_begin(&t, f, set.json, "compare", column, countof(column));
    put_share(&t, "a", both + only_a, n);
    put_share(&t, "b", both + only_b, n);
    table_word(&t, "difference");
    table_count(&t, (uint64_t)n);
    table_estimate(&t, &e, 4, eval_boot_name(b));
    put_share(&t, "only_a_right", only_a, n);
    put_share(&t, "only_b_right", only_b, n);
    put_share(&t, "both_right", both, n);
    put_share(&t, "none_right", none, n);
    table_word(&t, "p_mcnemar");
    table_count(&t, (uint64_t)(only_a + only_b));
    struct estimate p = { stat_mcnemar((uint64_t)only_a, (uint64_t)only_b), { NAN, NAN } };
    table_estimate(&t, &p, 6, "-");
    table_end(&t);
}

/* Which operand the record read last came from. */
static int side_of(const struct tool *t)
{
    const char *name = tool_input_name(t), *first = t->operand[0];
    return strcmp(first, "-") ? name != first : strcmp(name, "stdin") != 0;
}

static int compare(struct tool *t, struct comparison *c, struct record *r)
{
    int got;
    char label[256];
    if (tool_open(t)) return -1;
    FILE *out = tool_text(t);
    for (double n = 1; (got = tool_read(t, r)) > 0; n++) {
        if (take(c, r, side_of(t))) return fail_in("%s: %s", tool_input_name(t), rec_label(r, label, sizeof label));
        tool_progress(t, "paths", n, 0, NULL);
    }
    if (got < 0 || settle(t, c)) return -1;
    put_table(out, c, &(struct boot){ set.resamples, t->std.seed, t->std.threads });
    tool_drop(t, c->later, "not the first of their question");
    return tool_close(t);
}

int eval_compare(struct tool *t)
{
    if (t->noperand != 2 || !strcmp(t->operand[0], t->operand[1])) return fail_kind(ERR_USAGE, "want two files");
    struct comparison c = { 0 };
    struct record *r = rec_new();
    int bad = compare(t, &c, r);
    rec_free(r);
    names_free(&c.ids);
    free(c.q);
    free(c.in_both);
    return bad;
}
