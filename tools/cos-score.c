/* SPDX-License-Identifier: Apache-2.0
 * cos-score: adds scores to paths. `answer` compares each path's answer with the record's right one.
 */
#include "common.h"
#include "record/answer.h"

static struct { int match; } answer_set;
static const struct opt answer_opts[] = {
    { 0, "match", ANSWER_MATCHES, OPT_CHOICE, &answer_set.match, 0, 0, "when two answers are the same" },
    OPT_END };

/* NULL, or why the record cannot be scored. */
static const char *score_answer(struct record *r)
{
    bool correct, parsed;
    const char *why = answer_check(r, (enum answer_match)answer_set.match, &correct, &parsed);
    if (why) return why;
    val *path = val_get(&r->root, "path");
    val_set(&r->zone, path, "correct", val_of_bool(correct));
    if (parsed) val_remove(path, "unparsed");
    else val_set(&r->zone, path, "unparsed", val_of_bool(true));
    val_set(&r->zone, val_set_map(&r->zone, &r->root, "scores"), "answer", val_of_f64(correct));
    return NULL;
}

static int answer_all(struct tool *t, struct record *r)
{
    int got;
    if (tool_open(t)) return -1;
    for (double n = 1; (got = tool_read(t, r)) > 0; n++) {
        const char *why = score_answer(r);
        if (why ? tool_reject(t, r, why) : tool_write(t, r)) return -1;
        tool_progress(t, "paths", n, 0, NULL);
    }
    return got < 0 ? -1 : tool_close(t);
}

static int run_answer(struct tool *t)
{
    struct record *r = rec_new();
    int bad = answer_all(t, r);
    rec_free(r);
    return bad;
}

int main(int argc, char **argv)
{
    static const struct command cmds[] = {
        { "answer", "right or wrong, by the record's answer", answer_opts, run_answer, "[FILE...]",
          "Sets path.correct and scores.answer (1 or 0). A path without an answer is wrong, and gets path.unparsed.\n"
          "  exact    the same but for case, white space, punctuation around it and a leading article\n"
          "  relaxed  numbers within 5 % (ChartQA); other answers exact\n"
          "  number   numbers of the same value; other answers exact\n"
          "  choice   the same of the record's choices, named by letter or by text\n"
          "Records without a right answer, a path or, for choice, without choices are rejected." },
        { 0 } };
    return tool_main("cos-score", "adds scores to paths", cmds, argc, argv);
}
