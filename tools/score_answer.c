/* SPDX-License-Identifier: Apache-2.0
 * cos-score answer: each path's answer against the record's right one.
 */
#include "bench/bench.h"
#include "record/answer.h"
#include "score.h"

static struct { int match, protocol, extract; const char *bench; } set;
const struct opt score_answer_opts[] = {
    { 0, "match", ANSWER_MATCHES, OPT_CHOICE, &set.match, 0, 0, "when two answers are the same" },
    { 0, "bench", "NAME", OPT_STR, &set.bench, 0, 0, "by the rules of a benchmark instead (cos-eval accuracy -h names them)" },
    { 0, "protocol", BENCH_PROTOCOL_WORDS, OPT_CHOICE, &set.protocol, 0, 0, "of --bench: whose rules" },
    { 0, "extract", BENCH_EXTRACT_WORDS, OPT_CHOICE, &set.extract, 0, 0, "of --bench: what of a response is the answer" },
    OPT_END };

const char score_answer_details[] =
    "Sets path.correct and scores.answer (1 or 0). A path without an answer is wrong, and gets path.unparsed.\n"
    "  exact    the same but for case, white space, punctuation around it and a leading article\n"
    "  relaxed  numbers within 5 % (ChartQA); other answers exact\n"
    "  number   numbers of the same value; other answers exact\n"
    "  choice   the same of the record's choices, named by letter or by text\n"
    "Records without a right answer, a path or, for choice, without choices are rejected.\n"
    "With --bench an answer that the protocol cannot read is unparsed, and so wrong; random answers are cos-eval's affair. What\n"
    "was read becomes path.answer where a path has none, as those made of models' outputs.";

/* By the benchmark's rules; what was read becomes the answer of a path without one. NULL, or why not; err_msg() has the particulars. */
static const char *check_bench(const struct bench_rule *rule, struct record *r, bool *correct, bool *parsed)
{
    struct arena a = { 0 };
    struct bench_verdict v;
    int bad = bench_judge(rule, r, &a, &v);
    if (!bad) *correct = v.right, *parsed = v.parsed;
    val *path = val_get(&r->root, "path");
    if (!bad && v.parsed && !val_get(path, "answer")) val_set(&r->zone, path, "answer", val_of_str(&r->zone, v.prediction.p, v.prediction.n));
    arena_free(&a);
    return bad ? "not a record of the benchmark" : NULL;
}

/* NULL, or why the record cannot be scored. rule: NULL without --bench. */
static const char *score_one(const struct bench_rule *rule, struct record *r)
{
    bool correct = false, parsed = false;
    const char *why = rule ? check_bench(rule, r, &correct, &parsed) : answer_check(r, (enum answer_match)set.match, &correct, &parsed);
    if (why) return why;
    val *path = val_get(&r->root, "path");
    val_set(&r->zone, path, "correct", val_of_bool(correct));
    if (parsed) val_remove(path, "unparsed");
    else val_set(&r->zone, path, "unparsed", val_of_bool(true));
    val_set(&r->zone, val_set_map(&r->zone, &r->root, "scores"), "answer", val_of_f64(correct));
    return NULL;
}

static int score_all(struct tool *t, const struct bench_rule *rule, struct record *r)
{
    int got;
    if (tool_open(t)) return -1;
    for (double n = 1; (got = tool_read(t, r)) > 0; n++) {
        const char *why = score_one(rule, r);
        if (why ? (rule ? tool_reject_noted(t, r, why, err_msg()) : tool_reject(t, r, why)) : tool_write(t, r)) return -1;
        tool_progress(t, "paths", n, 0, NULL);
    }
    return got < 0 ? -1 : tool_close(t);
}

int score_answer(struct tool *t)
{
    struct bench_rule rule = { .protocol = (enum bench_protocol)set.protocol, .extract = (enum bench_extract)set.extract };
    if (set.bench && (!(rule.bench = bench_find(set.bench)) || bench_check(&rule))) return -1;
    if (!set.bench && (set.protocol || set.extract)) return fail_kind(ERR_USAGE, "--protocol and --extract go with --bench");
    if (set.bench && set.match) return fail_kind(ERR_USAGE, "--match does not go with --bench");
    if (set.bench && bench_gold_note(&rule)) tool_note(t, "the parser sees the right answer: %s", bench_gold_note(&rule));
    struct record *r = rec_new();
    int bad = score_all(t, set.bench ? &rule : NULL, r);
    rec_free(r);
    return bad;
}
