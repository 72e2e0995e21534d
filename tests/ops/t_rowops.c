/* SPDX-License-Identifier: Apache-2.0
 * Norms, activations, sums, rotary positions, row tables against naive loops.
 */
#include "check.h"

struct shape { int T, C, gap; };

static const struct shape shapes[] = {
    { 1, 1, 0 }, { 3, 2, 1 }, { 5, 7, 0 }, { 17, 31, 4 }, { 65, 48, 0 }, { 130, 65, 3 }, { 64, 128, 16 }, { 200, 257, 0 }, { 9, 1024, 0 },
    { 70, 264, 0 }, { 19, 1031, 2 }, { 18, 1536, 8 }, { 5, 4104, 0 }, { 3, 8200, 0 },      /* one pack a thread of the device and more, of 1, 4 and 8 */
};

static struct tensor tens(struct shape s, enum dtype t, enum fill f) { return tensor_new(check_ops, t, s.T, s.C, s.gap, f); }
static struct tensor vect(int rows, int n) { return tensor_new(check_ops, DT_F32, rows, n, 0, RANDOM); }

static void one_norm(struct shape s, enum dtype t, enum norm kind, bool frozen)
{
    struct ops *o = check_ops, *f = check_ref;
    struct tensor x = tens(s, t, RANDOM), y = tens(s, t, POISON), g = vect(1, s.C), b = vect(1, s.C), stat = vect(s.T, 2);
    struct tensor dx = tens(s, t, RANDOM), dy = tens(s, t, RANDOM), dg = vect(1, s.C), db = vect(1, s.C);
    bool layer = kind == NORM_LAYER;
    o->norm(o, kind, y.dev, x.dev, vec_dev(&g), layer ? vec_dev(&b) : NULL, 0.01f, vec_dev(&stat));
    f->norm(f, kind, y.ref, x.ref, vec_ref(&g), layer ? vec_ref(&b) : NULL, 0.01f, vec_ref(&stat));
    T_TENSOR(y, 1e-5);
    T_TENSOR(stat, 1e-5);
    o->norm_bwd(o, kind, dx.dev, frozen ? NULL : vec_dev(&dg), layer && !frozen ? vec_dev(&db) : NULL, dy.dev, x.dev, vec_dev(&g), vec_dev(&stat));
    f->norm_bwd(f, kind, dx.ref, frozen ? NULL : vec_ref(&dg), layer && !frozen ? vec_ref(&db) : NULL, dy.ref, x.ref, vec_ref(&g), vec_ref(&stat));
    T_TENSOR(dx, 2e-5);
    T_TENSOR(dg, 2e-5);
    T_TENSOR(db, 2e-5);
    o->norm(o, kind, y.dev, x.dev, vec_dev(&g), NULL, 0.01f, NULL);
    f->norm(f, kind, y.ref, x.ref, vec_ref(&g), NULL, 0.01f, NULL);
    T_TENSOR(y, 1e-5);
    tensor_free(&x); tensor_free(&y); tensor_free(&g); tensor_free(&b); tensor_free(&stat);
    tensor_free(&dx); tensor_free(&dy); tensor_free(&dg); tensor_free(&db);
}

static void test_norm(void)
{
    for (int i = 0; i < countof(shapes); i++)
        for (int t = 0; t < 2; t++) {
            one_norm(shapes[i], t ? DT_BF16 : DT_F32, NORM_LAYER, i % 3 == 2);
            one_norm(shapes[i], t ? DT_BF16 : DT_F32, NORM_RMS, i % 3 == 1);
        }
}

static float wide_range(int r, int c) { return (float)((r * 131 + c * 7) % 2001 - 1000) * 0.02f; }

static void one_act(struct shape s, enum dtype t, enum act a)
{
    struct ops *o = check_ops, *f = check_ref;
    struct tensor x = tens(s, t, RANDOM), y = tens(s, t, POISON), u = tens(s, t, RANDOM), dy = tens(s, t, RANDOM);
    struct tensor dx = tens(s, t, RANDOM), du = tens(s, t, RANDOM);
    tensor_set(&x, wide_range);
    o->act(o, a, y.dev, x.dev);
    f->act(f, a, y.ref, x.ref);
    T_TENSOR(y, 1e-6);
    o->act_bwd(o, a, dx.dev, dy.dev, x.dev);
    f->act_bwd(f, a, dx.ref, dy.ref, x.ref);
    T_TENSOR(dx, 2e-6);
    o->glu(o, a, y.dev, x.dev, u.dev);
    f->glu(f, a, y.ref, x.ref, u.ref);
    T_TENSOR(y, 1e-6);
    o->glu_bwd(o, a, dx.dev, du.dev, dy.dev, x.dev, u.dev);
    f->glu_bwd(f, a, dx.ref, du.ref, dy.ref, x.ref, u.ref);
    T_TENSOR(dx, 2e-6);
    T_TENSOR(du, 2e-6);
    tensor_free(&x); tensor_free(&y); tensor_free(&u); tensor_free(&dy); tensor_free(&dx); tensor_free(&du);
}

static void test_act(void)
{
    for (int i = 0; i < countof(shapes); i++)
        for (int a = ACT_GELU; a <= ACT_RELU; a++) {
            one_act(shapes[i], DT_F32, (enum act)a);
            one_act(shapes[i], DT_BF16, (enum act)a);
        }
}

static void one_sum(struct shape s, enum dtype t, bool scaled)
{
    struct ops *o = check_ops, *f = check_ref;
    struct tensor x = tens(s, t, RANDOM), y = tens(s, t, POISON), a = tens(s, t, RANDOM), da = tens(s, t, RANDOM);
    struct tensor sc = vect(1, s.C), ds = vect(1, s.C), wide = tens(s, DT_F32, RANDOM);
    o->residual(o, y.dev, x.dev, a.dev, scaled ? vec_dev(&sc) : NULL);
    f->residual(f, y.ref, x.ref, a.ref, scaled ? vec_ref(&sc) : NULL);
    T_TENSOR(y, 1e-6);
    o->residual(o, x.dev, x.dev, a.dev, scaled ? vec_dev(&sc) : NULL);
    f->residual(f, x.ref, x.ref, a.ref, scaled ? vec_ref(&sc) : NULL);
    T_TENSOR(x, 1e-6);
    o->residual_bwd(o, da.dev, scaled ? vec_dev(&ds) : NULL, y.dev, a.dev, scaled ? vec_dev(&sc) : NULL);
    f->residual_bwd(f, da.ref, scaled ? vec_ref(&ds) : NULL, y.ref, a.ref, scaled ? vec_ref(&sc) : NULL);
    T_TENSOR(da, 1e-6);
    if (t == DT_F32) T_TENSOR(ds, 1e-5);      /* the y of both sides differ by their rounding to bf16 */
    o->add(o, y.dev, a.dev);
    f->add(f, y.ref, a.ref);
    T_TENSOR(y, 1e-6);
    o->add(o, wide.dev, a.dev);
    f->add(f, wide.ref, a.ref);
    T_TENSOR(wide, 1e-6);
    tensor_free(&x); tensor_free(&y); tensor_free(&a); tensor_free(&da); tensor_free(&sc); tensor_free(&ds); tensor_free(&wide);
}

static void test_sums(void)
{
    for (int i = 0; i < countof(shapes); i++)
        for (int t = 0; t < 2; t++) {
            one_sum(shapes[i], t ? DT_BF16 : DT_F32, false);
            one_sum(shapes[i], t ? DT_BF16 : DT_F32, true);
        }
}

static void one_rope(int T, int heads, int D, enum dtype t)
{
    enum { P = 50 };
    struct ops *o = check_ops, *f = check_ref;
    struct tensor x = tensor_new(o, t, T, heads * D, 3, RANDOM), cs = vect(P, D);
    int pos[64];
    for (int i = 0; i < T; i++) pos[i] = check_below(P);
    for (int back = 0; back < 2; back++) {
        o->rope(o, x.dev, heads, D, pos, vec_dev(&cs), back);
        f->rope(f, x.ref, heads, D, pos, vec_ref(&cs), back);
        T_TENSOR(x, 1e-6);
    }
    tensor_free(&x); tensor_free(&cs);
}

static void test_rope(void)
{
    static const int D[] = { 2, 6, 32, 64, 80, 300 };
    for (int i = 0; i < countof(D); i++)
        for (int t = 0; t < 2; t++) one_rope(1 + check_below(64), 1 + i % 3, D[i], t ? DT_BF16 : DT_F32);
}

static void one_table(struct shape s, enum dtype t, int period)
{
    struct ops *o = check_ops, *f = check_ref;
    struct tensor y = tens(s, t, RANDOM), table = vect(period, s.C), dtable = vect(period, s.C);
    o->add_rows(o, y.dev, vec_dev(&table), period);
    f->add_rows(f, y.ref, vec_ref(&table), period);
    T_TENSOR(y, 1e-6);
    struct tensor dy = tens(s, t, RANDOM);
    o->add_rows_bwd(o, vec_dev(&dtable), dy.dev, period);
    f->add_rows_bwd(f, vec_ref(&dtable), dy.ref, period);
    T_TENSOR(dtable, 1e-5);
    tensor_free(&y); tensor_free(&table); tensor_free(&dtable); tensor_free(&dy);
}

static void test_tables(void)
{
    for (int i = 0; i < countof(shapes); i++)
        for (int t = 0; t < 2; t++)
            for (int period = 1; period < 40; period += 12) one_table(shapes[i], t ? DT_BF16 : DT_F32, period);
}

static void all(void)
{
    T_RUN(test_norm);
    T_RUN(test_act);
    T_RUN(test_sums);
    T_RUN(test_rope);
    T_RUN(test_tables);
    T_OK(check_ops->sync(check_ops));
}

int main(void) { return check_backends(all); }
