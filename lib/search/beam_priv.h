/* SPDX-License-Identifier: Apache-2.0
 * What the files of the step-by-step search share: the stream of questions (beam.c), their rounds (beam_round.c), and
 * the reward model's reading (beam_score.c).
 */
#ifndef SEARCH_BEAM_PRIV_H
#define SEARCH_BEAM_PRIV_H

#include "search/beam.h"
#include "search/partial.h"
#include "search/path_record.h"

struct branch {                                /* a path so far */
    struct question *q;
    struct partial p;
    struct record *r;                          /* {"path", "scores"}; NULL at the start */
    bool open;                                 /* a next step may come */
    const char *why;                           /* the reward model cannot be asked about it; NULL: it can */
    struct prm_ids text; int length;           /* as the reward model reads it: tokens up to behind the last tag */
    double *score; int nscore;                 /* of steps and answer; NULL: unknown */
    struct place *place;                       /* behind the last tag; NULL: not in the cache (any more) */
    uint64_t index;
    enum gen_end end;
    const struct branch *from;                 /* the branch it goes on from, while it is a candidate */
    struct gen_path *more; int nmore;          /* what was sampled behind it */
};

struct question {
    struct question *next, *next_waiting;
    struct record *r;
    struct input in, prm_in;
    int limit;                                 /* tokens of a path at most */
    const char *why; char *message;            /* rejected; NULL: not */
    bool pass, ended;                          /* pass: comes out as it is */
    struct branch *kept, *cand; int nkept, ncand;      /* kept: best first */
    struct place *prompt;                      /* of the reward model */
    int asked;                                 /* requests under way */
    uint64_t rounds, tokens, prm_tokens;
};

struct search {
    const struct beam *b;
    struct beam_stats *stats;
    struct forest *forest;                     /* of the reward model */
    int *stop, nstop, step_end;
    struct question *first, **last;            /* in order */
    int n, live;                               /* in the list; of those not ended */
    struct question *waiting, **last_waiting; int rows;        /* for scores; tokens that they want read */
    struct question **fresh; int ahead;        /* [ahead] just read */
    bool over;                                 /* of the input */
    char *broken; enum err_kind kind;          /* how reading failed */
};

void branch_free(struct search *s, struct branch *b);
void question_rejected(struct question *q, const char *why);   /* with err_msg() */
void question_ended(struct search *s, struct question *q);     /* drops what only the search needed */

/* beam_round.c */
void round_begin(struct search *s, struct question *q);        /* asks for candidates behind all open branches */
void round_collect(struct search *s);          /* takes what the engine has done; questions whose rounds are full go on */
void round_choose(struct search *s, struct question *q);       /* scores are known: keeps the best, begins the next round */

/* beam_score.c */
int  score_length(const struct branch *c);     /* tokens of c that the reward model has not read */
int  score_waiting(struct search *s);          /* scores the candidates of all that wait, and chooses; 0 or -1 */

#endif
