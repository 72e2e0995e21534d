/* SPDX-License-Identifier: Apache-2.0
 * Comparing answers, as benchmarks do it.
 *
 *   exact     the canonical forms are the same: white space trimmed and collapsed, ASCII letters lower case, markup
 *             and punctuation around the whole taken off, then a leading "a", "an" or "the"
 *   number    both are numbers of the same value (relative 1e-6); if the right answer is no number: exact
 *   relaxed   ChartQA's rule: both are numbers and the given one is within 5 % of the right one, ends included;
 *             otherwise exact. "12%" is 0.12, as there
 *   choice    both name the same choice: by its letter ("b", "(B)", "B. blue"), or by its text. The text counts before
 *             the letter. Where either names none: exact
 *
 *     if (answer_equal(ANSWER_EXACT, got, gold, NULL, 0)) ...
 */
#ifndef RECORD_ANSWER_H
#define RECORD_ANSWER_H

#include <stdbool.h>
#include "record/record.h"

enum answer_match { ANSWER_EXACT, ANSWER_RELAXED, ANSWER_NUMBER, ANSWER_CHOICE };
#define ANSWER_MATCHES "exact|relaxed|number|choice"       /* the words, in the order above, for option tables */

void answer_canonical(struct slice s, struct buf *out);    /* appends */
/* A decimal number with an optional sign, currency sign before, unit "%" behind (divides by 100) and thousands commas;
 * nothing else may stand beside it. Infinities and NaN are no numbers. */
bool answer_number(struct slice s, double *x);
int  answer_choice(struct slice s, const struct slice *choice, int n);    /* index, or -1 */
bool answer_equal(enum answer_match how, struct slice got, struct slice gold, const struct slice *choice, int nchoice);

/* An answer's text: a string as it is, a number as text in the zone. false: neither. */
bool answer_text(msgpack_zone *z, const val *v, struct slice *s);
/* Appends the form in which answers of one group are the same: two answers are in one group when their keys are the same
 * bytes. exact: the canonical form; number and relaxed: the value to 12 digits, of others the canonical form; choice:
 * the canonical form of the record's choice that is named, of others their own. Empty: nothing that could be counted. */
void answer_key(enum answer_match how, struct slice s, const val *choices, struct buf *out);

/* An answer against the record's answer (and choices). NULL with *correct set; or why the record cannot be judged, a static
 * string: "no right answer", "no choices", ... */
const char *answer_judge(struct record *r, enum answer_match how, struct slice got, bool *correct);
/* The record's path.answer against its answer (and choices). Answers stored as numbers are compared as their text.
 * NULL with the results set (parsed: the path has an answer; without one it is not correct); or why the record cannot be
 * scored: "no path", or as above. */
const char *answer_check(struct record *r, enum answer_match how, bool *correct, bool *parsed);

#endif
