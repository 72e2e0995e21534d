/* SPDX-License-Identifier: Apache-2.0
 * cos-eval accuracy: the share of right answers. Every record counts: one that cannot be counted (no path, not scored)
 * ends the program, so that no question leaves the denominator quietly.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "eval_bench.h"

static const char by_default[] = "source";
static struct { int match; bool json, all; const char *by; } set = { .by = by_default };
static struct { const char *bench, *unparsed, *decisions; int protocol, extract; bool int_text, no_guess; } bench = { .unparsed = "wrong" };

const struct opt eval_accuracy_opts[] = {
    EVAL_MATCH_OPT(set.match),
    { 0, "by", "KEY", OPT_STR, &set.by, 0, 0, "a row for each value of this key, as meta.difficulty" },
    { 0, "all", NULL, OPT_FLAG, &set.all, 0, 0, "the mean over all paths of a question instead of its first path" },
    EVAL_JSON_OPT(set.json),
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "A benchmark by its own rules" },
    { 0, "bench", "NAME", OPT_STR, &bench.bench, 0, 0, "mathvista, mmstar, mmmu, m3cot, ai2d, chartqa, scienceqa or mme" },
    { 0, "protocol", BENCH_PROTOCOL_WORDS, OPT_CHOICE, &bench.protocol, 0, 0, "whose rules: see below" },
    { 0, "extract", BENCH_EXTRACT_WORDS, OPT_CHOICE, &bench.extract, 0, 0, "what of a response is the answer: see below" },
    { 0, "unparsed", "wrong|drop|random:SEED", OPT_STR, &bench.unparsed, 0, 0, "what an answer that cannot be read counts as" },
    { 0, "decisions", "FILE", OPT_STR, &bench.decisions, 0, 0, "write what was decided of each record, as JSON lines" },
    { 0, "int-text", NULL, OPT_FLAG, &bench.int_text, 0, 0, "MathVista, official: \"2.0\" is no integer, as when its scores were published" },
    { 0, "no-guess", NULL, OPT_FLAG, &bench.no_guess, 0, 0, "MathVista, official: an empty answer is unparsed, and not the nearest choice" },
    OPT_END };

/* ---- what is kept of a question and of a row ---- */

struct outcome { uint64_t paths, right, unparsed, steps, tokens, with_tokens; };

struct question { size_t row; int64_t index; struct outcome o; };     /* o: of the first path, or the sum over all */

struct row { uint64_t questions; struct outcome sum; struct stat_mean share; };   /* share: of right paths, per question */

struct tally {
    struct names ids, rows;
    struct question *q;
    size_t cap;
    uint64_t later, repeated;                  /* paths that are not a question's first; with an index seen before */
};

static void add_outcome(struct outcome *a, const struct outcome *b)
{
    a->paths += b->paths;
    a->right += b->right;
    a->unparsed += b->unparsed;
    a->steps += b->steps;
    a->tokens += b->tokens;
    a->with_tokens += b->with_tokens;
}

/* ---- one record ---- */

static int outcome_of(struct record *r, struct outcome *o)
{
    bool right = false, unparsed = false;
    const uint32_t *tokens;
    size_t n = 0;
    if (eval_judge(r, set.match, &right, &unparsed)) return -1;
    const val *path = val_get(&r->root, "path");
    bool known = val_u32s(val_get(path, "tokens"), &tokens, &n);
    *o = (struct outcome){ 1, right, unparsed, (uint64_t)val_len(val_get(path, "steps")), n, known };
    return 0;
}

static int take(struct tally *a, struct record *r)
{
    const val *root = &r->root;
    struct slice id;
    struct outcome o;
    int64_t index = 0;
    char number[32];
    if (!eval_id(r, &id)) return fail("no id");
    if (outcome_of(r, &o)) return -1;
    (void)val_i64(val_path(root, "path.index"), &index);
    size_t known = a->ids.n, i = names_index(&a->ids, id), row = names_index(&a->rows, eval_row(root, set.by, number));
    if (i == a->cap) {
        a->cap = a->cap ? 2 * a->cap : 1024;
        a->q = mem_grow(a->q, a->cap, sizeof *a->q);
    }
    struct question *q = &a->q[i];
    if (i == known) {
        *q = (struct question){ row, index, o };
        return 0;
    }
    if (q->row != row) return fail("its other paths have another %s", set.by);
    a->later++;
    a->repeated += index == q->index;
    if (set.all) add_outcome(&q->o, &o);
    else if (index < q->index) *q = (struct question){ row, index, o };
    return 0;
}

/* ---- the table ---- */

static void add_question(struct row *r, const struct question *q)
{
    r->questions++;
    add_outcome(&r->sum, &q->o);
    stat_add(&r->share, (double)q->o.right / (double)q->o.paths);
}

/* Wilson's interval where each question counts once. The paths of a question are not independent, so with --all the
 * interval is that of the mean over questions, cut at 0 and 1. */
static struct interval row_interval(const struct row *r)
{
    if (!set.all) return stat_wilson(r->sum.right, r->questions, STAT_Z95);
    struct interval i = stat_mean_interval(&r->share, STAT_Z95);
    return (struct interval){ mem_max(i.low, 0), mem_min(i.high, 1) };
}

static double per_path(uint64_t x, uint64_t paths) { return (double)x / (double)paths; }

static void put_row(FILE *f, struct slice name, const struct row *r)
{
    const struct outcome *s = &r->sum;
    struct interval i = row_interval(r);
    if (set.json) {
        fputs("{\"name\":", f);
        eval_put_json_text(f, name);
        fprintf(f, ",\"n\":%" PRIu64 ",\"paths\":%" PRIu64 ",\"correct\":%" PRIu64 ",\"unparsed\":%" PRIu64
                ",\"accuracy\":%.6f,\"low\":%.6f,\"high\":%.6f,\"steps\":%.4f", r->questions, s->paths, s->right, s->unparsed,
                r->share.mean, i.low, i.high, per_path(s->steps, s->paths));
        if (s->with_tokens) fprintf(f, ",\"tokens\":%.4f}", per_path(s->tokens, s->with_tokens));
        else fputs(",\"tokens\":null}", f);
        return;
    }
    for (size_t k = 0; k < name.n; k++) fputc(name.p[k] == '\t' || name.p[k] == '\n' ? ' ' : name.p[k], f);
    fprintf(f, "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%.4f\t%.4f\t%.4f\t%.2f\t", r->questions, s->paths, s->right,
            s->unparsed, r->share.mean, i.low, i.high, per_path(s->steps, s->paths));
    if (s->with_tokens) fprintf(f, "%.1f\n", per_path(s->tokens, s->with_tokens));
    else fputs("-\n", f);
}

static int by_name(const void *x, const void *y, void *names)
{
    const struct slice *name = names;
    return slice_order(name[*(const size_t *)x], name[*(const size_t *)y]);
}

static void put_table(FILE *f, const struct tally *a)
{
    size_t n = a->rows.n, *order = mem_array(n, sizeof *order);
    struct row *rows = mem_array(n, sizeof *rows), total = { 0 };
    for (size_t i = 0; i < a->ids.n; i++) {
        add_question(&rows[a->q[i].row], &a->q[i]);
        add_question(&total, &a->q[i]);
    }
    for (size_t i = 0; i < n; i++) order[i] = i;
    qsort_r(order, n, sizeof *order, by_name, a->rows.name);
    if (set.json) {
        fputs("{\"by\":", f);
        eval_put_json_text(f, (struct slice){ set.by, strlen(set.by) });
        fprintf(f, ",\"paths\":\"%s\",\"interval\":\"%s\",\"rows\":[", set.all ? "all" : "first",
                set.all ? "95 %, normal, over questions" : "95 %, Wilson");
    } else {
        fprintf(f, "%s\tn\tpaths\tcorrect\tunparsed\taccuracy\tlow\thigh\tsteps\ttokens\n", set.by);
    }
    for (size_t i = 0; i < n; i++) {
        if (i && set.json) fputc(',', f);
        put_row(f, a->rows.name[order[i]], &rows[order[i]]);
    }
    if (set.json) fputs("],\"total\":", f);
    put_row(f, (struct slice){ "total", 5 }, &total);
    if (set.json) fputs("}\n", f);
    free(order);
    free(rows);
}

/* ---- the program ---- */

static int accuracy(struct tool *t, struct tally *a, struct record *r)
{
    int got;
    char label[256];
    if (tool_open(t)) return -1;
    FILE *out = tool_text(t);
    for (double n = 1; (got = tool_read(t, r)) > 0; n++) {
        if (take(a, r)) return fail_in("%s", rec_label(r, label, sizeof label));
        tool_progress(t, "paths", n, 0, NULL);
    }
    if (got < 0) return -1;
    if (a->ids.n == 0) return fail("no paths to measure");
    put_table(out, a);
    if (a->repeated) tool_warn(t, "%" PRIu64 " paths have the id and the index of another path", a->repeated);
    if (!set.all) tool_drop(t, a->later, "not the first of their question");
    return tool_close(t);
}

static int by_benchmark(struct tool *t)
{
    struct bench_set b = { .rule = { .protocol = (enum bench_protocol)bench.protocol, .extract = (enum bench_extract)bench.extract,
                                     .int_text = bench.int_text, .no_guess = bench.no_guess },
                           .seed = BENCH_SEED, .decisions = bench.decisions, .json = set.json };
    if (set.match || set.all || set.by != by_default) return fail_kind(ERR_USAGE, "--match, --by and --all do not go with --bench");
    return eval_bench_options(bench.bench, bench.unparsed, &b) ? -1 : eval_bench(t, &b);
}

int eval_accuracy(struct tool *t)
{
    if (bench.bench) return by_benchmark(t);
    if (bench.protocol || bench.extract || bench.decisions || bench.int_text || bench.no_guess || strcmp(bench.unparsed, "wrong"))
        return fail_kind(ERR_USAGE, "--protocol, --extract, --unparsed, --decisions, --int-text and --no-guess go with --bench");
    struct tally a = { 0 };
    struct record *r = rec_new();
    int bad = accuracy(t, &a, r);
    rec_free(r);
    names_free(&a.ids);
    names_free(&a.rows);
    free(a.q);
    return bad;
}

const char eval_accuracy_details[] =
    "A row: questions n, paths, right ones, unparsed ones (no answer; they count as wrong), accuracy with its 95 %\n"
    "interval (Wilson; with --all that of the mean over questions), steps and tokens a path. Of several paths with\n"
    "one id the one with the lowest path.index counts.\n"
    "\n"
    "--bench: the benchmark's groups and its total. Scores of different protocols are not comparable, so each row names its\n"
    "own. The column \"value\" counts unparsed answers as --unparsed says; the last three have it in all three ways. A random\n"
    "answer is drawn among the choices by Python's generator (MMMU's official scorer: random:42); open questions have none.\n"
    "Protocols (ai2d has no official one; llava is for scienceqa):\n"
    "  official     the authors' scorer. mathvista: an extracted answer is normalised to the kind wanted, multiple choice to the\n"
    "               choice of the smallest edit distance. chartqa: within 5 % of the right answer, as the paper has it\n"
    "  cos          the scripts of the CoS reference. They leave unparsed answers out, --unparsed drop; chartqa: within 5 % of\n"
    "               the model's answer. They have none for mme: markers, then the official reading\n"
    "  vlmevalkit   VLMEvalKit without its judge: what its rules cannot infer is unparsed\n"
    "  llava        LLaVA's script for ScienceQA: also a letter alone, or \"B. \" at the beginning\n"
    "--extract:\n"
    "  auto      cos: as markers. Others: between the markers where both are there, else the whole response\n"
    "  markers   between <|answer_start|> and <|answer_end|>; a response without them is unparsed\n"
    "  final     the line behind the first \"Final answer:\" or \"Answer:\", else the whole response\n"
    "  plain     the whole response (path.text)\n"
    "  stored    path.answer: what something else has extracted, as the extraction in MathVista's result files\n"
    "The parser does not see the right answer; where a protocol does, the column \"sees_gold\" says how. mmstar, official,\n"
    "divides by 1500 and 250 whatever the file holds (\"missing\").\n"
    "\n"
    "  cos-segment --from mathvista output_gpt4.json | cos-eval accuracy --bench mathvista --extract stored";
