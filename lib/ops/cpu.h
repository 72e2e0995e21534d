/* SPDX-License-Identifier: Apache-2.0
 * Shared by the files of the CPU backend. An op is cut into tasks by the shapes alone; workers take tasks; what a task
 * computes does not depend on the worker.
 */
#ifndef OPS_CPU_H
#define OPS_CPU_H

#include "base/par.h"
#include "ops/ops.h"
#include "ops/vec/vec.h"

enum { ROWS_CHUNK = 64 };                      /* rows summed into one partial gradient */

/* Buffers that grow to what the largest op needed. SCRATCH_OP ones belong to the calling thread for the length of an
 * op (a caller and what it calls use different ones), the others to a worker for the length of a task. */
enum scratch {
    SCRATCH_A, SCRATCH_B, SCRATCH_C, SCRATCH_D, SCRATCH_E, SCRATCH_F, SCRATCH_PRIM,
    SCRATCH_OP_A, SCRATCH_OP_B, SCRATCH_OP_PRODUCT, SCRATCH_OP_SHARED, SCRATCH_OP_SUMS, SCRATCH_OP_LOSS, SCRATCH_OP_INDEX,
    SCRATCH_COUNT
};

struct cpu {
    struct ops ops;
    struct par *pool;
    const struct vec *v;
    struct worker *worker;                     /* [threads] */
    struct dnnl *dnnl;                         /* bf16 products by oneDNN; NULL: by our own kernels */
    struct failure *failure;
};

static inline struct cpu *cpu_of(struct ops *o) { return o->ctx; }

/* At least `bytes`, 64-byte aligned, contents unspecified; NULL (and the failure kept for sync) when memory is out. */
void *cpu_scratch(struct cpu *c, int worker, enum scratch which, size_t bytes);
void  cpu_fail(struct cpu *c, const char *why);          /* keeps the first failure until sync; any thread */
bool  cpu_failed(const struct cpu *c);

/* fn(arg, begin, n, worker) over fixed chunks of rows. */
void cpu_rows(struct cpu *c, int rows, int chunk, void (*fn)(void *arg, int begin, int n, int worker), void *arg);
int  cpu_row_chunk(int cols);                            /* rows that make a task worth handing out */

/* out[n] += the sum of `parts` arrays of n floats at `part`, in order. */
void cpu_sum_parts(struct cpu *c, float *out, const float *part, size_t n, int parts);

/* C[M, N] = A[M, K] B[K, N] (+ bias[n]) or C += A B. */
struct product {
    int m, n, k;
    const void *a; enum dtype at; int64_t lda; bool a_t;      /* A[i, k] at i * lda + k; a_t: k * lda + i */
    const void *b; enum dtype bt; int64_t ldb; bool b_t;      /* B[k, j] at k * ldb + j; b_t: j * ldb + k */
    void *c; enum dtype ct; int64_t ldc;
    const float *bias;
    bool add;
    bool whole_k;                                             /* rows need not keep their bits for every m */
};
void cpu_product(struct cpu *c, const struct product *p);

/* bf16 x bf16 by oneDNN, for processors with instructions for it (cpu_dnnl.c). */
bool         dnnl_bf16_native(void);
struct dnnl *dnnl_new(struct cpu *c);                    /* NULL + fail() */
void         dnnl_delete(struct dnnl *d);
void         dnnl_product(struct cpu *c, const struct product *p);

/* bf16 x bf16 by integers (cpu_fixed.c). */
bool fixed_serves(const struct cpu *c, const struct product *p);
void fixed_product(struct cpu *c, const struct product *p);

/* What ops_cpu() decides from the processor, for tests. isa NULL: the best. */
struct ops *ops_cpu_with(int threads, const char *isa, bool bf16_by_dnnl);

/* The functions of the table, by file. */
void cpu_set_products(struct ops *o);
void cpu_set_rows(struct ops *o);
void cpu_set_moves(struct ops *o);
void cpu_set_attention(struct ops *o);
void cpu_set_losses(struct ops *o);
void cpu_set_measuring(struct ops *o);         /* every op that needs no large work memory does nothing */

#endif
