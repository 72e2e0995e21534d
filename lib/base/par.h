/* SPDX-License-Identifier: Apache-2.0
 * Threads: a pool for loops, and an ordered pipeline for streams (after minimap2's kt_pipeline).
 * Results must not depend on the number of threads: a task is a fixed piece of work, never "my share of n".
 */
#ifndef BASE_PAR_H
#define BASE_PAR_H

#include "base/err.h"

struct par;                                    /* a pool; opaque */
struct par *par_new(int threads);              /* >= 1, the caller counts as one */
void        par_free(struct par *p);           /* NULL is fine */
int         par_threads(const struct par *p);  /* 1 for NULL */
int         par_cpus(void);                    /* processors this process may use */

/* Runs fn(arg, i, worker) for every i in [0, n); worker in [0, threads). Returns when all are done. p may be NULL
 * (everything runs in the caller). Not reentrant: fn must not call par_for on the same pool. */
void par_for(struct par *p, int n, void (*fn)(void *arg, int i, int worker), void *arg);

/* read -> work -> write over a stream of items, at most 4 * threads in flight.
 *   read:  called in order, one at a time; 1 with *item set, 0 at the end, -1 on failure
 *   work:  on any thread, in parallel; 0, or -1 on failure (message kept, reported in order)
 *   write: called in order, one at a time, owns the item from then on; 0 or -1
 *   drop:  frees an item that will not be written (after a failure)
 * Returns 0, or -1 after the first failure in stream order; items before it have been written. */
struct par_pipe {
    void *arg;
    int  (*read)(void *arg, void **item);
    int  (*work)(void *arg, void *item);
    int  (*write)(void *arg, void *item);
    void (*drop)(void *arg, void *item);
};
MUST_USE int par_pipe(int threads, const struct par_pipe *p);

#endif
