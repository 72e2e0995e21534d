/* SPDX-License-Identifier: Apache-2.0
 * Free-form chains of thought cut into steps. The first rule that finds two steps is taken:
 *
 *   llava-cot    <SUMMARY>..</SUMMARY> <CAPTION>.. <REASONING>.. <CONCLUSION>: a step each, the conclusion is the answer
 *   step         lines that begin with "Step 3:" (markdown around it is dropped); the line's rest is the name
 *   heading      markdown headings, "## Title" or "**Title**" alone on a line; the title is the name
 *   numbered     lines that begin with "1." "1)" "(1)", counting up from 1; "**Title**:" becomes the name
 *   paragraph    pieces between blank lines; one piece is one step
 *
 * What stands before the first step is a step of its own, without a name. Reflections are empty.
 *
 * The answer is the last of: "Answer: ..." or "Final answer: ..." on a line of its own; else \boxed{...}; else what
 * follows "answer is". Ends of turn (</s>, <|im_end|>, <|endoftext|>) are dropped.
 */
#ifndef TEXT_FREEFORM_H
#define TEXT_FREEFORM_H

#include "text/steps.h"

/* 0; or -1 with *why ("empty text", "no step"; static). c->has_answer is false where no answer was found. *rule: the
 * rule's name above. Slices point into text, steps are in the arena. */
MUST_USE int freeform_parse(const char *text, size_t n, struct arena *a, struct chain *c, const char **rule, const char **why);

/* The answer that a text states, by the rules above. false: none. */
bool freeform_answer(struct slice text, struct slice *answer);

/* "**(B).** " -> "(B)": an answer without markup, \boxed{} and the full stop behind it. */
struct slice answer_clean(struct slice s);

#endif
