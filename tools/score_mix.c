/* SPDX-License-Identifier: Apache-2.0
 * cos-score mix: one reward from the scores of a path and from named rewards.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "record/reward.h"
#include "score.h"

static struct { struct reward w; double path_weight; const char *as; struct opt_list add; } set = {
    .w = REWARD_DEFAULT, .path_weight = 1, .as = "mix" };

const struct opt score_mix_opts[] = {
    REWARD_OPTS(set.w),
    { 0, "path-weight", "W", OPT_FLOAT, &set.path_weight, -1e9, 1e9, "of the path's score in the mix; 0: it is not looked at" },
    { 0, "add", "NAME=W,...", OPT_LIST, &set.add, 0, 0, "named rewards (scores.NAME, or a dotted key) and their weights" },
    { 0, "as", "NAME", OPT_STR, &set.as, 0, 0, "the name of the result: scores.NAME" },
    OPT_END };

const char score_mix_details[] =
    "scores.mix = path-weight * score of the path + the sum of W * scores.NAME, where the score of a path is\n"
    "W * mean(step scores) + (1 - W) * answer score by --step-weight, --agg, --over, as cos-select has it. A path of which a\n"
    "part is unknown is rejected: unknown is not zero.\n\n"
    "  cos-score mix --step-weight 0.2 --as mix < scored.cos | cos-select best --by mix\n"
    "  cos-score mix --path-weight 0.5 --add answer=1,length=-0.001 < scored.cos > mixed.cos";

struct term { char *key, *missing; double weight; };       /* missing: the reason of a reject */
struct mix { struct term *term; int n; };

/* "NAME=W" of n bytes. */
static int add_term(struct mix *m, const char *s, size_t n)
{
    const char *eq = memchr(s, '=', n);
    char *number = eq ? mem_strn(eq + 1, n - (size_t)(eq + 1 - s)) : NULL, *end = number;
    double w = number ? strtod(number, &end) : 0;
    bool ok = number && eq > s && *number && !*end && isfinite(w);
    free(number);
    if (!ok) return fail_kind(ERR_USAGE, "--add: '%.*s' is not NAME=W", (int)n, s);
    m->term = mem_grow(m->term, (size_t)m->n + 1, sizeof *m->term);
    char *key = mem_strn(s, (size_t)(eq - s));
    m->term[m->n++] = (struct term){ key, mem_fmt("no %s%s", strchr(key, '.') ? "" : "scores.", key), w };
    return 0;
}

static int parse_terms(struct mix *m)
{
    for (int i = 0; i < set.add.n; i++)
        for (const char *s = set.add.v[i]; s; s = strchr(s, ',') ? strchr(s, ',') + 1 : NULL)
            if (add_term(m, s, strcspn(s, ","))) return -1;
    return m->n || set.path_weight != 0 ? 0 : fail_kind(ERR_USAGE, "--path-weight 0 without --add leaves nothing to mix");
}

/* NULL, or why the path has no mix. */
static const char *mix_of(const struct mix *m, const val *root, double *x)
{
    struct path_score s = { 0 };
    const val *path = val_get(root, "path");
    if (!path || path->type != MSGPACK_OBJECT_MAP) return "no path";
    const char *why = set.path_weight != 0 ? reward_of(&set.w, root, &s) : NULL;
    if (why) return why;
    *x = set.path_weight * s.score;
    for (int i = 0; i < m->n; i++) {
        double y;
        if (!reward_named(root, m->term[i].key, &y)) return m->term[i].missing;
        *x += m->term[i].weight * y;
    }
    return isfinite(*x) ? NULL : "not finite";
}

static int mix_all(struct tool *t, const struct mix *m, struct record *r)
{
    int got;
    if (tool_open(t)) return -1;
    for (double n = 1; (got = tool_read(t, r)) > 0; n++) {
        double x;
        const char *why = mix_of(m, &r->root, &x);
        if (!why) val_set(&r->zone, val_set_map(&r->zone, &r->root, "scores"), set.as, val_of_f64(x));
        if (why ? tool_reject(t, r, why) : tool_write(t, r)) return -1;
        tool_progress(t, "paths", n, 0, NULL);
    }
    return got < 0 ? -1 : tool_close(t);
}

int score_mix(struct tool *t)
{
    struct mix m = { 0 };
    struct record *r = rec_new();
    int bad = parse_terms(&m) || mix_all(t, &m, r) ? -1 : 0;
    rec_free(r);
    for (int i = 0; i < m.n; i++) {
        free(m.term[i].key);
        free(m.term[i].missing);
    }
    free(m.term);
    return bad;
}
