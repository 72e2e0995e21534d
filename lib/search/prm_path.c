/* SPDX-License-Identifier: Apache-2.0 */
#include "search/prm_path.h"

static void remove_scores(val *path, val *root, const char *name)
{
    val *steps = val_get(path, "steps"), *scores = val_get(root, "scores");
    for (int i = 0; i < val_len(steps); i++) val_remove(val_at(steps, i), "score");
    val_remove(path, "answer_score");
    if (scores) val_remove(scores, name);
}

const char *prm_path_put(struct record *r, const double *score, const struct reward *w, const char *name)
{
    struct path_score total;
    val *path = val_get(&r->root, "path"), *steps = val_get(path, "steps");
    const val *answer = val_get(path, "answer");
    int n = val_len(steps);
    remove_scores(path, &r->root, name);
    for (int i = 0; i < n && score; i++) val_set(&r->zone, val_at(steps, i), "score", val_of_f64(score[i]));
    if (score && answer && answer->type != MSGPACK_OBJECT_NIL) val_set(&r->zone, path, "answer_score", val_of_f64(score[n]));
    const char *why = reward_of(w, &r->root, &total);
    if (!why) val_set(&r->zone, val_set_map(&r->zone, &r->root, "scores"), name, val_of_f64(total.score));
    return why;
}
