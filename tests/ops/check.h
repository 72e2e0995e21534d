/* SPDX-License-Identifier: Apache-2.0
 * Tests of a backend against the reference: the same random tensors on both sides, then a comparison. A test takes the
 * struct ops under test, so that every backend runs the same tests. Fresh values each run: SEED=n repeats one.
 */
#ifndef TESTS_OPS_CHECK_H
#define TESTS_OPS_CHECK_H

#include <time.h>
#include "base/rng.h"
#include "ops/cpu.h"
#include "ref.h"
#include "../unit/t.h"

/* ---- random values ---- */

static struct rng check_rng;

static inline void check_seed(void)
{
    const char *s = getenv("SEED");
    uint64_t seed = s ? strtoull(s, NULL, 10) : (uint64_t)time(NULL);
    printf("# SEED=%llu\n", (unsigned long long)seed);
    check_rng = rng_new(seed, "ops");
}

static inline float check_value(void) { return (float)(rng_next(&check_rng) * 2 - 1); }
static inline int check_below(int n) { return (int)rng_next_below(&check_rng, (uint32_t)n); }

/* ---- a tensor on both sides ---- */

/* dev: a view with `gap` more columns behind each row, which must stay as they are. ref: host, the same values; what the
 * reference writes is f32 so that its own rounding does not count. */
struct tensor { struct ops *o; struct mat dev, ref; size_t bytes; char *host; };
enum fill { RANDOM, POISON };                  /* POISON: NaN, for outputs that must be overwritten */

static inline struct tensor tensor_new(struct ops *o, enum dtype t, int rows, int cols, int gap, enum fill fill)
{
    struct tensor x = { .o = o };
    int64_t ld = cols + gap;
    size_t n = (size_t)rows * (size_t)ld;
    x.bytes = n * dtype_size(t);
    x.host = mem_alloc(x.bytes + 1);
    struct mat host = { x.host, t, rows, cols, ld };
    x.ref = mat_of(mem_array((size_t)rows * (size_t)cols + 1, 4), DT_F32, rows, cols);
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < ld; c++) ref_put(host, r, c, fill == POISON ? NAN : check_value());
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < cols; c++) ref_put(x.ref, r, c, ref_get(host, r, c));
    x.dev = host;
    x.dev.p = o->alloc(o, x.bytes + 1, "test");
    o->upload(o, x.dev.p, x.host, x.bytes);
    return x;
}

/* Sets both sides to f(row, col). */
static inline void tensor_set(struct tensor *x, float (*f)(int r, int c))
{
    struct mat host = x->dev;
    host.p = x->host;
    for (int r = 0; r < x->dev.rows; r++)
        for (int c = 0; c < x->dev.cols; c++) { ref_put(host, r, c, f(r, c)); ref_put(x->ref, r, c, ref_get(host, r, c)); }
    x->o->upload(x->o, x->dev.p, x->host, x->bytes);
}

static inline void tensor_free(struct tensor *x)
{
    x->o->release(x->o, x->dev.p);
    free(x->ref.p);
    free(x->host);
}

static inline float *vec_dev(struct tensor *x) { return x->dev.p; }    /* of f32 tensors without a gap */
static inline float *vec_ref(struct tensor *x) { return x->ref.p; }

/* What the device holds now, as a host mat in the device's layout; caller frees .p. */
static inline struct mat tensor_get(struct tensor *x)
{
    struct mat m = x->dev;
    m.p = mem_alloc(x->bytes + 1);
    x->o->download(x->o, m.p, x->dev.p, x->bytes);
    return m;
}

/* Largest error |dev - ref| / (1 + |ref|); INFINITY if a NaN appeared or columns of the gap changed. */
static inline double tensor_error(struct tensor *x)
{
    struct mat now = tensor_get(x), was = now;
    was.p = x->host;
    double worst = 0;
    for (int r = 0; r < now.rows; r++)
        for (int c = 0; c < now.ld; c++) {
            double v = ref_get(now, r, c);
            if (c >= now.cols) {
                double w = ref_get(was, r, c);
                if (v != w && !(isnan(v) && isnan(w))) worst = INFINITY;
                continue;
            }
            double want = ref_get(x->ref, r, c), e = fabs(v - want) / (1 + fabs(want));
            worst = e <= worst ? worst : isnan(e) ? INFINITY : e;
        }
    free(now.p);
    return worst;
}

/* bf16 keeps 8 bits: half a unit in the last place of a value is 2^-9 of it; a sum that is rounded on the way, or read
 * back and added to, gets a few of them. */
static inline double tol_of(enum dtype t, double f32) { return t == DT_F32 ? f32 : 8e-3; }

#define T_TENSOR(x, f32) T_TENSOR_WITHIN(x, tol_of((x).dev.t, f32))
#define T_TENSOR_WITHIN(x, tol) do { double e_ = tensor_error(&(x)), tol_ = (tol); \
    if (!(e_ <= tol_)) { t_bad++; printf("# %s:%d: %s [%d, %d] %s: error %.3g, at most %.3g\n", __FILE__, __LINE__, #x, \
        (x).dev.rows, (x).dev.cols, (x).dev.t == DT_F32 ? "f32" : "bf16", e_, tol_); } } while (0)

/* ---- the backends ---- */

static struct ops *check_ops;                  /* under test */
static struct ops *check_ref;
static bool check_integers;                    /* products of bf16 are by integers (vec.h, vec_fixed; t_fixed.c) */

/* arch: CUDA, and what the emulation is to be; a device is what it is. */
struct backend { const char *isa; int threads; bool dnnl; const char *arch; };

static inline struct ops *backend_open(const struct backend *b)
{
    if (b->arch) setenv("COS_EMU_ARCH", b->arch, 1);
    return b->arch ? ops_cuda(b->threads) : ops_cpu_with(b->threads, b->isa, b->dnnl);
}

/* Runs all() on each CPU instance that this processor can run, and on the CUDA backend: the emulated one (kernels/emu), or
 * in a build with CUDA=1 that of the device. */
static inline int check_backends(void (*all)(void))
{
    static const struct backend b[] = {
        { "vnni", 2, false, NULL }, { "avx512", 2, false, NULL }, { "avx2", 3, false, NULL }, { "base", 1, false, NULL }, { NULL, 2, true, NULL },
        { NULL, 2, false, "80" }, { NULL, 2, false, "90" },
    };
    const char *only = getenv("COS_DEVICE");   /* cuda: nothing but it */
    check_seed();
    check_ref = ops_ref();
    for (int i = 0; i < countof(b); i++) {
        if ((b[i].isa && !vec_named(b[i].isa)) || (only && !strcmp(only, b[i].arch ? "cpu" : "cuda"))) continue;
        check_ops = backend_open(&b[i]);
        check_integers = b[i].isa && !strcmp(b[i].isa, "vnni");
        if (!check_ops) { printf("Bail out! %s\n", err_msg()); return 1; }
        printf("# %s %s, %d threads%s\n", check_ops->name, b[i].isa ? b[i].isa : b[i].arch ? b[i].arch : "best", b[i].threads, b[i].dnnl ? ", bf16 by oneDNN" : "");
        all();
        check_ops->close(check_ops);
    }
    check_ref->close(check_ref);
    return t_end();
}

#endif
