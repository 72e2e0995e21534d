/* SPDX-License-Identifier: Apache-2.0
 * What the files of cos-score share: each subcommand's options, help and work; and the model that some of them load.
 */
#ifndef TOOLS_SCORE_H
#define TOOLS_SCORE_H

#include "common.h"
#include "model/input.h"
#include "model/model.h"
#include "ops/device.h"

extern const struct opt score_answer_opts[], score_prm_opts[], score_mc_opts[], score_logprob_opts[], score_mix_opts[],
                        score_judge_opts[];
extern const char score_answer_details[], score_prm_details[], score_mc_details[], score_logprob_details[],
                  score_mix_details[], score_judge_details[];
int score_answer(struct tool *t);
int score_prm(struct tool *t);
int score_mc(struct tool *t);
int score_logprob(struct tool *t);
int score_mix(struct tool *t);
int score_judge(struct tool *t);

/* ---- score_model.c ---- */

struct score_model {                           /* the options */
    const char *dir, *images, *chat, *style;
    bool prm;                                  /* the model is a process reward model, asked in that style */
    int dtype, device, batch, kv_tokens;
};
#define SCORE_MODEL_OPTS(s, what) \
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "Model" }, \
    { 0, "model", "DIR", OPT_STR, &(s).dir, 0, 0, what ", a folder as Hugging Face's (needed)" }, \
    { 0, "images", "PATH", OPT_STR, &(s).images, 0, 0, "folder or archive that image references are looked up in" }, \
    { 0, "template", "NAME", OPT_STR, &(s).chat, 0, 0, "chat template: a name or a JSON file; without it the folder's" }, \
    { 0, "dtype", "auto|f32|bf16", OPT_CHOICE, &(s).dtype, 0, 0, "of weights and arithmetic; auto: bf16 where the device has instructions for it" }, \
    { 0, "device", DEVICE_WORDS, OPT_CHOICE, &(s).device, 0, 0, DEVICE_HELP }
#define SCORE_RESOURCE_OPTS(s) \
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "Resources; the result does not depend on them" }, \
    { 0, "batch", "N", OPT_INT, &(s).batch, 1, 4096, "paths at once" }, \
    { 0, "kv-tokens", "N", OPT_INT, &(s).kv_tokens, 0, 1 << 30, "cache of keys and values; 0: what the batch needs, within a quarter of free memory" }

struct score_loaded { struct model *model; struct model_io *io; struct par *pool; int kv_tokens; double start; };
/* Loads the model, opens the streams under its digest, and calls work; path_tokens: of a path, for the size of the
 * cache. 0 or -1. work ends with tool_close. */
MUST_USE int score_with_model(struct tool *t, const struct score_model *s, int path_tokens,
                              int (*work)(struct tool *t, const struct score_loaded *l));
double score_seconds(const struct score_loaded *l);       /* since the model was loaded */
/* Rejects, and says why in the first few cases: err_msg() has the particulars. */
MUST_USE int score_reject(struct tool *t, const struct record *r, const char *why);

#endif
