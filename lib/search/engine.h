/* SPDX-License-Identifier: Apache-2.0
 * Generation for many questions at once: continuous batching over the tree of cached keys (model/model.h).
 *
 *     struct engine *e = engine_new(model, pool, &(struct engine_cfg){ .batch = 64 });
 *     if (engine_submit(e, &request)) ...                    a prompt and how many paths to sample behind it
 *     while ((s = engine_step(e)) > 0)                       one round: prompts computed, one token for every path
 *         while (engine_take(e, &done)) ...                  requests whose paths have all ended, in any order
 *     engine_free(e);
 *
 * - A request's prompt is computed once and shared by its paths. What prompts have in common is computed once as well:
 *   they are cut into pieces - behind each image, and where the request says - which form a tree and stay cached, the
 *   least recently used leaving first. Equal images behind equal text are encoded once.
 * - A row that a path leaves is taken by the next path in the same round. Requests start in the order they came.
 * - Keys and values: a request starts only when its prompt and one path of full length surely fit, a further path only
 *   when it fits at full length; so every path that has started can end, and no request waits for ever.
 * - A path is a function of (prompt, sampling, stops, key, its index): rows of the model do not depend on one another
 *   (ops/ops.h), and draw i of path p is rng_uniform(key, p, first_pos + i). Nothing else - batch, order, cache,
 *   threads - changes a bit of it.
 */
#ifndef SEARCH_ENGINE_H
#define SEARCH_ENGINE_H

#include "base/par.h"
#include "base/rng.h"
#include "model/input.h"
#include "model/model.h"
#include "search/sample.h"

struct engine_cfg {
    int batch;                                 /* paths decoded at once; 0: 64 */
    int kv_tokens;                             /* capacity of the cache; 0: engine_kv_default */
    int prefill;                               /* prompt rows in a round at most; 0: 512 */
};

/* When a path ends by itself: any of the tokens, or any of the texts in its decoded bytes. Borrowed until the request
 * is taken. */
struct gen_stop {
    const int *id; int nid;
    const struct slice *text; int ntext;       /* needs tok; not empty */
    const struct tokenizer *tok;
};

struct gen_request {
    struct input in;                           /* taken over by engine_submit, even when it fails */
    const int *cut; int ncut;                  /* further places in in.id behind which prompts may part, ascending; copied */
    struct rng_key key;
    uint64_t first_index, first_pos;           /* of the paths; of the first token drawn (behind a partial path) */
    int npath, max_tokens;                     /* >= 0, >= 1 */
    struct sampling how;
    struct gen_stop stop;
    void *user;                                /* handed back */
};

enum gen_end { GEN_STOP, GEN_LENGTH };
struct gen_path {
    uint64_t index;
    enum gen_end end;
    uint32_t *token; float *logprob; int n;    /* the end token included; owned */
};
struct gen_done { void *user; struct gen_path *path; int npath; };     /* path: caller frees with gen_paths_free */

struct engine_stats {
    uint64_t rounds, rows;                     /* model passes and rows in them */
    uint64_t prompt_rows, shared_rows;         /* prompt tokens computed; taken from the cache */
    uint64_t tokens, paths;                    /* sampled; ended */
    uint64_t tiles, shared_tiles;              /* encoded; not encoded because the prefix was there */
    int kv_peak;                               /* tokens of cache reserved at most */
};

struct engine;
struct engine *engine_new(struct model *m, struct par *pool, const struct engine_cfg *c);     /* NULL + fail() */
void engine_free(struct engine *e);            /* drops what is unfinished; NULL is fine */
/* Tokens of cache for this batch and length: all rows at full length and some prompts, in a quarter of free memory. */
int  engine_kv_default(const struct model *m, int batch, int max_tokens);

/* -1: this request can never run (prompt and answer longer than the model's positions or the cache). Its paths may be
 * shorter than max_tokens where the model's positions end. */
MUST_USE int engine_submit(struct engine *e, struct gen_request *r);
bool engine_wants(const struct engine *e);     /* few requests are waiting to start: time to submit more */
MUST_USE int engine_step(struct engine *e);    /* 1: worked, 0: nothing to do, -1 */
bool engine_take(struct engine *e, struct gen_done *out);
/* For a model whose ops measure (ops.h): a round as large as can be, with an image of these tiles (NULL: none) encoded
 * before it; then the ops' usage tells what generating takes. */
MUST_USE int engine_measure(struct engine *e, const struct tiles *image);
struct engine_stats engine_stats(const struct engine *e);
void gen_paths_free(struct gen_path *p, int n);

#endif
