/* SPDX-License-Identifier: Apache-2.0
 * Shared by the speed programs: a clock, the median of several runs, and oneDNN's plain product, the yardstick.
 */
#ifndef BENCH_PLAIN_H
#define BENCH_PLAIN_H

#include <dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "base/rng.h"
#include "ops/ops.h"

extern void omp_set_num_threads(int n);

enum { RUNS = 7 };

static inline double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b) { return *(const double *)a < *(const double *)b ? -1 : 1; }

/* Median seconds of one fn(arg); short ones are repeated to fill 10 ms. */
static double seconds(void (*fn)(void *), void *arg)
{
    double t[RUNS], first = now();
    fn(arg);
    first = now() - first;
    int repeat = first < 0.01 ? (int)(0.01 / (first + 1e-7)) + 1 : 1;
    for (int i = 0; i < RUNS; i++) {
        double begin = now();
        for (int r = 0; r < repeat; r++) fn(arg);
        t[i] = (now() - begin) / repeat;
    }
    qsort(t, RUNS, sizeof *t, by_value);
    return t[RUNS / 2];
}

#define DNNL(call) do { if ((call) != dnnl_success) { fprintf(stderr, "bench: %s failed\n", #call); exit(1); } } while (0)

struct plain { dnnl_primitive_t p; dnnl_stream_t s; dnnl_exec_arg_t arg[3]; };

static void plain_run(void *v)
{
    struct plain *p = v;
    DNNL(dnnl_primitive_execute(p->p, p->s, 3, p->arg));
    DNNL(dnnl_stream_wait(p->s));
}

/* Zeros would do for the speed; ones keep denormals out. */
static void *plain_data(enum dtype t, size_t n)
{
    void *p = mem_try(n * dtype_size(t), "bench");
    if (!p) exit(1);
    for (size_t i = 0; i < n; i++) {
        if (t == DT_F32) ((float *)p)[i] = 1;
        else ((uint16_t *)p)[i] = 0x3F80;
    }
    return p;
}

/* y[M, N] = x[M, K] w[N, K]^T as a user of oneDNN would write it; GFLOP/s. */
static double plain_product(int threads, enum dtype dt, int M, int N, int K)
{
    dnnl_data_type_t t = dt == DT_F32 ? dnnl_f32 : dnnl_bf16;
    dnnl_engine_t e;
    dnnl_memory_desc_t m[3];
    dnnl_matmul_desc_t d;
    dnnl_primitive_desc_t pd;
    struct plain p;
    void *data[3] = { plain_data(dt, (size_t)M * (size_t)K), plain_data(dt, (size_t)N * (size_t)K), plain_data(dt, (size_t)M * (size_t)N) };
    omp_set_num_threads(threads);
    DNNL(dnnl_engine_create(&e, dnnl_cpu, 0));
    DNNL(dnnl_stream_create(&p.s, e, dnnl_stream_default_flags));
    DNNL(dnnl_memory_desc_init_by_strides(&m[0], 2, (dnnl_dims_t){ M, K }, t, (dnnl_dims_t){ K, 1 }));
    DNNL(dnnl_memory_desc_init_by_strides(&m[1], 2, (dnnl_dims_t){ K, N }, t, (dnnl_dims_t){ 1, K }));
    DNNL(dnnl_memory_desc_init_by_strides(&m[2], 2, (dnnl_dims_t){ M, N }, t, (dnnl_dims_t){ N, 1 }));
    DNNL(dnnl_matmul_desc_init(&d, &m[0], &m[1], NULL, &m[2]));
    DNNL(dnnl_primitive_desc_create(&pd, &d, NULL, e, NULL));
    DNNL(dnnl_primitive_create(&p.p, pd));
    const int arg[3] = { DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST };
    for (int i = 0; i < 3; i++) {
        p.arg[i].arg = arg[i];
        DNNL(dnnl_memory_create(&p.arg[i].memory, &m[i], e, data[i]));
    }
    double rate = 2e-9 * M * N * K / seconds(plain_run, &p);
    for (int i = 0; i < 3; i++) {
        dnnl_memory_destroy(p.arg[i].memory);
        free(data[i]);
    }
    dnnl_primitive_destroy(p.p);
    dnnl_primitive_desc_destroy(pd);
    dnnl_stream_destroy(p.s);
    dnnl_engine_destroy(e);
    omp_set_num_threads(1);
    return rate;
}

#endif
