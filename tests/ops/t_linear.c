/* SPDX-License-Identifier: Apache-2.0
 * linear, linear_dx, linear_dw against naive loops.
 */
#include "check.h"

struct shape { int T, N, K, gap; };

static const struct shape shapes[] = {
    { 1, 1, 1, 0 }, { 1, 64, 64, 0 }, { 2, 3, 5, 1 }, { 7, 31, 17, 3 }, { 13, 33, 70, 0 }, { 16, 128, 256, 0 },
    { 64, 96, 100, 5 }, { 97, 65, 257, 0 }, { 128, 300, 64, 8 }, { 100, 50, 600, 0 }, { 500, 40, 48, 2 }, { 1100, 24, 36, 0 },
};

/* Tolerance in f32: rounding of a sum of up to 1100 products of values below 1. By integers those below 1/16 are rounded
 * to 2^-12: one in 16 of each side. */
static const double tol = 1e-4, tol_integers = 4e-3;

static void one_linear(struct shape s, enum dtype t, enum dtype ty, bool bias)
{
    struct ops *o = check_ops;
    struct tensor x = tensor_new(o, t, s.T, s.K, s.gap, RANDOM), w = tensor_new(o, t, s.N, s.K, s.gap / 2, RANDOM);
    struct tensor b = tensor_new(o, DT_F32, 1, s.N, 0, RANDOM), y = tensor_new(o, ty, s.T, s.N, s.gap, POISON);
    o->linear(o, y.dev, x.dev, w.dev, bias ? vec_dev(&b) : NULL);
    check_ref->linear(check_ref, y.ref, x.ref, w.ref, bias ? vec_ref(&b) : NULL);
    T_TENSOR(y, t == DT_BF16 && check_integers ? tol_integers : tol);
    tensor_free(&x); tensor_free(&w); tensor_free(&b); tensor_free(&y);
}

static void one_backward(struct shape s, enum dtype t)
{
    struct ops *o = check_ops;
    struct tensor x = tensor_new(o, t, s.T, s.K, s.gap, RANDOM), w = tensor_new(o, t, s.N, s.K, s.gap / 2, RANDOM);
    struct tensor dy = tensor_new(o, t, s.T, s.N, s.gap, RANDOM), dx = tensor_new(o, t, s.T, s.K, s.gap, RANDOM);
    struct tensor dw = tensor_new(o, DT_F32, s.N, s.K, 0, RANDOM), db = tensor_new(o, DT_F32, 1, s.N, 0, RANDOM);
    o->linear_dx(o, dx.dev, dy.dev, w.dev);
    check_ref->linear_dx(check_ref, dx.ref, dy.ref, w.ref);
    T_TENSOR(dx, tol);
    for (int mask = 1; mask < 4; mask++) {
        o->linear_dw(o, mask & 1 ? vec_dev(&dw) : NULL, mask & 2 ? vec_dev(&db) : NULL, dy.dev, x.dev);
        check_ref->linear_dw(check_ref, mask & 1 ? vec_ref(&dw) : NULL, mask & 2 ? vec_ref(&db) : NULL, dy.ref, x.ref);
    }
    T_TENSOR(dw, tol);
    T_TENSOR(db, tol);
    tensor_free(&x); tensor_free(&w); tensor_free(&dy); tensor_free(&dx); tensor_free(&dw); tensor_free(&db);
}

static void test_linear(void)
{
    for (int i = 0; i < countof(shapes); i++) {
        one_linear(shapes[i], DT_F32, DT_F32, i % 2);
        one_linear(shapes[i], DT_BF16, DT_BF16, i % 3);
        one_linear(shapes[i], DT_BF16, DT_F32, i % 2);
    }
    T_OK(check_ops->sync(check_ops));
}

static void test_backward(void)
{
    for (int i = 0; i < countof(shapes); i++) {
        one_backward(shapes[i], DT_F32);
        one_backward(shapes[i], DT_BF16);
    }
    T_OK(check_ops->sync(check_ops));
}

static void all(void) { T_RUN(test_linear); T_RUN(test_backward); }

int main(void) { return check_backends(all); }
