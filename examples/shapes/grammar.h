/* SPDX-License-Identifier: Apache-2.0
 * The language of the worlds: questions and steps, written and read through one table of phrasings (grammar.c).
 * A claim is what a phrase says, free of wording: a kind and the values of its slots.
 */
#ifndef SHAPES_GRAMMAR_H
#define SHAPES_GRAMMAR_H

#include "world.h"

enum part { QUESTION, NAME, THOUGHT, REFLECTION };

/* What a question asks (kind of a QUESTION) */
enum task_kind {
    T_COUNT, T_MORE, T_COMPARE, T_TOTAL, T_RELATE, T_ODD,                     /* scenes */
    T_READ, T_READ_COLOUR, T_DIFF, T_SUM, T_MEAN, T_RANK,                     /* charts */
    TASKS
};

/* What a step does (kind of its three parts) */
enum step_kind {
    K_FIND,      /* A: the selection; LIST: the cells it is found in; N: how many */
    K_KEEP,      /* the same for a selection narrowed further */
    K_LOCATE,    /* A: an object only it meets; POS: its cell */
    K_LOOK,      /* DIR from the anchor A; B: the neighbour; POS: its cell */
    K_TELL,      /* ATTR of the object at POS is WORD */
    K_COMMON,    /* WORD is the ATTR of N objects, all but one */
    K_ODD,       /* WORD is the ATTR of the odd one, at POS */
    K_ADD,       /* X + Y = R */
    K_SUB,       /* X - Y = R */
    K_DIV,       /* X / Y = R */
    K_CMP,       /* X CMP Y (1: more, 0: equal, -1: less); A: of which there are more */
    K_BAR,       /* bar LAB has colour COL and is the K-th from the left */
    K_TINT,      /* the same bar, looked up by its colour */
    K_READ,      /* bar LAB has value X, on or between the axis lines LO and HI */
    K_SCAN,      /* BARS: all labels and values; N bars */
    K_SORT,      /* ORDER: the labels from high to low; LAB is the highest */
    K_PICK,      /* the RANK bar is LAB, its value X */
    STEPS
};

enum slot {
    S_A, S_B, S_C,               /* selections, as sel_code() */
    S_LIST,                      /* set of cells, bit c */
    S_POS,                       /* cell */
    S_N, S_X, S_Y, S_R, S_K, S_LO, S_HI,     /* numbers */
    S_DIR, S_ATTR, S_ATTR2,      /* enum dir; enum attr; in T_ODD: the attribute that differs */
    S_WORD,                      /* a value of an attribute, as word_code() */
    S_CMP, S_RANK,
    S_LAB, S_LAB2, S_LAB3,       /* labels */
    S_COL,
    S_BARS,                      /* bars_code() */
    S_ORDER,                     /* order_code() */
    SLOTS
};
enum dir { LEFT_OF, RIGHT_OF, ABOVE, BELOW, DIRS };
enum attr { A_SHAPE, A_COLOUR, ATTRS };
enum rank { HIGHEST, LOWEST, SECOND_HIGHEST, SECOND_LOWEST, RANKS };

struct claim {
    int kind;                    /* enum task_kind or enum step_kind */
    unsigned has;                /* bit s: slot s is set */
    int64_t v[SLOTS];
};
void claim_set(struct claim *c, enum slot s, int64_t v);
bool claim_has(const struct claim *c, enum slot s);
/* Every slot set in `part` is set in `whole` with the same value. */
bool claim_agrees(const struct claim *part, const struct claim *whole);

int64_t    sel_code(struct sel s);
struct sel sel_of(int64_t code);
int64_t    word_code(enum attr a, int value);
int64_t    bars_code(const struct world *w);
int64_t    order_code(const int *label, int n);

/* Appends one of the phrasings of this part of the claim, chosen by r (NULL: the first). Asserts that there is one. */
void grammar_write(enum part p, const struct claim *c, struct rng *r, struct buf *out);
/* How many phrasings could say it. */
int  grammar_choices(enum part p, const struct claim *c);
/* Reads a phrase; case, white space and a final full stop are free. kind -1: any kind. false: not in the language. */
bool grammar_read(enum part p, int kind, const char *s, size_t n, struct claim *c);

void plural_write(struct buf *out, const char *word);      /* "circles", "crosses" */

extern const char *const task_source[TASKS];   /* "scene/count"; several tasks may share one */
extern const char *const attr_words[ATTRS], *const position_words[CELLS];

#endif
