/* SPDX-License-Identifier: Apache-2.0
 * Free-form chains of thought cut into steps. The first rule that finds two steps is taken:
 *
 *   llava-cot    <SUMMARY>..</SUMMARY> <CAPTION>.. <REASONING>.. <CONCLUSION>: a step each, the conclusion is the answer
 *   think        <think>..</think> and an answer, perhaps in <answer>..</answer>: what is thought is cut by the rules below
 *   step         lines that begin with "Step 3:" (markdown around it is dropped); the line's rest is the name. Or "Step 1: ..
 *                Step 2: .." within lines, where the numbers count up
 *   heading      markdown headings, "## Title" or "**Title**" alone on a line; the title is the name
 *   numbered     lines that begin with "1." "1)" "(1)", counting up from 1; "**Title**:" becomes the name. A list whose items
 *                have fewer than four words, most of them, is not the chain's own and stays in its paragraph
 *   paragraph    pieces between blank lines. One that ends in a colon goes with the next, a formula by itself with the one
 *                before; code and displayed formulas are not cut
 *   line         lines that stand for themselves: of four words or more, no list's items, behind a line that has ended
 *   sentence     sentences of four words or more, shorter ones go with the next
 *   whole        nothing to cut: one step
 *   answer       an answer and no chain: one word, or a label alone ("Answer: B"); no step
 *
 * What stands before the first step is a step of its own, without a name; so is what stands behind a numbered list, and a
 * conclusion ("Therefore, ..") behind the last step. Reflections are empty.
 *
 * The answer is the last of: "Answer: ..." or "Final answer: ..." on a line of its own; else \boxed{...}; else what
 * follows "answer is", "correct option is" or the like. Ends of turn (</s>, <|im_end|>, <|endoftext|>) are dropped.
 */
#ifndef TEXT_FREEFORM_H
#define TEXT_FREEFORM_H

#include "text/steps.h"

/* 0; or -1 with *why ("empty text", "no step"; static). c->has_answer is false where no answer was found. *rule: the
 * rule's name above; of "answer" alone there is a chain without steps. Slices point into text, steps are in the arena. */
MUST_USE int freeform_parse(const char *text, size_t n, struct arena *a, struct chain *c, const char **rule, const char **why);

struct slice freeform_trim(struct slice s);    /* without white space and ends of turn */

/* The answer that a text states, by the rules above. false: none. */
bool freeform_answer(struct slice text, struct slice *answer);

/* "**(B).** " -> "(B)": an answer without markup, \boxed{} and the full stop behind it. */
struct slice answer_clean(struct slice s);

#endif
