/* SPDX-License-Identifier: Apache-2.0
 * A process reward model (arXiv 2509.19003): every step and the answer of a path are followed by a tag (text/prm_form.h; in
 * CoS ки), and the logits AT the tag say what stands before it is worth. With d = logit[good] - logit[bad], P(good) =
 * sigmoid(d):
 *
 *   part(x) = sum over its tags of  w * (t * softplus(-d) + (1 - t) * softplus(d)),   weight(x) = sum of w
 *
 * the cross entropy of the two-way softmax against a target t in [0, 1], weighted mean over the tags of a step (the
 * paper's "binary cross entropy on both probabilities" is twice this). The gradient flows through two rows of the head.
 *
 * A label is one of record.path.steps[i].labels (of the answer: path.answer_labels): {by, k, n} is worth v = k/n,
 * {by, value} v = value; value 0.5 is Neutral. A tag whose sources say nothing is left out: unknown is not wrong.
 */
#ifndef TRAIN_OBJECTIVE_PRM_H
#define TRAIN_OBJECTIVE_PRM_H

#include "text/prm_form.h"
#include "train/objective.h"

enum prm_target {
    PRM_HARD,                                  /* t = 1 where v >= threshold, else 0; Neutral 0.5. w = 1 */
    PRM_SOFT,                                  /* t = v. w = 1 */
    PRM_COUNT                                  /* t = v. w = n (a value counts as one try) */
};
#define PRM_TARGET_WORDS "hard|soft|count"

enum prm_merge {
    PRM_FIRST,                                 /* the first source that says something about the tag */
    PRM_MEAN                                   /* all: v = sum w v / sum w, w = sum w; Neutral where all say so */
};
#define PRM_MERGE_WORDS "first|mean"

enum prm_answer {
    PRM_ANSWER_ANY,                            /* the answer's labels by the same sources; without one, path.correct */
    PRM_ANSWER_LABELS, PRM_ANSWER_CORRECT,     /* one of the two alone */
    PRM_ANSWER_NONE                            /* steps alone are learned */
};
#define PRM_ANSWER_WORDS "any|labels|correct|none"

struct prm_cfg {
    const char *labels;                        /* sources ("by") with commas between: "mc,judge:gpt"; borrowed */
    enum prm_merge merge;
    enum prm_target target;
    double threshold;
    enum prm_answer answer;                    /* it weighs no less than the heaviest step of its path: being right is
                                                  no estimate from n tries */
};

/* One tag of an example; an example's `own` is an array of these, in the order of its tags. weight 0: left out. */
struct prm_tag { float target, weight, answer; };        /* answer 1: behind the answer; 0: behind a step */
enum { PRM_OWN = sizeof(struct prm_tag) / sizeof(float) };

struct prm_room;                               /* scratch of the loss, private */
struct train_prm { struct objective base; struct prm_cfg cfg; const struct prm_form *form; struct prm_room *room; };
/* Use &p->base; p stays where it is. form is borrowed. */
void objective_prm(struct train_prm *p, const struct prm_cfg *c, const struct prm_form *form);
void objective_prm_free(struct train_prm *p);  /* before the ops are closed; fine when zeroed */

/* Loss of a tag and d loss / d d. */
double prm_tag_loss(double d, double target, double *grad);

#endif
