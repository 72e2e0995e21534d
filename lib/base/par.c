/* SPDX-License-Identifier: Apache-2.0 */
#include "base/par.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include "base/mem.h"

enum { SPIN = 4000 };                          /* short waits between two ops cost less than a sleep */

/* A loop is a round. Its number and the next task share one word, so that a thread takes a task by one exchange that
 * fails when the round is over; a helper that comes late, or not at all, holds nobody up. What else belongs to a round
 * (n, fn, arg) changes only while the word says CLOSED, so whoever takes a task has read what belongs to it. */
enum { CLOSED = INT32_MAX };                   /* a next task that is never below n */

struct par {
    int threads;
    pthread_t *tid;
    pthread_mutex_t lock;
    pthread_cond_t wake, idle;
    _Atomic uint64_t word;                     /* round << 32 | next task */
    atomic_int done, stop, sleeping, waiting;  /* finished tasks; helpers asleep; the caller asleep */
    atomic_int n;
    _Atomic(void (*)(void *, int, int)) fn;
    _Atomic(void *) arg;
};

struct helper { struct par *p; int worker; };

static inline void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static uint32_t round_of(uint64_t word) { return (uint32_t)(word >> 32); }

/* Does tasks of the round while there are some. */
static void drain(struct par *p, uint32_t round, int worker)
{
    uint64_t w = atomic_load(&p->word);
    for (;;) {
        int n = atomic_load(&p->n), i = (int)(uint32_t)w;
        void (*fn)(void *, int, int) = atomic_load(&p->fn);
        void *arg = atomic_load(&p->arg);
        if (round_of(w) != round || i >= n) return;
        if (!atomic_compare_exchange_weak(&p->word, &w, w + 1)) continue;
        fn(arg, i, worker);
        if (atomic_fetch_add(&p->done, 1) + 1 == n && atomic_load(&p->waiting)) {
            pthread_mutex_lock(&p->lock);
            pthread_cond_signal(&p->idle);
            pthread_mutex_unlock(&p->lock);
        }
        w = atomic_load(&p->word);
    }
}

/* The number of the round after `seen`, once it has begun. */
static uint32_t wait_round(struct par *p, uint32_t seen)
{
    for (int i = 0; i < SPIN; i++) {
        uint32_t r = round_of(atomic_load(&p->word));
        if (r != seen) return r;
        relax();
    }
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->sleeping, 1);         /* before the last look at the word: start_round looks in the other order */
    while (round_of(atomic_load(&p->word)) == seen) pthread_cond_wait(&p->wake, &p->lock);
    atomic_fetch_sub(&p->sleeping, 1);
    pthread_mutex_unlock(&p->lock);
    return round_of(atomic_load(&p->word));
}

static void *helper_main(void *v)
{
    struct helper *h = v;
    struct par *p = h->p;
    int worker = h->worker;
    uint32_t seen = 0;
    free(h);
    for (;;) {
        seen = wait_round(p, seen);
        if (atomic_load(&p->stop)) return NULL;
        drain(p, seen, worker);
    }
}

static uint32_t start_round(struct par *p)
{
    uint32_t round = round_of(atomic_load(&p->word)) + 1;
    atomic_store(&p->word, (uint64_t)round << 32);
    if (!atomic_load(&p->sleeping)) return round;
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    return round;
}

struct par *par_new(int threads)
{
    struct par *p = mem_alloc(sizeof *p);
    p->threads = 1;
    p->tid = mem_array((size_t)mem_max(threads, 1), sizeof *p->tid);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->idle, NULL);
    for (int i = 1; i < threads; i++) {        /* fewer threads than asked for change no result */
        struct helper *h = mem_alloc(sizeof *h);
        *h = (struct helper){ p, i };
        if (pthread_create(&p->tid[i], NULL, helper_main, h)) { free(h); break; }
        p->threads++;
    }
    return p;
}

void par_free(struct par *p)
{
    if (!p) return;
    atomic_store(&p->word, atomic_load(&p->word) | CLOSED);
    atomic_store(&p->n, 0);
    atomic_store(&p->stop, 1);
    start_round(p);
    for (int i = 1; i < p->threads; i++) pthread_join(p->tid[i], NULL);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->wake);
    pthread_cond_destroy(&p->idle);
    free(p->tid);
    free(p);
}

int par_threads(const struct par *p) { return p ? p->threads : 1; }

int par_cpus(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set)) return 1;
    int n = CPU_COUNT(&set);
    return n > 0 ? n : 1;
}

static void wait_done(struct par *p, int n)
{
    for (int i = 0; i < SPIN; i++) {
        if (atomic_load(&p->done) == n) return;
        relax();
    }
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->waiting, 1);
    while (atomic_load(&p->done) < n) pthread_cond_wait(&p->idle, &p->lock);
    atomic_store(&p->waiting, 0);
    pthread_mutex_unlock(&p->lock);
}

void par_for(struct par *p, int n, void (*fn)(void *, int, int), void *arg)
{
    if (!p || p->threads == 1 || n < 2) {
        for (int i = 0; i < n; i++) fn(arg, i, 0);
        return;
    }
    atomic_store(&p->word, atomic_load(&p->word) | CLOSED);
    atomic_store(&p->n, n);
    atomic_store(&p->fn, fn);
    atomic_store(&p->arg, arg);
    atomic_store(&p->done, 0);
    drain(p, start_round(p), 0);
    wait_done(p, n);
}

/* ---- the ordered pipeline: a ring of slots, each empty -> read -> working -> done -> written ---- */

enum slot_state { EMPTY, READY, WORKING, DONE };
struct slot { enum slot_state st; void *item; int failed; char *why; enum err_kind kind; };

struct pipe {
    const struct par_pipe *io;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct slot *slot;
    int nslot;
    long head, work, tail;                     /* next to read, to work on, to write */
    int reading, writing, ended, failed;
    char *why;                                 /* the first failure in stream order */
    enum err_kind kind;
};

static struct slot *at(struct pipe *p, long i) { return &p->slot[i % p->nslot]; }

static void keep_failure(struct pipe *p, char *why, enum err_kind kind)
{
    if (p->failed) { free(why); return; }
    p->failed = 1;
    p->why = why;
    p->kind = kind;
}

static void do_read(struct pipe *p)
{
    struct slot *s = at(p, p->head);
    p->reading = 1;
    pthread_mutex_unlock(&p->lock);
    void *item = NULL;
    int r = p->io->read(p->io->arg, &item);
    char *why = r < 0 ? mem_str(err_msg()) : NULL;
    enum err_kind kind = err_kind();
    pthread_mutex_lock(&p->lock);
    p->reading = 0;
    if (r == 0) { p->ended = 1; return; }
    *s = (struct slot){ r > 0 ? READY : DONE, item, r < 0, why, kind };
    if (r < 0) p->ended = 1;                   /* reported when the items before it are written */
    p->head++;
}

static void do_work(struct pipe *p, struct slot *s)
{
    s->st = WORKING;
    pthread_mutex_unlock(&p->lock);
    int r = p->io->work ? p->io->work(p->io->arg, s->item) : 0;
    char *why = r < 0 ? mem_str(err_msg()) : NULL;
    enum err_kind kind = err_kind();
    pthread_mutex_lock(&p->lock);
    s->failed = r < 0;
    s->why = why;
    s->kind = kind;
    s->st = DONE;
}

static void do_write(struct pipe *p)
{
    struct slot s = *at(p, p->tail);
    p->writing = 1;
    if (s.failed) keep_failure(p, s.why, s.kind);
    int drop = p->failed;
    pthread_mutex_unlock(&p->lock);
    int r = 0;
    if (drop) { if (s.item) p->io->drop(p->io->arg, s.item); }
    else r = p->io->write(p->io->arg, s.item);
    char *why = r < 0 ? mem_str(err_msg()) : NULL;
    enum err_kind kind = err_kind();
    pthread_mutex_lock(&p->lock);
    if (r < 0) keep_failure(p, why, kind);
    at(p, p->tail)->st = EMPTY;
    p->tail++;
    p->writing = 0;
}

static void *pipe_main(void *v)
{
    struct pipe *p = v;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (p->work < p->head && at(p, p->work)->st != READY) p->work++;   /* a failed read has no work */
        if (!p->writing && p->tail < p->head && at(p, p->tail)->st == DONE) do_write(p);
        else if (p->work < p->head) { struct slot *s = at(p, p->work); p->work++; do_work(p, s); }
        else if (!p->reading && !p->ended && !p->failed && p->head - p->tail < p->nslot) do_read(p);
        else if ((p->ended || p->failed) && !p->reading && p->tail == p->head) break;
        else { pthread_cond_wait(&p->changed, &p->lock); continue; }
        pthread_cond_broadcast(&p->changed);
    }
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

int par_pipe(int threads, const struct par_pipe *io)
{
    struct pipe p = { .io = io, .nslot = 4 * mem_max(threads, 1) };
    p.slot = mem_array((size_t)p.nslot, sizeof *p.slot);
    pthread_mutex_init(&p.lock, NULL);
    pthread_cond_init(&p.changed, NULL);
    pthread_t *tid = mem_array((size_t)mem_max(threads, 1), sizeof *tid);
    int n = 1;
    while (n < threads && !pthread_create(&tid[n], NULL, pipe_main, &p)) n++;
    pipe_main(&p);
    for (int i = 1; i < n; i++) pthread_join(tid[i], NULL);
    if (p.failed) err_set(p.kind, p.why);
    pthread_mutex_destroy(&p.lock);
    pthread_cond_destroy(&p.changed);
    free(p.why);
    free(p.slot);
    free(tid);
    return p.failed ? -1 : 0;
}
