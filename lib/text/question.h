/* SPDX-License-Identifier: Apache-2.0
 * Questions that are the same but for their spelling: what two data sets make of one question.
 */
#ifndef TEXT_QUESTION_H
#define TEXT_QUESTION_H

#include "base/mem.h"

/* Appends the question's words with one space between: Unicode's compatibility form without case and accents, without <image>
 * marks; all that is no letter, digit or symbol parts words, but - % / * stand for themselves, as + < = do ("x - 2" is
 * not "x + 2"). s: valid UTF-8. */
void question_key(struct slice s, struct buf *out);

#endif
