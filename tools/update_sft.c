/* SPDX-License-Identifier: Apache-2.0
 * cos-update sft: supervised fine-tuning on paths.
 */
#include "update.h"

enum { LOSS_TOKEN, LOSS_EXAMPLE };

static struct { struct update u; int response, loss; struct sft sft; } set;

const struct opt update_sft_opts[] = {
    UPDATE_FILES(set.u),
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "Examples" },
    { 0, "response", SFT_RESPONSE_WORDS, OPT_CHOICE, &set.response, 0, 0, "what is learned: the whole path, or its answer alone" },
    UPDATE_MAX_TOKENS(set.u),
    { 0, "loss", "token|example", OPT_CHOICE, &set.loss, 0, 0, "a step's loss is the mean over its tokens, or over its examples" },
    UPDATE_JITTER(set.u),
    UPDATE_RUN(set.u),
    OPT_END };

void update_sft_init(void) { set.u = update_defaults(); }

static const struct objective *open_sft(struct model *m, const struct model_io *io)
{
    (void)m, (void)io;
    objective_sft(&set.sft, (enum sft_response)set.response, set.loss == LOSS_EXAMPLE);
    return &set.sft.base;
}

int update_sft(struct tool *t) { return update_train(t, &set.u, open_sft, NULL); }
