/* SPDX-License-Identifier: Apache-2.0
 * cos-score: adds scores to paths. Each command is in a file of its own: score_*.c.
 */
#include "score.h"

static const struct command cmds[] = {
    { "answer", "right or wrong, by the record's answer", score_answer_opts, score_answer, "[FILE...]", score_answer_details },
    { "prm", "steps and answer, by a process reward model", score_prm_opts, score_prm, "[FILE...]", score_prm_details },
    { "mc", "steps, by rollouts from behind them", score_mc_opts, score_mc, "[FILE...]", score_mc_details },
    { "logprob", "log-probabilities of the tokens under a model", score_logprob_opts, score_logprob, "[FILE...]", score_logprob_details },
    { "judge", "steps, by a model behind a server", score_judge_opts, score_judge, "[FILE...]", score_judge_details },
    { "mix", "one reward from several", score_mix_opts, score_mix, "[FILE...]", score_mix_details },
    { 0 } };

int main(int argc, char **argv) { return tool_main("cos-score", "adds scores to paths", cmds, argc, argv); }
