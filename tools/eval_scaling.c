/* SPDX-License-Identifier: Apache-2.0
 * cos-eval scaling: accuracy against the number of paths, all from one pool of samples.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/rng.h"
#include "eval.h"
#include "group.h"
#include "record/choose.h"

static struct { struct reward w; int match, draws, resamples; bool json; struct opt_list beam, greedy; } set = {
    .w = REWARD_DEFAULT, .draws = 64, .resamples = EVAL_RESAMPLES };

const struct opt eval_scaling_opts[] = {
    EVAL_MATCH_OPT(set.match),
    { 0, "draws", "N", OPT_INT, &set.draws, 1, 10000, "subsets of a question's paths that votes are averaged over" },
    { 0, "beam", "FILE", OPT_LIST, &set.beam, 0, 0, "one more point: the records of a beam search" },
    { 0, "greedy", "FILE", OPT_LIST, &set.greedy, 0, 0, "one more point: one path a question" },
    REWARD_OPTS(set.w),
    EVAL_BOOT_OPT(set.resamples),
    EVAL_JSON_OPT(set.json),
    OPT_END };

const char eval_scaling_details[] =
    "Reads a pool of paths, those of a question one after another, and gives for N = 1, 2, 4, ... up to the smallest number\n"
    "of paths that a question has what a run with N samples would reach, on average over the subsets of N paths:\n"
    "  pass       any of the N is right: 1 - C(n - c, N) / C(n, N), c of n right (exact)\n"
    "  best       the path with the highest score is right (exact, by the rank of each path)\n"
    "  vote, weighted   the majority, the largest sum of scores is right; over --draws subsets drawn by --seed and the id\n"
    "  beam, greedy     the files given; N is meta.search.n, tokens meta.search.tokens (all that the search generated), else\n"
    "             those of the path; they must answer the questions of the pool, neither more nor fewer\n"
    "tokens: generated for a question, N times the mean of its paths. Choices and ties are those of cos-select best, vote and\n"
    "weighted; without any score in the pool only pass and vote are shown. Every path counts: one without an answer is wrong.\n"
    "Intervals resample questions; points of one path a question have Wilson's.\n\n"
    "  cos-eval scaling --beam beam4.cos --beam beam16.cos < pool64.cos > scaling.tsv";

enum method { PASS, VOTE, WEIGHTED, BEST, METHODS };
static const char *const method_words[METHODS] = { "pass", "vote", "weighted", "best" };
enum { POWERS = 13, PATHS_MAX = 1 << (POWERS - 1) };       /* N up to 4096 */

/* A row a question: for each power of two the METHODS' accuracies; then the mean tokens of its paths. */
enum { TOKENS = POWERS * METHODS, COLUMNS };
struct scaling {
    struct names ids;
    struct columns c;
    int least;                                 /* paths of the question that has the fewest */
    uint64_t scored;
    struct ballot b;
    double *right;                             /* of b.c[i] */
    int *order, *pick;                         /* positions in b.c: by path.index, shuffled; of a subset, ascending */
    bool *in;
    int room;
};

/* ---- one question ---- */

static void make_room(struct scaling *s, int n)
{
    if (n <= s->room) return;
    s->room = n;
    s->right = mem_grow(s->right, (size_t)n, sizeof *s->right);
    s->order = mem_grow(s->order, (size_t)n, sizeof *s->order);
    s->pick = mem_grow(s->pick, (size_t)n, sizeof *s->pick);
    s->in = mem_grow(s->in, (size_t)n, sizeof *s->in);
}

/* Candidates are ranked, so position i wins a subset of k when it is in it and the others are behind it:
 *   C(n - 1 - i, k - 1) / C(n, k);  k / n for i = 0, and from i to i + 1 times (m - (k - 1)) / m with m = n - 1 - i */
static double best_at(const struct scaling *s, int n, int k)
{
    double p = (double)k / n, sum = 0;
    for (int i = 0; i + k <= n; i++) {
        int m = n - 1 - i;
        sum += p * s->right[i];
        if (m > 0) p *= (double)(m - (k - 1)) / m;
    }
    return sum;
}

/* The vote of the k positions in `of`. */
static double vote_of(struct scaling *s, const int *of, int k, bool weighted)
{
    int n = 0;
    memset(s->in, 0, (size_t)s->b.n * sizeof *s->in);
    for (int i = 0; i < k; i++) s->in[of[i]] = true;
    for (int i = 0; i < s->b.n; i++)
        if (s->in[i]) s->pick[n++] = i;
    return s->right[choose_vote(&s->b, s->pick, n, weighted).winner];
}

static int by_index(const void *x, const void *y, void *arg)
{
    const struct candidate *c = arg, *a = &c[*(const int *)x], *b = &c[*(const int *)y];
    if (a->index != b->index) return a->index < b->index ? -1 : 1;
    return *(const int *)x - *(const int *)y;
}

/* Shuffles by the id and the draw alone, from the order of path.index: other scores leave the subsets as they are. */
static void shuffle(struct scaling *s, struct rng_key key, int draw)
{
    int n = s->b.n;
    for (int i = 0; i < n; i++) s->order[i] = i;
    qsort_r(s->order, (size_t)n, sizeof *s->order, by_index, s->b.c);
    for (int i = 0; i < n - 1; i++) {
        int j = i + (int)rng_below(key, (uint64_t)draw, (uint64_t)i, (uint32_t)(n - i)), x = s->order[i];
        s->order[i] = s->order[j];
        s->order[j] = x;
    }
}

/* One path is a vote of its own, and of all paths there is one subset; between them, the mean over the draws. */
static void votes(struct scaling *s, struct rng_key key, double *row)
{
    int n = s->b.n;
    double mean = 0;
    for (int i = 0; i < n; i++) mean += s->right[i] / n;
    row[VOTE] = row[WEIGHTED] = mean;
    for (int d = 0; d < set.draws; d++) {
        shuffle(s, key, d);
        for (int p = 1, k = 2; k <= n; p++, k *= 2) {
            if (k == n && d) continue;
            double part = k == n ? 1 : 1.0 / set.draws;
            row[p * METHODS + VOTE] += part * vote_of(s, s->order, k, false);
            row[p * METHODS + WEIGHTED] += part * vote_of(s, s->order, k, true);
        }
    }
}

static int judge_paths(struct scaling *s, int *right, double *tokens)
{
    char label[256];
    *right = 0;
    *tokens = 0;
    for (int i = 0; i < s->b.n; i++) {
        bool ok, unparsed;
        struct record *r = s->b.c[i].r;
        if (eval_judge(r, set.match, &ok, &unparsed)) return fail_in("%s", rec_label(r, label, sizeof label));
        s->right[i] = ok;
        *right += ok;
        *tokens += eval_tokens(val_get(&r->root, "path")) / s->b.n;
    }
    return 0;
}

static int take(struct scaling *s, const struct group *g, uint64_t seed)
{
    struct slice id;
    int right, n = g->n;
    double tokens;
    (void)eval_id(g->r[0], &id);
    if (n > PATHS_MAX) return fail("id %.*s: %d paths, at most %d", (int)id.n, id.p, n, PATHS_MAX);
    make_room(s, n);
    ballot_make(&s->b, g->r, n, &set.w, set.match == EVAL_SCORED ? ANSWER_EXACT : (enum answer_match)(set.match - 1));
    if (judge_paths(s, &right, &tokens)) return -1;
    double *row = columns_add(&s->c, (int)names_index(&s->ids, id));
    votes(s, rng_key(seed, id.p, id.n), row);
    for (int p = 0, k = 1; k <= n; p++, k *= 2) {
        row[p * METHODS + PASS] = stat_pass_at(n, right, k);
        row[p * METHODS + BEST] = best_at(s, n, k);
    }
    row[TOKENS] = tokens;
    s->scored += (uint64_t)s->b.scored;
    s->least = s->c.n == 1 ? n : mem_min(s->least, n);
    return 0;
}

/* ---- a file of one path a question ---- */

struct point { double n, tokens; uint64_t questions, right; bool *seen; struct columns cost; };

static int take_point(struct point *p, const struct scaling *s, struct record *r)
{
    struct slice id;
    bool right, unparsed;
    double n = 1;
    const val *search = val_path(&r->root, "meta.search");
    if (!eval_id(r, &id)) return fail("no id");
    long i = names_find(&s->ids, id);
    if (i < 0) return fail("this question is not in the pool");
    if (p->seen[i]) return fail("a second path of this question");
    if (eval_judge(r, set.match, &right, &unparsed)) return -1;
    (void)val_f64(val_get(search, "n"), &n);
    if (p->questions && n != p->n) return fail("meta.search.n is %g, of the records before %g", n, p->n);
    double *cost = columns_add(&p->cost, (int)i);
    if (!val_f64(val_get(search, "tokens"), cost)) *cost = search ? NAN : eval_tokens(val_get(&r->root, "path"));
    p->n = n;
    p->seen[i] = true;
    p->questions++;
    p->right += right;
    return 0;
}

static int read_point(struct tool *t, struct point *p, const struct scaling *s, const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) return fail_errno("%s", path);
    struct rec_reader *in = rec_reader_new(f, path);
    struct record *r = rec_new();
    char label[256];
    int got, bad = 0;
    while (!bad && (got = rec_read(in, r)) > 0) {
        tool_count(t, 1, 0);
        if (take_point(p, s, r)) bad = fail_in("%s: %s", path, rec_label(r, label, sizeof label));
    }
    rec_free(r);
    rec_reader_free(in);
    fclose(f);
    if (bad || got < 0) return -1;
    if (p->questions < s->ids.n) return fail("%s: answers %" PRIu64 " of the pool's %zu questions", path, p->questions, s->ids.n);
    return 0;
}

/* ---- the table ---- */

static void put_cost(struct table *t, const struct estimate *tokens, double times)
{
    table_real(t, times * tokens->value, 1);
    table_real(t, times * tokens->i.low, 1);
    table_real(t, times * tokens->i.high, 1);
}

static void put_point(struct table *t, const char *name, const struct point *p, const struct boot *b)
{
    struct estimate tokens;
    uint64_t count;
    columns_means(&p->cost, (int)p->questions, b, &tokens, &count);
    table_word(t, name);
    table_count(t, (uint64_t)p->n);
    table_count(t, p->questions);
    table_share(t, (double)p->right / (double)p->questions, p->questions, 4);
    put_cost(t, &tokens, count == p->questions ? 1 : NAN);
}

static int put_points(struct tool *t, struct table *table, const struct scaling *s, const char *name, const struct opt_list *files,
                      const struct boot *b)
{
    int bad = 0;
    for (int i = 0; i < files->n && !bad; i++) {
        struct point p = { .seen = mem_array(s->ids.n, sizeof *p.seen), .cost = { .k = 1 } };
        bad = read_point(t, &p, s, files->v[i]);
        if (!bad) put_point(table, name, &p, b);
        free(p.seen);
        columns_free(&p.cost);
    }
    return bad;
}

static void put_curves(struct table *t, const struct scaling *s, const struct boot *b)
{
    struct estimate e[COLUMNS];
    uint64_t count[COLUMNS];
    columns_means(&s->c, s->c.n, b, e, count);
    for (int m = 0; m < METHODS; m++) {
        if ((m == WEIGHTED || m == BEST) && !s->scored) continue;
        for (int p = 0, k = 1; k <= s->least; p++, k *= 2) {
            table_word(t, method_words[m]);
            table_count(t, (uint64_t)k);
            table_count(t, (uint64_t)s->c.n);
            table_rate(t, &e[p * METHODS + m], (uint64_t)s->c.n, 4, eval_boot_name(b));
            put_cost(t, &e[TOKENS], count[TOKENS] == (uint64_t)s->c.n ? k : NAN);
        }
    }
}

static int put_table(struct tool *t, FILE *f, const struct scaling *s)
{
    static const char *const column[] = { "method", "N", "n", EVAL_VALUE_COLUMNS, "tokens", "tokens_low", "tokens_high" };
    const struct boot b = { set.resamples, t->std.seed, t->std.threads };
    struct table table;
    table_begin(&table, f, set.json, "scaling", column, countof(column));
    put_curves(&table, s, &b);
    if (put_points(t, &table, s, "beam", &set.beam, &b) || put_points(t, &table, s, "greedy", &set.greedy, &b)) return -1;
    table_end(&table);
    if (!s->scored) tool_note(t, "no path has a score: no best, no weighted vote");
    return 0;
}

/* ---- the program ---- */

static int scaling(struct tool *t, struct scaling *s, struct group *g)
{
    int got;
    if (tool_open(t)) return -1;
    FILE *out = tool_text(t);
    while ((got = group_read(t, g)) > 0)
        if (take(s, g, t->std.seed)) return -1;
    if (got < 0) return -1;
    if (s->c.n == 0) return fail("no paths to measure");
    return put_table(t, out, s) ? -1 : tool_close(t);
}

int eval_scaling(struct tool *t)
{
    struct scaling s = { .c = { .k = COLUMNS } };
    struct group g = { .strict = true };
    int bad = scaling(t, &s, &g);
    group_free(&g);
    ballot_free(&s.b);
    columns_free(&s.c);
    names_free(&s.ids);
    free(s.right);
    free(s.order);
    free(s.pick);
    free(s.in);
    return bad;
}
