/* SPDX-License-Identifier: Apache-2.0
 * cos-update: makes models and changes them. Each command is in a file of its own: update_*.c.
 */
#include "update.h"

static const char init_details[] =
    "Records on stdin are read with --vocab alone. Weights of a fresh model are f32, drawn from --seed.\n"
    "Each of the 17 tokens starts with the mean embedding of its description, in the embedding and the head.\n\n"
    "  cos-update init --config small.json --vocab 1024 --out base < train.cos\n"
    "  cos-update init --model InternVL3-8B-hf --out base";

static const char sft_details[] =
    "Path records come on stdin; records without a path, too long ones and those with unreadable images are rejected\n"
    "and counted. " UPDATE_HELP "\n"
    "  cos-segment --from cos --images images.zip < train.jsonl | cos-update sft --model base --out sft --images images.zip";

static const char prm_details[] =
    "Path records with labels come on stdin. Each step and the answer is followed by a tag; what is learned is the two-way\n"
    "softmax over the logits of right and wrong there. A step none of the sources says anything about is left out of the\n"
    "loss (unknown is not wrong); a record without any such label is rejected. A label {k, n} is worth k/n, {value} its\n"
    "value, of which 0.5 is neutral: learned as 0.5 whatever --target says. The answer weighs no less than the heaviest step\n"
    "of its path. The log tells accuracies and the mean score of what is labelled right and wrong.\n"
    UPDATE_HELP "\n"
    "  cos-score mc --model sft --rollouts 16 < paths.cos | cos-update prm --model sft --out prm --target soft\n"
    "  cos-update prm --model sft --out prm --labels judge:gpt,mc --freeze none < labelled.cos";

static const char dpo_details[] =
    "Pair records come on stdin, with tokens and the reference model's log-probabilities in both paths; those of another\n"
    "model, or of tokens of another tokenizer, are never used: such records are rejected and counted. The prompt and its\n"
    "images are computed once for both paths. The log tells rewards (beta x gain over the reference), margin, how often the\n"
    "chosen path is ahead, sums of log p, and the chosen path's mean -log p.\n"
    UPDATE_HELP "\n"
    "  cos-select pairs --gap 0.3 < scored.cos | cos-score logprob --model sft | cos-update dpo --model sft --out dpo1\n"
    "  cos-score logprob --model sft < pairs2.cos | cos-update dpo --model dpo1 --ref sft --out dpo2\n"
    "  cos-update dpo --model sft --out mpo --sigmoid 0.8 --bco 0.2 --nll 1 < pairs.cos";

static const struct command cmds[] = {
    { "init", "makes a model to begin with", update_init_opts, update_init, NULL, init_details },
    { "sft", "trains a model on paths", update_sft_opts, update_sft, NULL, sft_details },
    { "prm", "trains a process reward model on labelled paths", update_prm_opts, update_prm, NULL, prm_details },
    { "dpo", "trains a model on pairs of a better and a worse path", update_dpo_opts, update_dpo, NULL, dpo_details },
    { 0 } };

int main(int argc, char **argv)
{
    update_sft_init();
    update_prm_init();
    update_dpo_init();
    return tool_main("cos-update", "makes models and changes them", cmds, argc, argv);
}
