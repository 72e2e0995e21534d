/* SPDX-License-Identifier: Apache-2.0
 * Gradients against central finite differences of the forward pass, f32. For a random direction u of the inputs and a
 * random weighting r of the outputs, (f(x + h u) - f(x - h u)) / 2h with f = sum r y must equal the sum of u times the
 * gradient. h = 1e-2 and rounding of f32 outputs leave an error near 1e-4 of the scale of f's terms.
 */
#include "check.h"

/* ---- what is differentiated: a few f32 inputs, one output ---- */

enum { INPUTS = 4 };
struct problem {
    int nin;
    struct mat in[INPUTS], grad[INPUTS];       /* dense f32 */
    struct mat out, dout;
    void (*forward)(struct problem *p);
    void (*backward)(struct problem *p);
    enum norm norm;
    enum act act;
    struct attn_args attn;
    float *stat;
    const int *idx;
};

static float *fresh(int n)
{
    float *p = mem_array((size_t)n, 4);
    for (int i = 0; i < n; i++) p[i] = check_value();
    return p;
}

static struct mat fresh_mat(int rows, int cols) { return mat_of(fresh(rows * cols), DT_F32, rows, cols); }

static void input(struct problem *p, int rows, int cols)
{
    p->in[p->nin] = fresh_mat(rows, cols);
    p->grad[p->nin++] = mat_of(mem_array((size_t)rows * (size_t)cols, 4), DT_F32, rows, cols);
}

static void output(struct problem *p, int rows, int cols)
{
    p->out = fresh_mat(rows, cols);
    p->dout = fresh_mat(rows, cols);
}

static double value(struct problem *p)
{
    double s = 0;
    p->forward(p);
    for (int i = 0; i < p->out.rows * p->out.cols; i++) s += (double)((float *)p->out.p)[i] * ((float *)p->dout.p)[i];
    return s;
}

static void shift(struct problem *p, int i, const float *u, float h)
{
    float *x = p->in[i].p;
    for (int j = 0; j < p->in[i].rows * p->in[i].cols; j++) x[j] += h * u[j];
}

static void check_input(struct problem *p, int i)
{
    const float h = 1e-2f;
    int n = p->in[i].rows * p->in[i].cols;
    float *u = fresh(n), *keep = mem_array((size_t)n, 4);
    memcpy(keep, p->in[i].p, (size_t)n * 4);
    shift(p, i, u, h);
    double up = value(p);
    memcpy(p->in[i].p, keep, (size_t)n * 4);
    shift(p, i, u, -h);
    double down = value(p), want = (up - down) / (2 * (double)h), got = 0, scale = 1;
    memcpy(p->in[i].p, keep, (size_t)n * 4);
    for (int j = 0; j < n; j++) {
        double t = (double)u[j] * ((float *)p->grad[i].p)[j];
        got += t;
        scale += t * t;
    }
    double e = fabs(got - want) / sqrt(scale);
    if (!(e <= 2e-3)) printf("# input %d: %.6g, by differences %.6g\n", i, got, want);
    T_CHECK(e <= 2e-3);
    free(u);
    free(keep);
}

/* The gradients start from 1 everywhere: they must be added to. */
static void check_problem(struct problem *p)
{
    for (int i = 0; i < p->nin; i++)
        for (int j = 0; j < p->grad[i].rows * p->grad[i].cols; j++) ((float *)p->grad[i].p)[j] = 1;
    p->forward(p);
    p->backward(p);
    for (int i = 0; i < p->nin; i++)
        for (int j = 0; j < p->grad[i].rows * p->grad[i].cols; j++) ((float *)p->grad[i].p)[j] -= 1;
    for (int i = 0; i < p->nin; i++) check_input(p, i);
    for (int i = 0; i < p->nin; i++) { free(p->in[i].p); free(p->grad[i].p); }
    free(p->out.p);
    free(p->dout.p);
    free(p->stat);
    T_OK(check_ops->sync(check_ops));
}

/* ---- the ops ---- */

#define O check_ops
static void linear_f(struct problem *p) { O->linear(O, p->out, p->in[0], p->in[1], p->in[2].p); }
static void linear_b(struct problem *p)
{
    O->linear_dx(O, p->grad[0], p->dout, p->in[1]);
    O->linear_dw(O, p->grad[1].p, p->grad[2].p, p->dout, p->in[0]);
}

static void norm_f(struct problem *p)
{
    O->norm(O, p->norm, p->out, p->in[0], p->in[1].p, p->nin > 2 ? p->in[2].p : NULL, 0.1f, p->stat);
}
static void norm_b(struct problem *p)
{
    O->norm_bwd(O, p->norm, p->grad[0], p->grad[1].p, p->nin > 2 ? p->grad[2].p : NULL, p->dout, p->in[0], p->in[1].p, p->stat);
}

static void act_f(struct problem *p) { O->act(O, p->act, p->out, p->in[0]); }
static void act_b(struct problem *p) { O->act_bwd(O, p->act, p->grad[0], p->dout, p->in[0]); }
static void glu_f(struct problem *p) { O->glu(O, p->act, p->out, p->in[0], p->in[1]); }
static void glu_b(struct problem *p) { O->glu_bwd(O, p->act, p->grad[0], p->grad[1], p->dout, p->in[0], p->in[1]); }

static void residual_f(struct problem *p) { O->residual(O, p->out, p->in[0], p->in[1], p->in[2].p); }
static void residual_b(struct problem *p)
{
    O->add(O, p->grad[0], p->dout);
    O->residual_bwd(O, p->grad[1], p->grad[2].p, p->dout, p->in[1], p->in[2].p);
}

static void attn_f(struct problem *p) { p->attn.o = p->out; O->attn(O, &p->attn); }
static void attn_b(struct problem *p) { O->attn_bwd(O, &p->attn, p->dout, p->grad[0], p->grad[1], p->grad[2]); }

static void logprob_f(struct problem *p)
{
    O->logprob(O, &(struct logprob_args){ .x = p->in[0], .w = p->in[1], .target = p->idx, .lp = p->out.p });
}
static void logprob_b(struct problem *p)
{
    O->logprob(O, &(struct logprob_args){ p->in[0], p->in[1], p->idx, p->out.p, p->dout.p, p->grad[0], p->grad[1].p });
}

static void embed_f(struct problem *p) { O->gather(O, p->out, p->in[0], p->idx); }
static void embed_b(struct problem *p) { O->scatter_add(O, p->grad[0], p->dout, p->idx); }

static void table_f(struct problem *p)
{
    O->cast(O, p->out, p->in[0]);
    O->add_rows(O, p->out, p->in[1].p, p->in[1].rows);
}
static void table_b(struct problem *p)
{
    O->add(O, p->grad[0], p->dout);
    O->add_rows_bwd(O, p->grad[1].p, p->dout, p->in[1].rows);
}

/* ---- tests ---- */

static void test_linear(void)
{
    struct problem p = { .forward = linear_f, .backward = linear_b };
    input(&p, 33, 21);
    input(&p, 40, 21);
    input(&p, 1, 40);
    output(&p, 33, 40);
    check_problem(&p);
}

static void test_norm(void)
{
    for (int k = 0; k < 2; k++) {
        struct problem p = { .forward = norm_f, .backward = norm_b, .norm = k ? NORM_RMS : NORM_LAYER, .stat = mem_array(70 * 2, 4) };
        input(&p, 70, 19);
        input(&p, 1, 19);
        if (!k) input(&p, 1, 19);
        output(&p, 70, 19);
        check_problem(&p);
    }
}

static void test_act(void)
{
    for (int a = ACT_GELU; a < ACT_RELU; a++)  /* relu has a corner where differences see both sides: t_rowops compares it */
        for (int glu = 0; glu < 2; glu++) {
            struct problem p = { .forward = glu ? glu_f : act_f, .backward = glu ? glu_b : act_b, .act = (enum act)a };
            input(&p, 20, 37);
            if (glu) input(&p, 20, 37);
            output(&p, 20, 37);
            check_problem(&p);
        }
}

static void test_residual(void)
{
    struct problem p = { .forward = residual_f, .backward = residual_b };
    input(&p, 70, 13);
    input(&p, 70, 13);
    input(&p, 1, 13);
    output(&p, 70, 13);
    check_problem(&p);
}

static void test_attn(void)
{
    static const int start[] = { 0, 20, 27, 40 };
    static const struct span prefix[] = { { 0, 0 }, { 0, 20 }, { 0, 0 } };
    for (int k = 0; k < 3; k++) {
        struct problem p = { .forward = attn_f, .backward = attn_b, .stat = mem_array(40 * 4, 4) };
        input(&p, 40, 4 * 16);
        input(&p, 40, 2 * 16);
        input(&p, 40, 2 * 16);
        output(&p, 40, 4 * 16);
        p.attn = (struct attn_args){ p.in[0], p.in[1], p.in[2], p.out, 4, 2, 16, 0.3f, k < 2, 3, start, k ? prefix : NULL, p.stat };
        check_problem(&p);
    }
}

static void test_logprob(void)
{
    int target[30];
    for (int i = 0; i < 30; i++) target[i] = i % 5 ? check_below(50) : -1;
    struct problem p = { .forward = logprob_f, .backward = logprob_b, .idx = target };
    input(&p, 30, 12);
    input(&p, 50, 12);
    output(&p, 1, 30);
    check_problem(&p);
}

static void test_embedding(void)
{
    int idx[60];
    for (int i = 0; i < 60; i++) idx[i] = check_below(9);
    struct problem p = { .forward = embed_f, .backward = embed_b, .idx = idx };
    input(&p, 9, 25);
    output(&p, 60, 25);
    check_problem(&p);
}

static void test_table(void)
{
    struct problem p = { .forward = table_f, .backward = table_b };
    input(&p, 50, 11);
    input(&p, 7, 11);
    output(&p, 50, 11);
    check_problem(&p);
}

/* The transpose of a rotation: <rope x, y> = <x, rope back y>. */
static void test_rope(void)
{
    enum { T = 9, H = 3, D = 10 };
    int pos[T];
    struct mat x = fresh_mat(T, H * D), y = fresh_mat(T, H * D), rx = fresh_mat(T, H * D), ry = fresh_mat(T, H * D), cs = fresh_mat(T, D);
    for (int i = 0; i < T; i++) pos[i] = check_below(T);
    O->cast(O, rx, x);
    O->cast(O, ry, y);
    O->rope(O, rx, H, D, pos, cs.p, false);
    O->rope(O, ry, H, D, pos, cs.p, true);
    double a = 0, b = 0;
    for (int i = 0; i < T * H * D; i++) {
        a += (double)((float *)rx.p)[i] * ((float *)y.p)[i];
        b += (double)((float *)x.p)[i] * ((float *)ry.p)[i];
    }
    T_NEAR(a, b, 1e-4);
    free(x.p); free(y.p); free(rx.p); free(ry.p); free(cs.p);
}

static void all(void)
{
    T_RUN(test_linear);
    T_RUN(test_norm);
    T_RUN(test_act);
    T_RUN(test_residual);
    T_RUN(test_attn);
    T_RUN(test_logprob);
    T_RUN(test_embedding);
    T_RUN(test_table);
    T_RUN(test_rope);
}

int main(void) { return check_backends(all); }
