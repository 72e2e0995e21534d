/* SPDX-License-Identifier: Apache-2.0
 * A stream of records whose texts are to be read by a model: read ahead, prepared on several threads, many in one pass,
 * handed out in the order in which they came. Records that follow one another and ask the same thing share its prompt.
 *
 *     struct scoring s = { .forest = prm_forest(p), .io = io, .pool = pool, .batch = 64, .read = .., .run = .., .done = .. };
 *     if (scoring(&s)) ...
 */
#ifndef SEARCH_SCORING_H
#define SEARCH_SCORING_H

#include "base/par.h"
#include "search/forest.h"

enum { SCORE_TEXTS = 2 };

struct score_text { uint32_t *id; int n; void *out; };     /* id [n] at least, out: the user of forest_text; freed with free() */
struct score_item {
    struct record *r;
    const struct input *prompt;                /* what the record asks */
    struct score_text text[SCORE_TEXTS];
    int ntext;                                 /* 0: nothing to read */
    const char *note;                          /* the method's own, static */
};

struct scoring {
    struct forest *forest;
    const struct model_io *io;
    struct par *pool;
    int batch;                                 /* records at once */
    int tail;                                  /* tokens at the prompt's end that the texts begin with */
    void *arg;                                 /* of the calls below; each returns -1 after fail(), which ends it all */
    int (*read)(void *arg, struct record *r);  /* 1, or 0 at the end */
    /* Makes the texts. -1: the record cannot be scored, *why is the reason (static). On any thread. */
    int (*prepare)(void *arg, struct score_item *x, const char **why);
    int (*run)(void *arg);                     /* forest_run with the method's reader */
    int (*done)(void *arg, struct score_item *x);              /* out of the texts is set; r may be changed */
    int (*reject)(void *arg, struct record *r, const char *why);       /* err_msg() has the particulars */
};
/* 0, or -1. When reading fails, the records read before are finished and handed out first. */
MUST_USE int scoring(const struct scoring *s);

/* Do both ask the same: equal question, choices and images? */
bool same_question(const struct record *a, const struct record *b);

#endif
