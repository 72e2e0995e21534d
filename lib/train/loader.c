/* SPDX-License-Identifier: Apache-2.0 */
#include "train/loader.h"

#include <pthread.h>
#include <stdlib.h>

enum { AHEAD = 2 };                            /* batches ready or being made for each thread, besides the one in use */

struct slot { struct batch b; int ready, failed; char *why; enum err_kind kind; };

struct loader {
    struct batch_cfg cfg;
    int threads, running, nslot;
    pthread_t *tid;
    pthread_mutex_t lock;
    pthread_cond_t made, freed;
    struct slot *slot;                         /* micro-batch i lives in slot i % nslot */
    const struct plan *plan;
    int next, taken;                           /* next to make; next to hand out */
    bool stop;
};

struct loader *loader_new(const struct batch_cfg *c, int threads)
{
    struct loader *l = mem_alloc(sizeof *l);
    l->cfg = *c;
    l->threads = mem_max(threads, 1);
    l->nslot = AHEAD * l->threads + 1;
    l->slot = mem_array((size_t)l->nslot, sizeof *l->slot);
    l->tid = mem_array((size_t)l->threads, sizeof *l->tid);
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->made, NULL);
    pthread_cond_init(&l->freed, NULL);
    return l;
}

static void make_one(struct loader *l, int i)              /* with the lock held, which it leaves meanwhile */
{
    struct slot *s = &l->slot[i % l->nslot];
    const struct micro *m = &l->plan->micro[i];
    pthread_mutex_unlock(&l->lock);
    int bad = batch_build(&s->b, &l->cfg, l->plan->order + m->first, m->n,
                          batch_when(l->plan->epoch, m->step));
    char *why = bad ? mem_str(err_msg()) : NULL;
    enum err_kind kind = err_kind();
    pthread_mutex_lock(&l->lock);
    s->failed = bad != 0;
    s->why = why;
    s->kind = kind;
    s->ready = 1;
    pthread_cond_broadcast(&l->made);
}

static void *loader_main(void *v)
{
    struct loader *l = v;
    pthread_mutex_lock(&l->lock);
    while (!l->stop && l->next < l->plan->nmicro) {
        /* the slot handed out last is in use until the next one is asked for */
        if (l->next >= l->taken - 1 + l->nslot) { pthread_cond_wait(&l->freed, &l->lock); continue; }
        make_one(l, l->next++);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

void loader_stop(struct loader *l)
{
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_cond_broadcast(&l->freed);
    pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < l->running; i++) pthread_join(l->tid[i], NULL);
    l->running = 0;
    for (int i = 0; i < l->nslot; i++) {
        free(l->slot[i].why);
        l->slot[i].why = NULL;
        l->slot[i].ready = l->slot[i].failed = 0;
    }
}

int loader_start(struct loader *l, const struct plan *p, int first)
{
    loader_stop(l);
    l->plan = p;
    l->next = l->taken = first;
    l->stop = false;
    while (l->running < l->threads && !pthread_create(&l->tid[l->running], NULL, loader_main, l)) l->running++;
    return l->running ? 0 : fail("cannot start a thread");
}

int loader_next(struct loader *l, struct batch **b)
{
    if (l->taken == l->plan->nmicro) return 0;
    pthread_mutex_lock(&l->lock);
    struct slot *s = &l->slot[l->taken % l->nslot];
    while (!s->ready) pthread_cond_wait(&l->made, &l->lock);
    s->ready = 0;
    l->taken++;
    pthread_cond_broadcast(&l->freed);
    pthread_mutex_unlock(&l->lock);
    *b = &s->b;
    if (!s->failed) return 1;
    err_set(s->kind, s->why);
    return -1;
}

void loader_free(struct loader *l)
{
    if (!l) return;
    loader_stop(l);
    for (int i = 0; i < l->nslot; i++) batch_free(&l->slot[i].b);
    pthread_mutex_destroy(&l->lock);
    pthread_cond_destroy(&l->made);
    pthread_cond_destroy(&l->freed);
    free(l->slot);
    free(l->tid);
    free(l);
}
