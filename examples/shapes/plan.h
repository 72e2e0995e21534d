/* SPDX-License-Identifier: Apache-2.0
 * What follows from a world and a question: the answer, the reference steps, and the judgement of anybody's steps.
 *
 * A step is right when its name states something this question needs, and everything its thought and reflection
 * say is true. Otherwise it is wrong, for one of three reasons:
 *   unparsed    a part is missing or not in the language (grammar.c): nothing to check is nothing right
 *   irrelevant  its name is none of the moves that lead to this question's answer; it may be true, but it is a
 *               misread question, so it counts as wrong
 *   false       it says something the image does not show, or calculates with numbers that are not the image's
 * A step is judged by the image alone, never by the steps before it: a sum of wrongly counted numbers is wrong too,
 * and a right step behind a wrong one is right.
 */
#ifndef SHAPES_PLAN_H
#define SHAPES_PLAN_H

#include "grammar.h"
#include "text/steps.h"

enum { PLAN_STEPS = 8, PLAN_EXTRA = 64 };
struct plan {
    struct claim step[PLAN_STEPS];             /* the reference, in order, every slot filled with the truth */
    int nstep;
    struct claim extra[PLAN_EXTRA];            /* other true moves that lead to the answer */
    int nextra;
    char answer[24];
};

/* -1: the question does not fit the world (no such bar, no single anchor, ...). */
MUST_USE int plan_make(const struct world *w, const struct claim *question, struct plan *p);

enum verdict { RIGHT, UNPARSED, IRRELEVANT, FALSE, VERDICTS };
extern const char *const verdict_words[VERDICTS];
enum verdict plan_judge(const struct plan *p, struct slice name, struct slice thought, struct slice reflection);

/* The reference of an author whose eye slips: in a chart of CROWDED bars or more, each bar that the question names is taken, with
 * probability `share`, for the one beside it; no bar is taken twice. false, and *p is not to be used: no slip, or one that fits no
 * path (a mean that is no whole number). */
enum { CROWDED = 4 };
bool plan_slip(const struct world *w, const struct claim *question, double share, struct rng *r, struct plan *p);

/* Draws a world and a question of the kind; tries again until they fit. Answers are balanced: where they could
 * be guessed from the question alone, they are chosen first and the world is made to give them. */
void task_make(enum task_kind kind, struct rng *r, const struct level *l, struct world *w, struct claim *question, struct plan *p);

#endif
