/* SPDX-License-Identifier: Apache-2.0
 * cos-score answer: each path's answer against the record's right one.
 */
#include "record/answer.h"
#include "score.h"

static struct { int match; } set;
const struct opt score_answer_opts[] = {
    { 0, "match", ANSWER_MATCHES, OPT_CHOICE, &set.match, 0, 0, "when two answers are the same" },
    OPT_END };

const char score_answer_details[] =
    "Sets path.correct and scores.answer (1 or 0). A path without an answer is wrong, and gets path.unparsed.\n"
    "  exact    the same but for case, white space, punctuation around it and a leading article\n"
    "  relaxed  numbers within 5 % (ChartQA); other answers exact\n"
    "  number   numbers of the same value; other answers exact\n"
    "  choice   the same of the record's choices, named by letter or by text\n"
    "Records without a right answer, a path or, for choice, without choices are rejected.";

/* NULL, or why the record cannot be scored. */
static const char *score_one(struct record *r)
{
    bool correct, parsed;
    const char *why = answer_check(r, (enum answer_match)set.match, &correct, &parsed);
    if (why) return why;
    val *path = val_get(&r->root, "path");
    val_set(&r->zone, path, "correct", val_of_bool(correct));
    if (parsed) val_remove(path, "unparsed");
    else val_set(&r->zone, path, "unparsed", val_of_bool(true));
    val_set(&r->zone, val_set_map(&r->zone, &r->root, "scores"), "answer", val_of_f64(correct));
    return NULL;
}

static int score_all(struct tool *t, struct record *r)
{
    int got;
    if (tool_open(t)) return -1;
    for (double n = 1; (got = tool_read(t, r)) > 0; n++) {
        const char *why = score_one(r);
        if (why ? tool_reject(t, r, why) : tool_write(t, r)) return -1;
        tool_progress(t, "paths", n, 0, NULL);
    }
    return got < 0 ? -1 : tool_close(t);
}

int score_answer(struct tool *t)
{
    struct record *r = rec_new();
    int bad = score_all(t, r);
    rec_free(r);
    return bad;
}
