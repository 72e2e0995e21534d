/* SPDX-License-Identifier: Apache-2.0
 * What the files of the engine share: the tree of cached prompt pieces (prefix.c), the paths being decoded (paths.c),
 * the rounds (round.c), and what a program sees of it all (engine.c).
 */
#ifndef SEARCH_ENGINE_PRIV_H
#define SEARCH_ENGINE_PRIV_H

#include "search/engine.h"

/* ---- prefix.c: pieces of prompts, and the account of the cache's pages ---- */

/* A piece of some prompt behind other pieces. It is in use while requests or paths end their prompt with it or pieces
 * hang behind it; out of use it stays, in a list by age, until its pages are wanted. */
struct piece {
    struct piece *parent, *chain;              /* chain: next of the same hash bucket */
    struct piece *older, *newer;               /* while refs is 0 */
    int refs;
    uint64_t hash;
    uint32_t *id; int n, filled;               /* tokens; how many of them are in the cache */
    int node;                                  /* of the KV tree; -1 until the first row, which waits for the parent's last */
    struct span image; uint32_t token;         /* those of its rows in `image` that are `token` take the features of an image, */
    int nimage;                                /* so many; 0: it has none */
    uint64_t digest[2];                        /* of that image's pixels */
    struct model_image pixels;                 /* borrowed from the request that made the piece; px NULL once encoded */
    int feature;                               /* its first row in the engine's features; -1: not there (yet) */
    void *last;                                /* host copy of the last row's hidden state, when filled */
    uint64_t round;                            /* the last round that had rows of it */
};

struct prefix {
    struct kv *kv;
    int page, total, held, peak;               /* tokens a page; pages: all, promised to pieces and paths, at most so far */
    struct piece **bucket; int nbucket;        /* a power of two */
    struct piece *oldest, *newest;             /* out of use */
};

int  prefix_init(struct prefix *t, struct model *m, int tokens);
void prefix_end(struct prefix *t);
int  prefix_pages(const struct prefix *t, int tokens);
/* The first n tokens (no image cut) in pieces: cut behind each image and at the places in cut, ascending, never inside an
 * image. want: [in->nimage + ncut + 1] keys, parents not set; they borrow from `in`. Returns how many. */
int  prefix_cut(const struct input *in, int n, const int *cut, int ncut, struct piece *want);
/* The piece equal to `want` (parent, id, n, image, nimage, digest); NULL if there is none. */
struct piece *prefix_find(const struct prefix *t, const struct piece *want);
struct piece *prefix_add(struct prefix *t, const struct piece *want);  /* copies; holds the parent; room must have been made */
void prefix_hold(struct prefix *t, struct piece *p);
void prefix_drop(struct prefix *t, struct piece *p);
bool prefix_take(struct prefix *t, int pages);         /* promises pages, dropping unused pieces for them; false: no room */
void prefix_give(struct prefix *t, int pages);

/* ---- requests and paths ---- */

struct job {                                   /* a request */
    struct job *next;
    struct gen_request r;
    uint64_t number;                           /* order of submission */
    struct piece *want; int nwant;             /* its pieces, as keys; parents are set when it starts */
    struct piece **piece;                      /* [nwant] in the tree, once started */
    int max_tokens, path_pages;                /* of a path at full length */
    struct gen_path *path;
    int started, ended, promised;              /* paths; promised: paths at full length that have their pages */
};
struct jobs { struct job *first, **last; int n; };

struct path {                                  /* a path being decoded */
    struct job *job;
    struct gen_path *out;
    int node;                                  /* -1 before its first row */
    int cap;
    struct buf tail;                           /* the last decoded bytes, as far as a stop text may begin in them */
};

struct start { struct job *job; int n; };      /* n paths of the job start now */
struct fill { struct piece *piece; int rows; };
struct draw { int row; struct path *path; struct sampled got; };           /* row: of the logits computed last */

struct engine {
    struct model *m;
    struct ops *o;
    struct par *pool;
    int batch, prefill, V, C, max_pos;
    struct prefix tree;
    struct jobs queue, open, done;             /* not started; with paths not started; all paths ended */
    uint64_t njobs; size_t queued;             /* submitted so far; floats of pixels in the queue */
    struct path *active; int nactive;          /* [batch], ordered by job, so that rows of one prompt are together */
    bool *over;                                /* [batch] the path in that row has ended */
    struct start *start;                       /* [nlogit] */
    struct draw *draw; int nlogit;             /* [batch]; rows of logits at a time */
    float *logits;                             /* [nlogit, V]; NULL where the device draws */
    struct draw_how *how; struct drawn *drawn; /* [batch], for it */
    struct sampler **sampler;                  /* one a thread */
    int *node, *id, *feature, *row;            /* [batch + prefill] of a pass */
    struct fill *fill; int nfill;              /* [prefill] which pieces have rows in it */
    struct model_features features; int encoded;       /* of `encoded` pieces that still want rows of them */
    struct mat leaf;                           /* [nlogit, C] hidden rows going into the head */
    struct engine_stats stats;
};

void jobs_add(struct jobs *l, struct job *j);
struct job *jobs_pop(struct jobs *l);
void job_free(struct job *j);
static inline struct piece *job_leaf(const struct job *j) { return j->piece[j->nwant - 1]; }

/* paths.c */
int  paths_start(struct engine *e);            /* paths of filled prompts into free rows; 0 or -1 */
int  paths_advance(struct engine *e, struct mat hidden);       /* a token for each active path; row i is active[i]'s */
void paths_drop(struct engine *e);             /* all of them */

#endif
