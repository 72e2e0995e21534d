/* SPDX-License-Identifier: Apache-2.0
 * Words of the PRM forms, which reader and writer share (private to lib/record).
 */
#ifndef RECORD_JUDGED_H
#define RECORD_JUDGED_H

#include <stdbool.h>
#include "base/mem.h"

#define JUDGED_ANSWER "The answer is: "                        /* a last step with the answer alone, as in text/prm_form.h */
#define JUDGED_QUESTION "### Question:\n"
#define JUDGED_PROCESS "\n\n### Solution Process:\n"

/* Is a step's text the answer alone? Then *answer is that. */
bool judged_answer(struct slice text, struct slice *answer);

#endif
