/* SPDX-License-Identifier: Apache-2.0
 * What the files of the rollouts share: questions and paths as they are read (rollout_read.c), the counts of beginnings
 * (rollout_count.c), and the stream that asks for them and hands paths out (rollout.c).
 */
#ifndef SEARCH_ROLLOUT_PRIV_H
#define SEARCH_ROLLOUT_PRIV_H

#include "search/first_error.h"
#include "search/rollout.h"

/* What paths ask that follow one another. */
struct question {
    struct record *lead;                       /* the first record that asks it; owned */
    int refs;
    struct input in;
    const char *why; char *message;            /* it cannot be asked; NULL: it can */
    struct slice id;
    struct beginning **beginning; int nbeginning, cap;
};

/* A beginning of paths: their prompt and tokens up to behind a step. */
struct beginning {
    struct question *q;
    struct beginning *next;                    /* among those to submit */
    uint32_t *token; int n;
    int *cut, ncut;                            /* behind which tokens of prompt and path steps end, the last left out */
    int right, of, more;                       /* so far; to submit next */
    bool ended;
    uint64_t fresh;                            /* rows, as rollout_stats has it */
};

struct item {                                  /* a path */
    struct item *next;
    struct record *r;
    struct question *q;
    bool lead;                                 /* the first of its question */
    const char *why; char *message;
    uint32_t *token; int *end, nstep;          /* end[i]: tokens up to behind step i */
    struct beginning **beginning;              /* [nstep] NULL: not asked (yet) */
    struct first_error find;
    bool over;                                 /* nothing more to ask */
};

struct stream {
    const struct rollout *o;
    struct rollout_stats *stats;
    int *stop, nstop;
    struct item *first, **last; int n;         /* in order */
    struct beginning *waiting, **last_waiting; /* to be submitted */
    struct question *question;                 /* of the record read last; held */
    struct item **fresh; int ahead;            /* [ahead] just read */
    bool over;
    char *broken; enum err_kind kind;
};

/* rollout_read.c */
enum { ROLLOUT_AHEAD = 2, ROLLOUT_WINDOW = 256 };      /* records prepared at a time per thread; records in the works */
void rollout_read(struct stream *s);           /* some more records; failures end up in over and broken */
void question_drop(struct question *q);        /* NULL is fine */
void item_free(struct item *i);

/* rollout_count.c */
/* The beginning up to behind the step; *shared: it was there. */
struct beginning *beginning_of(struct stream *s, const struct item *it, int step, bool *shared);
int  beginning_side(const struct rollout_rule *rule, const struct beginning *b);      /* 1, -1; 0: of 0 */
void beginning_free(struct beginning *b);
void rollout_submit(struct stream *s);         /* what waits, while the engine wants it */
void rollout_collect(struct stream *s);        /* what the engine has ended */

#endif
