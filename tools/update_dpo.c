/* SPDX-License-Identifier: Apache-2.0
 * cos-update dpo: preference learning from pairs.
 */
#include <string.h>

#include "train/objective_dpo.h"
#include "update.h"

static struct { struct update u; const char *ref; struct dpo_cfg c; char digest[HASH_HEX]; struct train_dpo dpo; } set = {
    .c = { .beta = 0.1, .sigmoid = 1, .nll = 1 } };

const struct opt update_dpo_opts[] = {
    UPDATE_FILES(set.u),
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "Pairs" },
    { 0, "ref", "MODEL", OPT_STR, &set.ref, 0, 0, "the reference: a model's folder or digest; without it:\n--model itself" },
    UPDATE_MAX_TOKENS(set.u),
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "Loss, a weighted sum" },
    { 0, "beta", "X", OPT_FLOAT, &set.c.beta, 1e-9, 1e9, "how firmly the reference is held to" },
    { 0, "sigmoid", "W", OPT_FLOAT, &set.c.sigmoid, 0, 1e9, "weight of DPO's log-sigmoid of the margin" },
    { 0, "nll", "W", OPT_FLOAT, &set.c.nll, 0, 1e9, "weight of the chosen path's mean -log p" },
    { 0, "ipo", "W", OPT_FLOAT, &set.c.ipo, 0, 1e9, "weight of IPO's squared distance from a margin of 1/(2 beta)" },
    { 0, "bco", "W", OPT_FLOAT, &set.c.bco, 0, 1e9, "weight of BCO: each path against the mean reward so far" },
    UPDATE_RUN(set.u),
    OPT_END };

void update_dpo_init(void)                     /* the paper's */
{
    set.u = update_defaults();
    set.u.c.batch = 256;
}

static int digest_of_folder(const char *dir, struct ops *o)
{
    struct model *ref = model_load(dir, o, DT_F32, 0);
    if (ref) memcpy(set.digest, model_digest(ref), HASH_HEX);
    model_free(ref);
    return ref ? 0 : fail_in("--ref");
}

static const struct objective *open_dpo(struct model *m, const struct model_io *io)
{
    (void)io;
    if (!set.ref) memcpy(set.digest, model_digest(m), HASH_HEX);
    else if (file_is_dir(set.ref)) { if (digest_of_folder(set.ref, model_ops(m))) return NULL; }
    else memcpy(set.digest, set.ref, HASH_HEX);
    set.c.ref = set.digest;
    objective_dpo(&set.dpo, &set.c);
    return &set.dpo.base;
}

static bool is_digest(const char *s) { return strlen(s) == HASH_HEX - 1 && strspn(s, "0123456789abcdef") == HASH_HEX - 1; }

int update_dpo(struct tool *t)
{
    const struct dpo_cfg *c = &set.c;
    if (c->sigmoid + c->ipo + c->bco + c->nll == 0) return fail_kind(ERR_USAGE, "all weights of the loss are 0");
    if (set.ref && !file_is_dir(set.ref) && !is_digest(set.ref))
        return fail_kind(ERR_USAGE, "--ref: %s is neither a folder nor a digest of %d hex digits", set.ref, HASH_HEX - 1);
    return update_train(t, &set.u, open_dpo, NULL);
}
