/* SPDX-License-Identifier: Apache-2.0
 * What a stopped run needs to go on as if it had not stopped: a folder with the f32 master weights and both moments of
 * every trained parameter and the objective's numbers (state.safetensors) and the step and settings of the run
 * (training.json). The order of the data and every random draw are functions of (seed, step), so nothing else is kept.
 * Written whole or not at all.
 */
#ifndef TRAIN_STATE_H
#define TRAIN_STATE_H

#include <jansson.h>
#include "model/param.h"

#define TRAINING_JSON "training.json"

/* training.json: {"step": n, "steps": n, "settings": {name: text, ...}} */
MUST_USE int training_save(const char *dir, int step, int steps, const json_t *settings);
/* Reads the step of the run in dir; fails when its settings are not these, naming the first that differs. */
MUST_USE int training_check(const char *dir, const json_t *settings, int *step);

struct state_numbers { double *v; int n; };    /* of the objective (objective.h: state) */
MUST_USE int state_save(const char *dir, struct params *ps, struct ops *o, struct state_numbers more, int step, int steps,
                        const json_t *settings);
MUST_USE int state_load(const char *dir, struct params *ps, struct ops *o, struct state_numbers more);

/* One process at a time may work on OUT: OUT.lock is locked (flock) until state_unlock, which removes it, or the end of the
 * process. The descriptor, or -1 after fail(). */
MUST_USE int state_lock(const char *out);
void state_unlock(const char *out, int fd);

#endif
