/* SPDX-License-Identifier: Apache-2.0
 * The commands of cos-update, one a file, and what those that train have in common: their options, and the way from
 * records to a trained model.
 */
#ifndef TOOLS_UPDATE_H
#define TOOLS_UPDATE_H

#include "common.h"
#include "ops/device.h"
#include "train/trainer.h"

/* Before the options are shown or read: sets the defaults of each. */
void update_sft_init(void);
void update_prm_init(void);
void update_dpo_init(void);
extern const struct opt update_init_opts[], update_sft_opts[], update_prm_opts[], update_dpo_opts[];
int update_init(struct tool *t);
int update_sft(struct tool *t);
int update_prm(struct tool *t);
int update_dpo(struct tool *t);

/* ---- training ---- */

enum update_dtype { AS_AUTO, AS_F32, AS_BF16 };
#define UPDATE_DTYPE_WORDS "auto|f32|bf16"

struct update {
    const char *model, *images, *chat, *style, *freeze;
    bool plan;                                 /* tell the memory it would take, and end */
    bool prm;                                  /* what is trained is a process reward model, asked in that style */
    int max_tokens, dtype, save, device, sched;            /* dtype, save: enum update_dtype */
    struct train_cfg c;
};
struct update update_defaults(void);

/* Rows of an option table, for a struct update s. */
#define UPDATE_FILES(s) \
    { 0, "model", "DIR", OPT_STR, &(s).model, 0, 0, "the model to begin with (a Hugging Face folder)" }, \
    { 0, "out", "DIR", OPT_STR, &(s).c.out, 0, 0, "the model folder to write; appears when training is complete" }, \
    { 0, "images", "PLACE", OPT_STR, &(s).images, 0, 0, "folder or archive that image references are looked up in" }, \
    { 0, "template", "NAME", OPT_STR, &(s).chat, 0, 0, "chat template: a name or a JSON file, which the new model keeps;\nwithout it the folder's" }, \
    { 0, "resume", NULL, OPT_FLAG, &(s).c.resume, 0, 0, "go on with a run that was stopped; nothing to do if it was complete" }, \
    { 0, "force", NULL, OPT_FLAG, &(s).c.force, 0, 0, "replace DIR, and forget a run that was stopped" }
#define UPDATE_MAX_TOKENS(s) \
    { 0, "max-tokens", "N", OPT_INT, &(s).max_tokens, 2, 1 << 20, "reject longer examples (prompt, image and response)" }
#define UPDATE_JITTER(s) \
    { 0, "jitter", "N", OPT_INT, &(s).c.jitter, 0, 256, "move each image by up to N pixels each way, anew every step" }
#define UPDATE_RUN(s) \
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "Steps" }, \
    { 0, "epochs", "X", OPT_FLOAT, &(s).c.epochs, 1e-6, 1e6, "passes over the examples" }, \
    { 0, "steps", "N", OPT_INT, &(s).c.steps, 0, 1 << 30, "optimiser steps, whatever --epochs says; 0: as --epochs says" }, \
    { 0, "batch", "N", OPT_INT, &(s).c.batch, 1, 1 << 20, "examples a step" }, \
    { 0, "micro-tokens", "N", OPT_INT, &(s).c.micro_tokens, 1, 1 << 24, "tokens computed at a time (memory; a longer example goes\nalone)" }, \
    { 0, "group-images", "N", OPT_INT, &(s).c.group, 1, 1 << 20, "up to N examples of one image come together, and share\nits computation" }, \
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "Optimiser" }, \
    { 0, "lr", "X", OPT_FLOAT, &(s).c.lr, 0, 100, "learning rate" }, \
    { 0, "min-lr", "X", OPT_FLOAT, &(s).c.floor, 0, 100, "where the schedule ends" }, \
    { 0, "warmup", "X", OPT_FLOAT, &(s).c.warmup, 0, 1, "share of the steps" }, \
    { 0, "schedule", SCHED_WORDS, OPT_CHOICE, &(s).sched, 0, 0, "behind the warm-up" }, \
    { 0, "decay", "X", OPT_FLOAT, &(s).c.optim.decay, 0, 100, "weight decay, of matrices" }, \
    { 0, "beta1", "X", OPT_FLOAT, &(s).c.optim.b1, 0, 0.999999, "AdamW" }, \
    { 0, "beta2", "X", OPT_FLOAT, &(s).c.optim.b2, 0, 0.9999999, "AdamW" }, \
    { 0, "eps", "X", OPT_FLOAT, &(s).c.optim.eps, 1e-30, 1, "AdamW" }, \
    { 0, "clip", "X", OPT_FLOAT, &(s).c.optim.clip, 0, 1e9, "largest norm of the gradient; 0: any" }, \
    { 0, "freeze", "LIST", OPT_STR, &(s).freeze, 0, 0, "parts that stay: vision,projector,decoder,embed,head; or none" }, \
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "Computation and files" }, \
    { 0, "dtype", UPDATE_DTYPE_WORDS, OPT_CHOICE, &(s).dtype, 0, 0, "of the computation; auto: the faster of the device. Weights are\nkept in f32 as well" }, \
    { 0, "device", DEVICE_WORDS, OPT_CHOICE, &(s).device, 0, 0, DEVICE_HELP }, \
    { 0, "save-dtype", UPDATE_DTYPE_WORDS, OPT_CHOICE, &(s).save, 0, 0, "of the weights written; auto: as computed with" }, \
    { 0, "plan", NULL, OPT_FLAG, &(s).plan, 0, 0, "print the peak of the device's memory by use, and end" }, \
    { 0, "recompute", NULL, OPT_FLAG, &(s).c.recompute, 0, 0, "compute activations twice instead of keeping them" }, \
    { 0, "save-every", "N", OPT_INT, &(s).c.save_every, 0, 1 << 30, "steps between two saved states; 0: only when interrupted" }, \
    { 0, "keep", NULL, OPT_FLAG, &(s).c.keep, 0, 0, "write a model DIR-stepN with each saved state" }, \
    { 0, "log", "FILE", OPT_STR, &(s).c.log, 0, 0, "a line a step as TSV: loss, rate, gradient norm, tokens,\nseconds, and more" }

#define UPDATE_HELP \
    "All records are read before the first step. DIR.state holds a run that was interrupted; the same command with\n" \
    "--resume and the same input goes on, and ends with the same weights, bit for bit, as without the stop.\n"

/* The objective, made when the model and its tokenizer are there. NULL + fail(). */
typedef const struct objective *update_objective(struct model *m, const struct model_io *io);
/* The whole command: checks the options, loads the model, reads the records, trains. close (NULL: none) comes behind it
 * all, while the ops are still open. */
MUST_USE int update_train(struct tool *t, struct update *u, update_objective *open, void (*close)(void));

#endif
