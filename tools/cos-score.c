/* SPDX-License-Identifier: Apache-2.0
 * cos-score: adds scores to paths. `answer` compares each path's answer with the record's right one.
 */
#include <stdlib.h>
#include "common.h"
#include "record/answer.h"

static struct { int match; } answer_set;
static const struct opt answer_opts[] = {
    { 0, "match", ANSWER_MATCHES, OPT_CHOICE, &answer_set.match, 0, 0, "when two answers are the same" },
    OPT_END };

enum { CHOICES_MAX = 64 };

static bool text_of(const val *v, struct slice *s) { return val_str(v, &s->p, &s->n); }

/* An answer may be stored as a number; it is compared as its text. */
static bool answer_of(msgpack_zone *z, const val *v, struct slice *s)
{
    int64_t i;
    double x;
    if (text_of(v, s)) return true;
    char *text = val_i64(v, &i) ? mem_fmt("%lld", (long long)i) : val_f64(v, &x) ? mem_fmt("%.15g", x) : NULL;
    if (!text) return false;
    val t = val_of_cstr(z, text);
    free(text);
    return text_of(&t, s);
}

/* NULL, or why the record cannot be scored. */
static const char *score_answer(struct record *r)
{
    struct slice gold, got, choice[CHOICES_MAX];
    msgpack_zone *z = &r->zone;
    val *path = val_get(&r->root, "path");
    const val *choices = val_get(&r->root, "choices");
    int n = val_len(choices);
    if (!path || path->type != MSGPACK_OBJECT_MAP) return "no path";
    if (!answer_of(z, val_get(&r->root, "answer"), &gold)) return "no right answer";
    if (n > CHOICES_MAX) return "too many choices";
    for (int i = 0; i < n; i++)
        if (!answer_of(z, val_at(choices, i), &choice[i])) return "a choice is not text";
    if (answer_set.match == ANSWER_CHOICE && n == 0) return "no choices";

    bool parsed = answer_of(z, val_get(path, "answer"), &got);
    bool correct = parsed && answer_equal((enum answer_match)answer_set.match, got, gold, choice, n);
    val_set(z, path, "correct", val_of_bool(correct));
    if (parsed) val_remove(path, "unparsed");
    else val_set(z, path, "unparsed", val_of_bool(true));
    val_set(z, val_set_map(z, &r->root, "scores"), "answer", val_of_f64(correct));
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
