/* SPDX-License-Identifier: Apache-2.0
 * The accuracy that ops/vec/math.h states, over the whole range, on each ISA; and what is special.
 */
#include "check.h"

static const struct vec *isa;

/* Values from lo to hi, 4 million in all. */
static double worst_exp(float lo, float hi)
{
    enum { N = 4096, PARTS = 1024 };
    static float x[N], y[N];
    double worst = 0;
    for (int p = 0; p < PARTS; p++) {
        for (int i = 0; i < N; i++) x[i] = lo + (hi - lo) * (float)(p * N + i) / (float)(PARTS * N);
        isa->soft->prob(y, DT_F32, x, N, (struct log_sum){ 0, 0 }, 1);
        for (int i = 0; i < N; i++) worst = fmax(worst, fabs(y[i] / exp(x[i]) - 1));
    }
    return worst;
}

static void test_exp(void)
{
    double wide = worst_exp(-87.3f, 88.3f), narrow = worst_exp(-1, 1);
    printf("# exp: relative error %.3g, in [-1, 1] %.3g\n", wide, narrow);
    T_NEAR(wide, 0, 2e-7);
    T_NEAR(narrow, 0, 2e-7);
    float x[] = { 0, -0.0f, -100, -INFINITY, 200, INFINITY, NAN, -87.5f }, y[countof(x)];
    isa->soft->prob(y, DT_F32, x, countof(x), (struct log_sum){ 0, 0 }, 1);
    T_CHECK(y[0] == 1 && y[1] == 1 && y[2] == 0 && y[3] == 0 && y[7] == 0);
    T_CHECK(y[4] > 2e38f && y[5] > 2e38f && isnan(y[6]));
}

/* act() of one kind over [-12, 12]; absolute error relative to 1 + |y|. */
static double worst_act(enum act a, bool bwd)
{
    enum { N = 200000 };
    static float x[N], y[N], one[N];
    for (int i = 0; i < N; i++) { x[i] = -12 + 24.0f * (float)i / N; y[i] = 0; one[i] = 1; }
    struct mat mx = mat_of(x, DT_F32, 1, N), my = mat_of(y, DT_F32, 1, N), m1 = mat_of(one, DT_F32, 1, N);
    if (bwd) isa->rows->act_bwd(a, my, m1, mx);
    else isa->rows->act(a, my, mx);
    double worst = 0;
    for (int i = 0; i < N; i++) {
        double want = bwd ? ref_dact1(a, x[i]) : ref_act1(a, x[i]);
        worst = fmax(worst, fabs(y[i] - want) / (1 + fabs(want)));
    }
    return worst;
}

static void test_act(void)
{
    for (int a = ACT_GELU; a <= ACT_RELU; a++)
        for (int b = 0; b < 2; b++) {
            double e = worst_act((enum act)a, b);
            printf("# act %d%s: error %.3g\n", a, b ? " derivative" : "", e);
            T_NEAR(e, 0, 1e-6);
        }
    float x[] = { NAN, INFINITY, 0 }, y[3];
    for (int a = ACT_GELU; a <= ACT_RELU; a++) {
        isa->rows->act((enum act)a, mat_of(y, DT_F32, 1, 3), mat_of(x, DT_F32, 1, 3));
        T_CHECK(isnan(y[0]) && !(y[1] < 1e30f) && y[2] == 0);
    }
}

static void test_sums(void)
{
    enum { N = 1037 };
    float a[N], b[N], s[N + 19];
    double dot = 0, sum = 0, top = -INFINITY;
    for (int i = 0; i < N; i++) { a[i] = check_value(); b[i] = check_value(); s[i] = 30 * check_value(); dot += (double)a[i] * b[i]; top = fmax(top, s[i]); }
    T_NEAR(isa->soft->dot(a, b, N), dot, 2e-5);
    for (int i = 0; i < N; i++) sum += exp(s[i] - top);
    struct log_sum l = isa->soft->log_sum(s, N);
    T_CHECK(l.top == (float)top);
    T_NEAR(l.rest, log(sum), 1e-5);
    for (int i = N; i < N + 19; i++) s[i] = NAN;
    float lse, got = isa->soft->weights(s, N, N + 19, 1, &lse);
    T_NEAR(got, sum, 1e-5 * sum);
    T_NEAR(lse, top + log(sum), 1e-5);
    for (int i = N; i < N + 19; i++) T_CHECK(s[i] == 0);
}

int main(void)
{
    static const char *const isas[] = { "base", "avx2", "avx512" };
    check_seed();
    for (int i = 0; i < countof(isas); i++) {
        if (!(isa = vec_named(isas[i]))) continue;
        printf("# %s\n", isas[i]);
        T_RUN(test_exp);
        T_RUN(test_act);
        T_RUN(test_sums);
    }
    T_CHECK(!vec_named("none"));
    return t_end();
}
