/* SPDX-License-Identifier: Apache-2.0
 * What a judge says of the steps of a path. A reply has one form: whatever it likes, then behind the last line that reads
 * "Verdicts:" a line for each step in order, and if it was asked for one for the answer; blank lines do not count:
 *
 *     Verdicts:
 *     Step 1: Good
 *     Step 2: Bad - the bar stands at 40
 *     Answer: Neutral
 *
 * Each is Good, Neutral or Bad (upper or lower case), and may say why behind " - ". All else is no verdict, and then none
 * of the reply is: what a judge meant is not guessed.
 */
#ifndef NET_VERDICT_H
#define NET_VERDICT_H

#include <stdbool.h>
#include "base/mem.h"

enum verdict { VERDICT_BAD, VERDICT_NEUTRAL, VERDICT_GOOD };
struct verdict_line { enum verdict verdict; struct slice why; };        /* why: empty where it is not said */
struct verdicts {
    struct verdict_line *step;                 /* one for each; in the arena, its text in the reply's */
    struct verdict_line answer;
    bool has_answer;
};
/* NULL; or why these are no verdicts on nstep steps (static): "no verdicts", "malformed verdict", "verdicts out of order",
 * "verdicts missing", "too many verdicts". */
const char *verdicts_read(struct slice reply, int nstep, struct arena *a, struct verdicts *out);

#endif
