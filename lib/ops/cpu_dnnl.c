/* SPDX-License-Identifier: Apache-2.0
 * bf16 products by oneDNN, for processors with AMX or AVX512-BF16. oneDNN runs single-threaded inside our workers on
 * fixed blocks, and its primitives get dense operands only (others fall back to a slower kernel): where a block is not
 * dense, the operand is first copied into pieces that are.
 * Rows keep their bits whatever m is because K is cut into pieces of 512, which oneDNN does not cut further (measured,
 * 2.6.3), N always in the same way, and the pieces are summed in order in f32. tests/ops/t_rows.c checks it.
 */
#include "ops/cpu.h"

#include <dnnl.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

extern void omp_set_num_threads(int n);        /* libgomp; oneDNN is built on it */

enum form { NT, NN, TN };                      /* of A and B, as in cpu_product's a_t and b_t */

struct prim {
    enum form form;
    int m, n, k;
    dnnl_primitive_t p;                        /* NULL: an empty place of the table */
    dnnl_memory_desc_t a, b, c, scratch;
};

enum { PRIMS = 1024, PRIMS_FULL = 700 };       /* oneDNN's own cache keeps the code of what is dropped here */

struct dnnl {
    dnnl_engine_t engine;
    dnnl_stream_t *stream;                     /* [threads] */
    int threads, used;
    struct prim prim[PRIMS];                   /* open addressing; changed by the calling thread between loops only */
};

bool dnnl_bf16_native(void)
{
    dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();
    return (isa & dnnl_cpu_isa_avx512_core_bf16) == dnnl_cpu_isa_avx512_core_bf16;      /* a set of bits; AMX includes it */
}

struct dnnl *dnnl_new(struct cpu *c)
{
    struct dnnl *d = mem_alloc(sizeof *d);
    d->threads = par_threads(c->pool);
    d->stream = mem_array((size_t)d->threads, sizeof *d->stream);
    bool ok = dnnl_engine_create(&d->engine, dnnl_cpu, 0) == dnnl_success;
    for (int i = 0; ok && i < d->threads; i++)
        ok = dnnl_stream_create(&d->stream[i], d->engine, dnnl_stream_default_flags) == dnnl_success;
    if (ok) return d;
    dnnl_delete(d);
    return fail_null("oneDNN: no CPU engine");
}

static void drop_prims(struct dnnl *d)
{
    for (int i = 0; i < PRIMS; i++) if (d->prim[i].p) dnnl_primitive_destroy(d->prim[i].p);
    memset(d->prim, 0, sizeof d->prim);
    d->used = 0;
}

void dnnl_delete(struct dnnl *d)
{
    if (!d) return;
    drop_prims(d);
    for (int i = 0; i < d->threads; i++) if (d->stream[i]) dnnl_stream_destroy(d->stream[i]);
    if (d->engine) dnnl_engine_destroy(d->engine);
    free(d->stream);
    free(d);
}

/* ---- primitives: C[m, n] += A[m, k] B[k, n], all dense, C f32 ---- */

static bool describe(struct prim *p)
{
    dnnl_dims_t da = { p->m, p->k }, db = { p->k, p->n }, dc = { p->m, p->n };
    dnnl_dims_t row_a = { p->k, 1 }, col_a = { 1, p->m }, row_b = { p->n, 1 }, col_b = { 1, p->k }, row_c = { p->n, 1 };
    return dnnl_memory_desc_init_by_strides(&p->a, 2, da, dnnl_bf16, p->form == TN ? col_a : row_a) == dnnl_success &&
           dnnl_memory_desc_init_by_strides(&p->b, 2, db, dnnl_bf16, p->form == NT ? col_b : row_b) == dnnl_success &&
           dnnl_memory_desc_init_by_strides(&p->c, 2, dc, dnnl_f32, row_c) == dnnl_success;
}

static bool create(struct dnnl *d, struct prim *p)
{
    dnnl_matmul_desc_t desc;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_post_ops_t ops = NULL;
    dnnl_primitive_desc_t pd = NULL;
    bool ok = describe(p) && dnnl_matmul_desc_init(&desc, &p->a, &p->b, NULL, &p->c) == dnnl_success &&
              dnnl_primitive_attr_create(&attr) == dnnl_success && dnnl_post_ops_create(&ops) == dnnl_success &&
              dnnl_post_ops_append_sum(ops, 1) == dnnl_success && dnnl_primitive_attr_set_post_ops(attr, ops) == dnnl_success &&
              dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user) == dnnl_success &&
              dnnl_primitive_desc_create(&pd, &desc, attr, d->engine, NULL) == dnnl_success;
    if (ok) p->scratch = *dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    ok = ok && dnnl_primitive_create(&p->p, pd) == dnnl_success;
    if (pd) dnnl_primitive_desc_destroy(pd);
    if (ops) dnnl_post_ops_destroy(ops);
    if (attr) dnnl_primitive_attr_destroy(attr);
    return ok;
}

/* The place of a primitive, or the empty place where it belongs. */
static struct prim *find(struct dnnl *d, enum form form, int m, int n, int k)
{
    uint64_t h = ((uint64_t)m * 0x9e3779b97f4a7c15u) ^ ((uint64_t)n * 0xc2b2ae3d27d4eb4fu) ^ ((uint64_t)k * 0x165667b19e3779f9u) ^ form;
    unsigned i = (unsigned)((h ^ h >> 29) * 0xbf58476d1ce4e5b9u >> 40) % PRIMS;
    for (;; i = (i + 1) % PRIMS) {
        struct prim *p = &d->prim[i];
        if (!p->p || (p->form == form && p->m == m && p->n == n && p->k == k)) return p;
    }
}

static bool make(struct cpu *c, enum form form, int m, int n, int k)
{
    struct dnnl *d = c->dnnl;
    struct prim *p = find(d, form, m, n, k);
    if (p->p) return true;
    *p = (struct prim){ .form = form, .m = m, .n = n, .k = k };
    if (create(d, p)) { d->used++; return true; }
    p->p = NULL;
    cpu_fail(c, "oneDNN: no primitive for a bf16 product");
    return false;
}

static bool execute(struct cpu *c, const struct prim *p, int worker, const void *a, const void *b, float *out)
{
    static _Thread_local bool single;
    if (!single) { omp_set_num_threads(1); single = true; }      /* of this thread */
    struct { int arg; const dnnl_memory_desc_t *md; void *p; } bind[4] = {
        { DNNL_ARG_SRC, &p->a, (void *)a }, { DNNL_ARG_WEIGHTS, &p->b, (void *)b }, { DNNL_ARG_DST, &p->c, out },
        { DNNL_ARG_SCRATCHPAD, &p->scratch, cpu_scratch(c, worker, SCRATCH_PRIM, dnnl_memory_desc_get_size(&p->scratch) + 64) },
    };
    dnnl_exec_arg_t args[4];
    int n = 0;
    bool ok = bind[3].p;
    for (; ok && n < 4; n += ok) {
        args[n].arg = bind[n].arg;
        ok = dnnl_memory_create(&args[n].memory, bind[n].md, c->dnnl->engine, bind[n].p) == dnnl_success;
    }
    ok = ok && dnnl_primitive_execute(p->p, c->dnnl->stream[worker], 4, args) == dnnl_success;
    ok = ok && dnnl_stream_wait(c->dnnl->stream[worker]) == dnnl_success;
    while (n > 0) dnnl_memory_destroy(args[--n].memory);
    return ok;
}

/* ---- dense operands ---- */

/* A bf16 matrix in vertical pieces, each dense: column c (a multiple of width) of row r is at piece(c) + r * (its width). */
struct pieces { const uint16_t *p; int rows, cols, width; };

static const uint16_t *piece(const struct pieces *s, int row, int col)
{
    return s->p + (int64_t)(col / s->width) * s->rows * s->width + (int64_t)row * mem_min(s->width, s->cols - col / s->width * s->width);
}

struct copying { const struct pieces *s; const uint16_t *src; int64_t ld; uint16_t *dst; };

static void copy_task(void *v, int begin, int n, int worker)
{
    struct copying *k = v;
    (void)worker;
    for (int c = 0; c < k->s->cols; c += k->s->width) {
        size_t w = (size_t)mem_min(k->s->width, k->s->cols - c);
        for (int r = begin; r < begin + n; r++)
            memcpy(k->dst + (piece(k->s, r, c) - k->s->p), k->src + r * k->ld + c, w * 2);
    }
}

static bool cut_pieces(struct cpu *c, struct pieces *s, const void *src, int64_t ld, int rows, int cols, int width, enum scratch which)
{
    *s = (struct pieces){ src, rows, cols, width };
    if (cols <= width && ld == cols) return true;
    uint16_t *dst = cpu_scratch(c, 0, which, (size_t)rows * (size_t)cols * 2);
    if (!dst) return false;
    s->p = dst;
    cpu_rows(c, rows, cpu_row_chunk(cols), copy_task, &(struct copying){ s, src, ld, dst });
    return true;
}

/* ---- products ---- */

/* A side is cut into blocks. One that counts tokens, so that its length varies from call to call: into blocks, then a
 * multiple of 64, then the rest; few different sizes, so few primitives. (Only sides that are rows of dense pieces.) */
enum { FINE = 64 };
struct side { int total, block; bool tokens; };
struct range { int at, n; };

static int count_of(const struct side *s)
{
    int whole = s->total / s->block, rest = s->total % s->block;
    return s->tokens ? whole + (rest >= FINE) + (rest % FINE > 0) : whole + (rest > 0);
}

static struct range range_of(const struct side *s, int i)
{
    int whole = s->total / s->block, rest = s->total % s->block, fine = s->tokens ? rest / FINE * FINE : 0;
    if (i < whole) return (struct range){ i * s->block, s->block };
    if (i == whole && fine) return (struct range){ whole * s->block, fine };
    return (struct range){ whole * s->block + fine, rest - fine };
}

struct plan { struct cpu *c; const struct product *p; enum form form; struct side m, n, k; struct pieces a, b; };

/* The blocks of each form. Forward (rows must keep their bits): 256 x 128 x 512. Gradients: larger. */
static void set_sides(struct plan *pl)
{
    const struct product *p = pl->p;
    bool strict = !p->whole_k;
    pl->form = p->a_t ? TN : p->b_t ? NT : NN;
    pl->m = (struct side){ p->m, strict ? 256 : 512, pl->form != TN };
    pl->n = (struct side){ p->n, strict ? 128 : 512, false };
    pl->k = (struct side){ p->k, strict ? 512 : 2048, pl->form == TN };
}

static bool set_operands(struct plan *pl)
{
    const struct product *p = pl->p;
    struct cpu *c = pl->c;
    int kw = pl->k.block, K = p->k;
    bool a = pl->form == TN ? cut_pieces(c, &pl->a, p->a, p->lda, K, p->m, pl->m.block, SCRATCH_OP_A)
                            : cut_pieces(c, &pl->a, p->a, p->lda, p->m, K, kw, SCRATCH_OP_A);
    return a && (pl->form == NT ? cut_pieces(c, &pl->b, p->b, p->ldb, p->n, K, kw, SCRATCH_OP_B)
                                : cut_pieces(c, &pl->b, p->b, p->ldb, K, p->n, pl->n.block, SCRATCH_OP_B));
}

/* A product of one row may be another algorithm with other bits: it is done as two equal rows. */
static int rows_done(const struct plan *pl, int m) { return pl->form != TN && m == 1 ? 2 : m; }

static bool make_prims(struct plan *pl)
{
    if (pl->c->dnnl->used > PRIMS_FULL) drop_prims(pl->c->dnnl);
    for (int i = 0; i < count_of(&pl->m); i++)
        for (int j = 0; j < count_of(&pl->n); j++)
            for (int l = 0; l < count_of(&pl->k); l++)
                if (!make(pl->c, pl->form, rows_done(pl, range_of(&pl->m, i).n), range_of(&pl->n, j).n, range_of(&pl->k, l).n)) return false;
    return true;
}

/* The block of C as f32 before the sum: itself, the bias, or zeros. */
static void begin_sum(const struct plan *pl, struct mat sum, struct mat out, int j0)
{
    const struct product *p = pl->p;
    const struct vec_rows *rows = pl->c->v->rows;
    if (p->add) { rows->cast(sum, out); return; }
    if (!p->bias) { memset(sum.p, 0, (size_t)sum.rows * (size_t)sum.cols * 4); return; }
    for (int r = 0; r < sum.rows; r++) memcpy(mat_rows(sum, r, 1).p, p->bias + j0, (size_t)sum.cols * 4);
}

static const uint16_t *twice(struct plan *pl, int worker, const uint16_t *row, int k)
{
    uint16_t *two = cpu_scratch(pl->c, worker, SCRATCH_A, (size_t)k * 4);
    if (!two) return NULL;
    memcpy(two, row, (size_t)k * 2);
    memcpy(two + k, row, (size_t)k * 2);
    return two;
}

static void block_task(void *v, int index, int worker)
{
    struct plan *pl = v;
    const struct product *p = pl->p;
    int ncol = count_of(&pl->n), pieces = count_of(&pl->k);
    struct range i = range_of(&pl->m, index / ncol), j = range_of(&pl->n, index % ncol);
    int rows = rows_done(pl, i.n);
    float *sum = cpu_scratch(pl->c, worker, SCRATCH_C, (size_t)rows * (size_t)j.n * sizeof *sum);
    if (!sum) return;
    struct mat m = mat_of(sum, DT_F32, i.n, j.n);
    memset(sum + (rows - 1) * j.n, 0, (size_t)j.n * sizeof *sum);
    struct mat out = { (char *)p->c + (size_t)(i.at * p->ldc + j.at) * dtype_size(p->ct), p->ct, i.n, j.n, p->ldc };
    begin_sum(pl, m, out, j.at);
    for (int l = 0; l < pieces; l++) {
        struct range k = range_of(&pl->k, l);
        const uint16_t *a = pl->form == TN ? piece(&pl->a, k.at, i.at) : piece(&pl->a, i.at, k.at);
        const uint16_t *b = pl->form == NT ? piece(&pl->b, j.at, k.at) : piece(&pl->b, k.at, j.at);
        if (rows > i.n && !(a = twice(pl, worker, a, k.n))) return;
        if (execute(pl->c, find(pl->c->dnnl, pl->form, rows, j.n, k.n), worker, a, b, sum)) continue;
        cpu_fail(pl->c, "oneDNN: a bf16 product failed");
        return;
    }
    pl->c->v->rows->cast(out, m);
}

void dnnl_product(struct cpu *c, const struct product *p)
{
    struct plan pl = { .c = c, .p = p };
    set_sides(&pl);
    if (set_operands(&pl) && make_prims(&pl)) par_for(c->pool, count_of(&pl.m) * count_of(&pl.n), block_task, &pl);
}
