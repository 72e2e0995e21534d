/* SPDX-License-Identifier: Apache-2.0
 * The CPU backend: table, memory, workers' buffers, errors.
 */
#include "ops/cpu.h"

#include <pthread.h>
#include <stdio.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

struct worker { struct { void *p; size_t n; } buf[SCRATCH_COUNT]; };

struct failure { atomic_bool set; pthread_mutex_t lock; char *why; };

/* ---- failures ---- */

void cpu_fail(struct cpu *c, const char *why)
{
    pthread_mutex_lock(&c->failure->lock);
    if (!c->failure->why) c->failure->why = mem_str(why);
    pthread_mutex_unlock(&c->failure->lock);
    atomic_store(&c->failure->set, true);
}

bool cpu_failed(const struct cpu *c) { return atomic_load(&c->failure->set); }

static int cpu_sync(struct ops *o)
{
    struct failure *f = cpu_of(o)->failure;
    if (!atomic_load(&f->set)) return 0;
    int r = fail_kind(ERR_DEVICE, "cpu: %s", f->why);
    free(f->why);
    f->why = NULL;
    atomic_store(&f->set, false);
    return r;
}

/* ---- memory ---- */

static void *take(struct ops *o, size_t bytes, const char *what)
{
    if (o->measuring) return usage_reserve(o->usage, bytes, what);
    void *p = mem_try(bytes, what);
    if (p) usage_add(o->usage, p, bytes, what);
    return p;
}

static void give(struct ops *o, void *p)
{
    if (o->measuring) {
        usage_release(o->usage, p);
        return;
    }
    usage_drop(o->usage, p);
    free(p);
}

static size_t cpu_room(struct ops *o)
{
    double kb = 0;
    char line[128];
    FILE *f = fopen("/proc/meminfo", "r");
    (void)o;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %lf", &kb) == 1) break;
    if (f) fclose(f);
    return kb > 0 ? (size_t)(kb * 1024) : (size_t)4 << 30;
}

void *cpu_scratch(struct cpu *c, int worker, enum scratch which, size_t bytes)
{
    struct worker *w = &c->worker[worker];
    if (w->buf[which].n >= bytes) return w->buf[which].p;
    give(&c->ops, w->buf[which].p);
    size_t n = bytes + bytes / 4;
    w->buf[which].p = take(&c->ops, n, "work memory");
    w->buf[which].n = w->buf[which].p ? n : 0;
    if (!w->buf[which].p) cpu_fail(c, err_msg());
    return w->buf[which].p;
}

static void *cpu_alloc(struct ops *o, size_t bytes, const char *what) { return take(o, bytes, what); }
static void cpu_release(struct ops *o, void *p) { give(o, p); }
static void cpu_copy_in(struct ops *o, void *dst, const void *host, size_t n) { (void)o; memcpy(dst, host, n); }
static void cpu_copy_out(struct ops *o, void *host, const void *src, size_t n) { (void)o; memcpy(host, src, n); }

struct zeroing { char *p; size_t n; };
enum { ZERO_CHUNK = 1 << 20 };

static void zero_task(void *v, int i, int worker)
{
    struct zeroing *z = v;
    (void)worker;
    size_t at = (size_t)i * ZERO_CHUNK;
    memset(z->p + at, 0, mem_min(z->n - at, (size_t)ZERO_CHUNK));
}

static void cpu_zero(struct ops *o, void *p, size_t n)
{
    struct zeroing z = { p, n };
    par_for(cpu_of(o)->pool, (int)((n + ZERO_CHUNK - 1) / ZERO_CHUNK), zero_task, &z);
}

/* ---- loops ---- */

struct rows_loop { int rows, chunk; void (*fn)(void *, int, int, int); void *arg; };

static void rows_task(void *v, int i, int worker)
{
    struct rows_loop *l = v;
    int begin = i * l->chunk;
    l->fn(l->arg, begin, mem_min(l->chunk, l->rows - begin), worker);
}

void cpu_rows(struct cpu *c, int rows, int chunk, void (*fn)(void *arg, int begin, int n, int worker), void *arg)
{
    struct rows_loop l = { rows, chunk, fn, arg };
    if (rows > 0) par_for(c->pool, (rows - 1) / chunk + 1, rows_task, &l);
}

int cpu_row_chunk(int cols) { return mem_max(1, 16384 / mem_max(cols, 1)); }

struct sum_loop { struct cpu *c; float *out; const float *part; size_t n; int parts; };
enum { SUM_CHUNK = 8192 };

static void sum_task(void *v, int i, int worker)
{
    struct sum_loop *l = v;
    (void)worker;
    size_t at = (size_t)i * SUM_CHUNK;
    int n = (int)mem_min(l->n - at, (size_t)SUM_CHUNK);
    for (int p = 0; p < l->parts; p++)
        l->c->v->rows->add(mat_of(l->out + at, DT_F32, 1, n), mat_of((void *)(l->part + (size_t)p * l->n + at), DT_F32, 1, n));
}

void cpu_sum_parts(struct cpu *c, float *out, const float *part, size_t n, int parts)
{
    struct sum_loop l = { c, out, part, n, parts };
    par_for(c->pool, (int)((n + SUM_CHUNK - 1) / SUM_CHUNK), sum_task, &l);
}

static void cpu_replay(struct ops *o, void (*work)(void *), void *arg) { (void)o; work(arg); }

/* ---- the table ---- */

static void cpu_close(struct ops *o)
{
    struct cpu *c = cpu_of(o);
    dnnl_delete(c->dnnl);
    for (int i = 0; c->worker && i < par_threads(c->pool); i++)
        for (int j = 0; j < SCRATCH_COUNT; j++) give(o, c->worker[i].buf[j].p);
    free(c->worker);
    usage_free(o->usage);
    par_free(c->pool);
    pthread_mutex_destroy(&c->failure->lock);
    free(c->failure->why);
    free(c->failure);
    free(c);
}

struct ops *ops_cpu_with(int threads, const char *isa, bool bf16_by_dnnl)
{
    if (threads < 1) return fail_null("threads: %d, at least 1", threads);
    const struct vec *v = isa ? vec_named(isa) : vec_best();
    if (!v) return fail_null("no instructions for %s on this processor", isa);
    struct cpu *c = mem_alloc(sizeof *c);
    c->v = v;
    c->pool = par_new(threads);
    c->worker = mem_array((size_t)par_threads(c->pool), sizeof *c->worker);
    c->failure = mem_alloc(sizeof *c->failure);
    pthread_mutex_init(&c->failure->lock, NULL);
    c->ops = (struct ops){
        .name = "cpu", .threads = threads, .fast = dnnl_bf16_native() ? DT_BF16 : DT_F32, .ctx = c, .close = cpu_close, .sync = cpu_sync, .alloc = cpu_alloc, .release = cpu_release,
        .usage = usage_new(), .room = cpu_room, .measure = cpu_set_measuring, .upload = cpu_copy_in, .download = cpu_copy_out, .zero = cpu_zero,
        .replay = cpu_replay,
    };
    cpu_set_products(&c->ops);
    cpu_set_rows(&c->ops);
    cpu_set_moves(&c->ops);
    cpu_set_attention(&c->ops);
    cpu_set_losses(&c->ops);
    if (!bf16_by_dnnl || (c->dnnl = dnnl_new(c))) return &c->ops;
    cpu_close(&c->ops);
    return NULL;
}

struct ops *ops_cpu(int threads) { return ops_cpu_with(threads, NULL, dnnl_bf16_native()); }
