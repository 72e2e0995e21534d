/* SPDX-License-Identifier: Apache-2.0
 * What the files of cos-generate share: the options, the models, and the records that come and go.
 */
#ifndef TOOLS_GENERATE_H
#define TOOLS_GENERATE_H

#include "common.h"
#include "endpoint.h"
#include "model/input.h"
#include "model/model.h"
#include "ops/device.h"
#include "search/beam.h"

enum { SEARCH_NONE, SEARCH_BEAM };
enum { BATCH = 64 };                           /* the default */

struct settings {
    const char *model, *images, *chat;
    int n, first_index, top_k, max_tokens, batch, kv_tokens, dtype, device;
    double temperature, top_p;
    struct opt_list stop;
    bool next_step, anew, cost, plan;
    int search, beam, max_steps, agg;
    double step_weight;
    const char *prm, *prm_style;
    struct endpoint_opts net;
    bool strict;
};
extern struct settings set;

/* The header of a stream that began while records of the one before were still in the works: it goes out with its
 * first record. */
struct header { struct header *next; const struct record *first; struct record *header; };

struct run {
    struct tool *t;
    const struct model_io *io, *prm_io;        /* prm: of --search, else NULL */
    struct engine *engine;
    struct prm *prm;
    struct par *pool;
    const char *digest;                        /* of the model */
    struct slice stop[OPT_LIST_MAX];           /* --stop */
    struct header *head, **tail;
    struct beam_stats search;
    double start;
};

/* ---- generate_run.c: struct run is what arg points to ---- */
int    run_read(void *arg, struct record *r);
int    run_begin(struct run *run, const struct record *r);             /* before the first record that comes of r is written */
int    run_reject(void *arg, struct record *r, const char *why);
double run_seconds(const struct run *run);
void   run_note_engine(const struct run *run);
void   run_end(struct run *run);               /* frees what is left of the lists */
double run_now(void);

/* ---- the ways to generate; each 0 or -1 ---- */
int generate_paths(struct run *run);
int generate_steps(struct run *run);           /* --next-step and --search */
int generate_endpoint(struct tool *t);         /* --endpoint; without a model here */

#endif
