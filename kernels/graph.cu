/* SPDX-License-Identifier: Apache-2.0
 * Passes that are launched as a whole. Decoding launches the same few hundred kernels for every token, and each takes less
 * time than its launch; replay() makes a graph of them.
 *
 * The work is first gone through without launching anything: index arrays are uploaded, and every launch goes into a
 * signature - kernel, grid, arguments, so every address. Where a graph of that signature is there, it is launched: same
 * arguments mean same work, on what the memory holds now. A signature that is seen for the second time becomes a graph; one
 * seen for the first time is worked through as it is, since most prompts never come back in the same shape. Arrays keep
 * their addresses from pass to pass because the ring begins anew at each sync and takes powers of two (cuda.cu).
 */
#include "gpu.h"

#include <stdlib.h>

enum { GRAPHS = 64 };
struct graph { uint64_t sign, used; cudaGraphExec_t exec; };
struct graphs { struct graph v[GRAPHS]; uint64_t clock; };

void cuda_sign(struct cuda *c, const void *p, size_t n)
{
    c->sign = cuda_hash(c->sign, p, n);
}

static struct graph *find(struct graphs *g, uint64_t sign, bool *seen)
{
    struct graph *oldest = &g->v[0];
    g->clock++;
    for (int i = 0; i < GRAPHS; i++) {
        if (g->v[i].used && g->v[i].sign == sign) {
            g->v[i].used = g->clock;
            *seen = true;
            return &g->v[i];
        }
        if (g->v[i].used < oldest->used) oldest = &g->v[i];
    }
    if (oldest->exec) cudaGraphExecDestroy(oldest->exec);
    *oldest = { sign, g->clock, NULL };
    *seen = false;
    return oldest;
}

static void sign_anew(struct cuda *c) { c->sign = 0; }

/* NULL when no graph comes of it: the failure is kept, or what was recorded is not what was signed. */
static cudaGraphExec_t record(struct cuda *c, void (*work)(void *), void *arg)
{
    cudaGraph_t graph = NULL;
    cudaGraphExec_t exec = NULL;
    uint64_t want = c->sign;
    cudaError_t e = cudaStreamBeginCapture(c->stream, cudaStreamCaptureModeThreadLocal);
    if (e == cudaSuccess) {
        sign_anew(c);
        c->recording = true;
        work(arg);
        c->recording = false;
        e = cudaStreamEndCapture(c->stream, &graph);
    }
    if (e == cudaSuccess && c->sign == want) e = cudaGraphInstantiate(&exec, graph, 0);
    if (graph) cudaGraphDestroy(graph);
    cuda_check(c, e, "making a graph");
    return e == cudaSuccess ? exec : NULL;
}

static void replay(struct ops *o, void (*work)(void *), void *arg)
{
    struct cuda *c = cuda_of(o);
    bool seen;
    if (o->measuring) { work(arg); return; }
    unsigned turns = cuda_upload_turns(c);
    sign_anew(c);
    c->signing = true;
    work(arg);
    c->signing = false;
    struct graph *g = turns == cuda_upload_turns(c) ? find(c->graphs, c->sign, &seen) : NULL;
    if (g && seen && !g->exec) g->exec = record(c, work, arg);
    if (!g || !g->exec) work(arg);
    else cuda_check(c, cudaGraphLaunch(g->exec, c->stream), "launching a graph");
}

void cuda_set_graphs(struct cuda *c)
{
    c->graphs = (struct graphs *)mem_alloc(sizeof *c->graphs);
    c->ops.replay = replay;
}

void cuda_end_graphs(struct cuda *c)
{
    for (int i = 0; c->graphs && i < GRAPHS; i++)
        if (c->graphs->v[i].exec) cudaGraphExecDestroy(c->graphs->v[i].exec);
    free(c->graphs);
    c->graphs = NULL;
}
