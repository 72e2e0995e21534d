/* SPDX-License-Identifier: Apache-2.0 */
#include "record/reward.h"

#include <math.h>
#include <string.h>

static bool known(const val *v, double *x) { return val_f64(v, x) && isfinite(*x); }

bool reward_named(const val *root, const char *key, double *x)
{
    double v;
    if (!known(strchr(key, '.') ? val_path(root, key) : val_get(val_get(root, "scores"), key), &v)) return false;
    *x = v;
    return true;
}

struct running { int n; double sum, product, least, last; };

static void add(struct running *a, double x)
{
    a->product = a->n ? a->product * x : x;
    a->least = a->n ? fmin(a->least, x) : x;
    a->sum += x;
    a->last = x;
    a->n++;
}

static double result(const struct running *a, int agg)
{
    switch (agg) {
    case AGG_MIN: return a->least;
    case AGG_PRODUCT: return a->product;
    case AGG_LAST: return a->last;
    default: return a->sum / a->n;
    }
}

static const char *add_steps(struct running *a, const val *path)
{
    double x;
    const val *steps = val_get(path, "steps");
    for (int i = 0; i < val_len(steps); i++) {
        if (!known(val_get(val_at(steps, i), "score"), &x)) return "a step has no score";
        add(a, x);
    }
    return NULL;
}

static bool broken(const val *path)
{
    const val *end = val_get(path, "end");
    return val_is_str(end, "length") || val_is_str(end, "format");
}

static const char *over_all(const struct reward *w, const val *path, struct path_score *s)
{
    struct running a = { 0 };
    double x;
    const char *why = add_steps(&a, path);
    if (why) return why;
    if (known(val_get(path, "answer_score"), &x)) add(&a, x);
    else if (broken(path)) return "no answer score";
    if (a.n == 0) return "no step and no answer score";
    *s = (struct path_score){ .score = result(&a, w->agg) };
    return NULL;
}

static const char *over_steps(const struct reward *w, const val *path, struct path_score *s)
{
    struct running a = { 0 };
    double answer = 0, W = w->step_weight;
    const char *why = W > 0 ? add_steps(&a, path) : NULL;
    if (why) return why;
    if (W > 0 && a.n == 0) return "no steps";
    if (W < 1 && !known(val_get(path, "answer_score"), &answer)) return "no answer score";
    double step = W > 0 ? W * result(&a, w->agg) : 0;
    answer = W < 1 ? (1 - W) * answer : 0;
    *s = (struct path_score){ step + answer, step, answer, true };
    return NULL;
}

const char *reward_of(const struct reward *w, const val *root, struct path_score *s)
{
    const val *path = val_get(root, "path");
    double x;
    if (w->by) {
        if (!reward_named(root, w->by, &x)) return "no score";
        *s = (struct path_score){ .score = x };
        return NULL;
    }
    if (!path || path->type != MSGPACK_OBJECT_MAP) return "no path";
    return w->over == OVER_ALL ? over_all(w, path, s) : over_steps(w, path, s);
}
