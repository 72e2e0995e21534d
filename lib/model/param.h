/* SPDX-License-Identifier: Apache-2.0
 * The parameter table: one row per tensor. Loader, saver, optimiser, clipping and the gradient test all walk it.
 */
#ifndef MODEL_PARAM_H
#define MODEL_PARAM_H

#include "ops/ops.h"

enum part { PART_VISION, PART_PROJECTOR, PART_DECODER, PART_EMBED, PART_HEAD, PARTS };

enum { PARAM_DIMS = 5 };

struct param {
    char *name;                                /* as in the checkpoint */
    int ndim, dims[PARAM_DIMS];                       /* the checkpoint's shape */
    int rows, cols;                            /* as a matrix; vectors have rows 1 */
    bool vector;                               /* used as f32 always (norm weights, biases, position tables) */
    bool decay;                                /* weight decay applies (matrices) */
    bool frozen;
    bool idle;                                 /* no pass looks at it: read to be saved again, and always frozen */
    enum part part;
    size_t n;                                  /* rows * cols */
    struct mat w;                              /* what the forward pass uses, [dev] */
    float *master, *grad, *m, *v;              /* [dev] f32 [n]; NULL without MODEL_TRAIN, and where frozen from the
                                                * start (there is a master then too, if w does not hold it exactly); master == w.p when w is f32 */
};

struct params { struct param *v; int n; };

struct param *param_find(struct params *ps, const char *name);         /* NULL if none */
void param_zero_grads(struct params *ps, struct ops *o);
double param_grad_norm(struct params *ps, struct ops *o);              /* over what is not frozen */
const char *part_name(enum part p);                                    /* "vision", "projector", ... */
int part_find(const char *name);                                       /* -1 if none */

#endif
