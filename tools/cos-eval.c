/* SPDX-License-Identifier: Apache-2.0
 * cos-eval: measures. Each command is in a file of its own: eval_*.c.
 */
#include "eval.h"

#define COMMAND(name, summary) { #name, summary, eval_##name##_opts, eval_##name, "[FILE...]", eval_##name##_details }

int main(int argc, char **argv)
{
    static const struct command cmds[] = {
        COMMAND(accuracy, "share of right answers, by source and in total"),
        COMMAND(scaling, "accuracy against the number of paths: pass@N, vote, weighted vote, best-of-N"),
        COMMAND(prm, "step and answer scores against true labels"),
        COMMAND(length, "steps, tokens and characters a path"),
        COMMAND(pairs, "what tells the chosen from the rejected paths"),
        COMMAND(compare, "two sets of answers to the same questions"),
        { 0 } };
    return tool_main("cos-eval", "measures", cmds, argc, argv);
}
