/* SPDX-License-Identifier: Apache-2.0
 * shapes: a world whose every reasoning step can be checked. `make` draws images, asks questions and writes reference
 * paths; `truth` labels each step of anybody's paths right or wrong from the image's own description.
 */
#include <stdlib.h>
#include <string.h>
#include "../../tools/common.h"
#include "base/hash.h"
#include "caption.h"
#include "draw.h"
#include "plan.h"
#include "record/answer.h"
#include "record/path.h"
#include "store.h"

/* ---- make ---- */

enum { ASK_STEPS, ASK_CAPTION };               /* words of --ask */
enum { SCENE, CHART, BOTH };                   /* words of --kind */
enum { ALL, TRAIN, TEST, TEST_SHARE = 8 };     /* words of --split; one world in 8 is a test world */

static struct { int n, ask, kind, difficulty, side, split; double slip; bool questions; const char *images; struct opt_list sources; } made = {
    .n = 1000, .kind = BOTH, .difficulty = 3, .side = 64 };

static const struct opt make_opts[] = {
    { 'n', NULL, "N", OPT_INT, &made.n, 0, 100000000, "records" },
    { 0, "kind", "scene|chart|both", OPT_CHOICE, &made.kind, 0, 0, "of image" },
    { 0, "source", "NAME", OPT_LIST, &made.sources, 0, 0, "only questions of this source, as scene/count; may be repeated" },
    { 0, "difficulty", "K", OPT_INT, &made.difficulty, 1, LEVELS, "more objects, colours, jitter, noise and clutter" },
    { 0, "size", "PIXELS", OPT_INT, &made.side, SIDE_MIN, SIDE_MAX, "side of the image" },
    { 0, "split", "all|train|test", OPT_CHOICE, &made.split, 0, 0, "train and test share no world and question, whatever the seeds" },
    { 0, "questions", NULL, OPT_FLAG, &made.questions, 0, 0, "samples only, without the reference path" },
    { 0, "ask", "steps|caption", OPT_CHOICE, &made.ask, 0, 0,
      "questions that take steps; or what is in the image, answered at once" },
    { 0, "slip", "SHARE", OPT_FLOAT, &made.slip, 0, 1,
      "of the bars in crowded charts are taken for the one beside them by authors of reference paths" },
    { 0, "images", "FILE.tar|DIR", OPT_STR, &made.images, 0, 0, "put images there instead of into the records" },
    OPT_END };

/* The tasks to draw from; several tasks of one source count as one. */
struct menu { int task[TASKS]; int n; };

static bool wanted(int task)
{
    bool chart = task >= T_READ, named = made.sources.n == 0;
    for (int i = 0; i < made.sources.n; i++) named = named || !strcmp(made.sources.v[i], task_source[task]);
    return named && (made.kind == BOTH || (made.kind == CHART) == chart);
}

static int menu_make(struct menu *m)
{
    m->n = 0;
    for (int i = 0; i < made.sources.n; i++) {
        int known = 0;
        for (int t = 0; t < TASKS; t++) known |= !strcmp(made.sources.v[i], task_source[t]);
        if (!known) return fail_kind(ERR_USAGE, "--source: no source '%s'", made.sources.v[i]);
    }
    for (int t = 0; t < TASKS; t++)
        if (t != T_READ_COLOUR && wanted(t)) m->task[m->n++] = t;
    return m->n ? 0 : fail_kind(ERR_USAGE, "--source: none of this kind");
}

/* Worlds are told apart by what can be asked about them: not by jitter or wording. */
static bool is_test(const struct world *w, const struct claim *q)
{
    struct buf b = { 0 };
    for (int c = 0; c < CELLS && !w->chart; c++) {
        const struct object *o = world_at(w, c);
        if (o) buf_fmt(&b, "%d %d %d %d;", c, o->shape, o->colour, o->size);
    }
    for (int i = 0; i < w->nbar; i++) buf_fmt(&b, "%d %d %d;", w->bar[i].label, w->bar[i].value, w->bar[i].colour);
    buf_fmt(&b, "%d", q->kind);
    for (int s = 0; s < SLOTS; s++) buf_fmt(&b, " %lld", (long long)q->v[s]);
    bool test = hash64(b.p, b.len, 0) % TEST_SHARE == 0;
    buf_free(&b);
    return test;
}

struct task { struct world w; struct claim question; struct plan plan; };

static void draw_task(const struct menu *m, const struct level *l, struct rng *r, struct task *t)
{
    do {
        int kind = m->task[rand_in(r, 0, m->n - 1)];
        if (kind == T_READ && rand_in(r, 0, 1)) kind = T_READ_COLOUR;
        task_make((enum task_kind)kind, r, l, &t->w, &t->question, &t->plan);
    } while (made.split != ALL && is_test(&t->w, &t->question) != (made.split == TEST));
}

static struct slice phrase(enum part p, const struct claim *c, struct rng *r, struct arena *a)
{
    struct buf b = { 0 };
    grammar_write(p, c, r, &b);
    struct slice s = { arena_str(a, b.p, b.len), b.len };
    buf_free(&b);
    return s;
}

static val path_record(const struct chain *c, msgpack_zone *z)
{
    val path = path_from_chain(z, c);
    val_set(z, &path, "index", val_of_i64(0));
    val_set(z, &path, "end", val_of_cstr(z, "stop"));
    return path;
}

static val reference_path(const struct plan *p, struct rng *r, struct arena *a, msgpack_zone *z)
{
    struct step steps[PLAN_STEPS];
    struct chain c = { .step = steps, .nstep = p->nstep, .answer = { p->answer, strlen(p->answer) }, .has_answer = true };
    for (int i = 0; i < p->nstep; i++)
        steps[i] = (struct step){ .name = phrase(NAME, &p->step[i], r, a), .thought = phrase(THOUGHT, &p->step[i], r, a),
                                  .reflection = phrase(REFLECTION, &p->step[i], r, a) };
    return path_record(&c, z);
}

static int draw_image(const struct task *t, const struct level *l, struct rng *r, struct buf *png)
{
    struct image im;
    if (image_new(made.side, made.side, &im)) return -1;
    draw_world(&t->w, l, r, &im);
    buf_clear(png);
    int bad = image_write_png(&im, png);
    image_free(&im);
    return bad;
}

/* A record on its way through the pipeline: drawn on any thread, stored and written in order. */
struct item { int i; struct record *r; struct buf png; };

struct maker { struct tool *t; struct menu menu; struct store *store; int next; };

static int next_item(void *arg, void **item)
{
    struct maker *m = arg;
    struct item *it;
    if (m->next == made.n) return 0;
    *item = it = mem_alloc(sizeof *it);
    it->i = m->next++;
    it->r = rec_new();
    return 1;
}

static void drop_item(void *arg, void *item)
{
    struct item *it = item;
    (void)arg;
    rec_free(it->r);
    buf_free(&it->png);
    free(it);
}

static void item_name(const struct maker *m, int i, char name[40])
{
    snprintf(name, 40, "%llu-%d", (unsigned long long)m->t->std.seed, i);
}

/* ---- what is asked about a world: with steps, or without, so that the two can be mixed ---- */

struct asked { struct slice question, answer; const char *source; val path; bool slip; };

static struct slice words(const char *s) { return (struct slice){ s, strlen(s) }; }

static void ask_steps(const struct task *t, struct rng *r, struct arena *a, msgpack_zone *z, struct asked *q)
{
    q->question = phrase(QUESTION, &t->question, r, a);
    q->answer = words(t->plan.answer);
    q->source = task_source[t->question.kind];
    struct plan author;
    q->slip = plan_slip(&t->w, &t->question, made.slip, r, &author);
    q->path = reference_path(q->slip ? &author : &t->plan, r, a, z);
}

static void ask_caption(const struct task *t, struct arena *a, msgpack_zone *z, struct asked *q)
{
    struct buf b = { 0 };
    caption_write(&t->w, &b);
    q->question = words(CAPTION_QUESTION);
    q->answer = (struct slice){ arena_str(a, b.p, b.len), b.len };
    q->source = t->w.chart ? "chart/caption" : "scene/caption";
    struct chain c = { .answer = q->answer, .has_answer = true };
    q->path = path_record(&c, z);
    buf_free(&b);
}

static void put_asked(const struct asked *q, msgpack_zone *z, val *root)
{
    val_set(z, root, "question", val_of_str(z, q->question.p, q->question.n));
    val_set(z, root, "answer", val_of_str(z, q->answer.p, q->answer.n));
    val_set(z, root, "source", val_of_cstr(z, q->source));
    val_set(z, root, "images", val_array(z, 1));
    if (!made.questions) val_set(z, root, "path", q->path);
}

/* Record number i of the seed, whatever the others are; its image is still apart. */
static int draw_item(void *arg, void *item)
{
    const struct maker *m = arg;
    struct item *it = item;
    const struct level *l = &levels[made.difficulty - 1];
    msgpack_zone *z = &it->r->zone;
    val *root = &it->r->root;
    struct task t;
    struct arena text = { 0 };
    char name[40], id[64];

    item_name(m, it->i, name);
    struct rng r = rng_new(m->t->std.seed, name);
    draw_task(&m->menu, l, &r, &t);
    if (draw_image(&t, l, &r, &it->png)) return -1;
    snprintf(id, sizeof id, "shapes/%s", name);
    val_set(z, root, "id", val_of_cstr(z, id));
    struct asked q = { 0 };
    if (made.ask == ASK_STEPS) ask_steps(&t, &r, &text, z, &q);
    else ask_caption(&t, &text, z, &q);
    put_asked(&q, z, root);
    val *meta = val_set_map(z, root, "meta");
    val_set(z, meta, "world", world_to_val(z, &t.w));
    val_set(z, meta, "difficulty", val_of_i64(made.difficulty));
    if (q.slip && !made.questions) val_set(z, meta, "slip", val_of_bool(true));
    arena_free(&text);
    return 0;
}

static int write_item(void *arg, void *item)
{
    struct maker *m = arg;
    struct item *it = item;
    char name[40], file[48];
    item_name(m, it->i, name);
    snprintf(file, sizeof file, "%s.png", name);
    int bad = store_png(m->store, file, &it->png, &it->r->zone, val_at(val_get(&it->r->root, "images"), 0));
    if (!bad) bad = tool_write(m->t, it->r);
    tool_progress(m->t, "images", it->i + 1, made.n, NULL);
    drop_item(NULL, it);
    return bad;
}

static int make_all(struct maker *m)
{
    const struct par_pipe pipe = { m, next_item, draw_item, write_item, drop_item };
    if (tool_open_out(m->t) || par_pipe(m->t->std.threads, &pipe)) return -1;
    tool_added(m->t, (uint64_t)made.n);
    return 0;
}

static int run_make(struct tool *t)
{
    struct maker m = { .t = t };
    if (menu_make(&m.menu) || !(m.store = store_open(made.images))) return -1;
    if (make_all(&m)) {
        store_abandon(m.store);
        return -1;
    }
    return store_close(m.store) || tool_close(t) ? -1 : 0;     /* the archive before the trailer that vouches for it */
}

/* ---- truth ---- */

struct judge { struct arena arena; struct record *r; uint64_t step[VERDICTS], answers, right; };

/* The labels with those of others kept and ours put behind them. */
static void set_label(msgpack_zone *z, val *map, const char *key, bool right, const char *why)
{
    const val *old = val_get(map, key);
    val mine = val_map();
    struct val_list labels = { 0 };
    for (int i = 0; i < val_len(old); i++) {
        const val *by = val_get(val_at(old, i), "by");
        if (!by || !val_is_str(by, "truth")) val_push(z, &labels, *val_at(old, i));
    }
    val_set(z, &mine, "by", val_of_cstr(z, "truth"));
    val_set(z, &mine, "value", val_of_i64(right));
    if (!right) val_set(z, &mine, "why", val_of_cstr(z, why));
    val_push(z, &labels, mine);
    val_set(z, map, key, val_of_list(&labels));
}

/* NULL, or why this record cannot be judged. */
static const char *read_task(const struct record *r, struct task *t)
{
    const char *q, *gold;
    size_t nq, ngold;
    if (!val_get(&r->root, "path")) return "no path";
    if (world_from_val(val_path(&r->root, "meta.world"), &t->w)) return "no world";
    if (!val_str(val_get(&r->root, "question"), &q, &nq) || !grammar_read(QUESTION, -1, q, nq, &t->question))
        return "question not understood";
    if (plan_make(&t->w, &t->question, &t->plan)) return "question does not fit the world";
    struct slice want = { t->plan.answer, strlen(t->plan.answer) };
    if (val_str(val_get(&r->root, "answer"), &gold, &ngold) &&
        !answer_equal(ANSWER_EXACT, (struct slice){ gold, ngold }, want, NULL, 0)) return "answer is not the world's";
    return NULL;
}

static int judge_one(struct judge *j, const struct task *t)
{
    struct chain c;
    msgpack_zone *z = &j->r->zone;
    val *path = val_get(&j->r->root, "path"), *steps = val_get(path, "steps");
    arena_reset(&j->arena);
    if (path_to_chain(path, &j->arena, &c)) return -1;
    for (int i = 0; i < c.nstep; i++) {
        enum verdict v = plan_judge(&t->plan, c.step[i].name, c.step[i].thought, c.step[i].reflection);
        set_label(z, val_at(steps, i), "labels", v == RIGHT, verdict_words[v]);
        j->step[v]++;
    }
    struct slice want = { t->plan.answer, strlen(t->plan.answer) };
    bool right = c.has_answer && answer_equal(ANSWER_EXACT, c.answer, want, NULL, 0);
    set_label(z, path, "answer_labels", right, c.has_answer ? "false" : "unparsed");
    val_set(z, path, "correct", val_of_bool(right));
    j->answers++;
    j->right += right;
    return 0;
}

static int truth_all(struct tool *t, struct judge *j)
{
    int got;
    if (tool_open(t)) return -1;
    while ((got = tool_read(t, j->r)) > 0) {
        struct task task;
        const char *why = read_task(j->r, &task);
        char label[256];
        if (why) {
            if (tool_reject(t, j->r, why)) return -1;
            continue;
        }
        if (judge_one(j, &task)) return fail_in("%s", rec_label(j->r, label, sizeof label));
        if (tool_write(t, j->r)) return -1;
    }
    if (got < 0) return -1;
    tool_note(t, "steps: %llu right, %llu false, %llu irrelevant, %llu unparsed; answers: %llu of %llu right",
              (unsigned long long)j->step[RIGHT], (unsigned long long)j->step[FALSE], (unsigned long long)j->step[IRRELEVANT],
              (unsigned long long)j->step[UNPARSED], (unsigned long long)j->right, (unsigned long long)j->answers);
    return tool_close(t);
}

static int run_truth(struct tool *t)
{
    struct judge j = { .r = rec_new() };
    int bad = truth_all(t, &j);
    rec_free(j.r);
    arena_free(&j.arena);
    return bad;
}

int main(int argc, char **argv)
{
    static const struct command cmds[] = {
        { "make", "draws images and questions with their reference paths", make_opts, run_make, NULL,
          "Record i depends on --seed, i and the options alone. meta.world describes the image completely." },
        { "truth", "labels every step and answer of paths from meta.world", NULL, run_truth, "[FILE...]",
          "Each step gets {\"by\": \"truth\", \"value\": 1} or value 0 with \"why\": unparsed (not in the language of the\n"
          "reference paths), irrelevant (true or not, no move towards this question's answer) or false. The answer gets\n"
          "the same in path.answer_labels, and path.correct. A step is judged by the image, not by the steps before it." },
        { 0 } };
    return tool_main("shapes", "images and questions whose reasoning steps can be checked exactly", cmds, argc, argv);
}
