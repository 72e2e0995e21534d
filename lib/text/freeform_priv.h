/* SPDX-License-Identifier: Apache-2.0
 * Free-form chains: what the search for the answer (freeform.c) and the cutting into steps (freeform_cut.c) share.
 */
#ifndef TEXT_FREEFORM_PRIV_H
#define TEXT_FREEFORM_PRIV_H

#include "text/freeform.h"

/* Small readers of text; slices point into it. */
extern const char text_markup[];                               /* "#*_> \t" */
struct slice text_skip(struct slice s, const char *set);       /* without the leading bytes of the set */
struct slice text_drop(struct slice s, const char *set);       /* without the trailing ones */
struct slice text_from(struct slice s, const char *p);         /* from p on */
bool text_begins(struct slice s, const char *word);            /* whatever the case */
struct slice text_line(struct slice text, const char *p, const char **next);   /* the line at p without its newline; *next is behind it */
int  text_words(struct slice s);                               /* as many as matter here: also of scripts without blanks */
/* The first sentence of s with what closes it; all of s where there is no other. Sure ends only: not within brackets, behind
 * abbreviations or initials, and what follows looks like a beginning. */
struct slice text_sentence(struct slice s);

struct step_list { struct arena *a; struct step *v; int n, room; };
/* Adds a step unless it is blank; a name alone is its thought, one too long stands before it. Both are parts of text. */
void step_list_add(struct step_list *l, struct slice name, struct slice thought, struct slice text);
/* Adds the steps of a piece of text by the first rule that finds two, else as one. Returns the rule's name. */
const char *freeform_cut(struct slice piece, struct slice text, struct step_list *l);

#endif
