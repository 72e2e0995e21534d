/* SPDX-License-Identifier: Apache-2.0 */
#include "t.h"

#include <stdatomic.h>
#include <unistd.h>
#include "base/par.h"

enum { MOST = 300, THREADS = 4 };
struct loop { atomic_int did[MOST]; atomic_int bad; int n; };

static void mark(void *v, int i, int worker)
{
    struct loop *l = v;
    if (i < 0 || i >= l->n || worker < 0 || worker >= THREADS) atomic_fetch_add(&l->bad, 1);
    else atomic_fetch_add(&l->did[i], 1);
}

/* Each task of each of many short loops runs once, and is over when the loop is. */
static void test_each_once(void)
{
    struct par *p = par_new(THREADS);
    int wrong = 0;
    for (int round = 0; round < 20000; round++) {
        struct loop l = { .n = round % 7 ? round % 5 : round % MOST };
        par_for(p, l.n, mark, &l);
        for (int i = 0; i < MOST; i++) wrong += l.did[i] != (i < l.n);
        wrong += l.bad;
    }
    T_INT(wrong, 0);
    par_free(p);
}

/* Loops that begin when the helpers are asleep, and tasks that outlast the caller's patience. */
static void nap(void *v, int i, int worker) { usleep(i == 0 ? 3000 : 100); mark(v, i, worker); }

static void test_sleepers(void)
{
    struct par *p = par_new(THREADS);
    int wrong = 0;
    for (int round = 0; round < 20; round++) {
        struct loop l = { .n = 2 + round % 6 };
        usleep(round % 3 * 2000u);
        par_for(p, l.n, nap, &l);
        for (int i = 0; i < MOST; i++) wrong += l.did[i] != (i < l.n);
    }
    T_INT(wrong, 0);
    par_free(p);
}

static void test_none(void)
{
    struct loop l = { .n = 9 };
    par_for(NULL, 9, mark, &l);
    for (int i = 0; i < 9; i++) T_INT(l.did[i], 1);
    T_INT(par_threads(NULL), 1);
    T_CHECK(par_cpus() >= 1);
    par_free(NULL);
    par_free(par_new(THREADS));                /* never used */
}

int main(void)
{
    T_RUN(test_each_once);
    T_RUN(test_sleepers);
    T_RUN(test_none);
    return t_end();
}
