/* SPDX-License-Identifier: Apache-2.0
 * cos-update prm: a process reward model from labelled paths.
 */
#include "train/objective_prm.h"
#include "update.h"

static struct { struct update u; const char *labels; int target, merge, answer; double threshold; struct train_prm prm; } set = {
    .labels = "mc", .threshold = 0.5 };

const struct opt update_prm_opts[] = {
    UPDATE_FILES(set.u),
    { 0, "prm-style", "NAME", OPT_STR, &set.u.style, 0, 0, "how it is asked: " PRM_STYLES ",\nor a JSON file, which the new model keeps; without it the folder's" },
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "Labels" },
    { 0, "labels", "LIST", OPT_STR, &set.labels, 0, 0, "whose labels (their \"by\"), with commas: mc,judge:gpt" },
    { 0, "merge", PRM_MERGE_WORDS, OPT_CHOICE, &set.merge, 0, 0, "of several labels of a step: the first of the list, or\ntheir mean" },
    { 0, "target", PRM_TARGET_WORDS, OPT_CHOICE, &set.target, 0, 0, "right or wrong by --threshold; the share k/n; k/n with\nweight n" },
    { 0, "threshold", "X", OPT_FLOAT, &set.threshold, 0, 1, "hard: a value of X or more is right" },
    { 0, "answer", PRM_ANSWER_WORDS, OPT_CHOICE, &set.answer, 0, 0, "the answer's label: by the same sources, else path.correct;\nor one of these alone" },
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "Examples" },
    UPDATE_MAX_TOKENS(set.u),
    UPDATE_JITTER(set.u),
    UPDATE_RUN(set.u),
    OPT_END };

void update_prm_init(void)                     /* the paper's */
{
    set.u = update_defaults();
    set.u.prm = true;
    set.u.freeze = "vision";
    set.u.c.epochs = 2;
    set.u.c.lr = 1e-6;
}

static const struct objective *open_prm(struct model *m, const struct model_io *io)
{
    struct prm_cfg c = { set.labels, (enum prm_merge)set.merge, (enum prm_target)set.target, set.threshold,
                         (enum prm_answer)set.answer };
    (void)m;
    objective_prm(&set.prm, &c, io->prm);
    return &set.prm.base;
}

static void close_prm(void) { objective_prm_free(&set.prm); }

int update_prm(struct tool *t)
{
    if (!*set.labels) return fail_kind(ERR_USAGE, "--labels names no source");
    return update_train(t, &set.u, open_prm, close_prm);
}
