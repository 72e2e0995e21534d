/* SPDX-License-Identifier: Apache-2.0
 * The worlds of examples/shapes: the language reads what it writes, reference paths are right, and a changed claim
 * is found at exactly its step. */
#include "t.h"
#include "../../examples/shapes/world.c"
#include "../../examples/shapes/slot.c"
#include "../../examples/shapes/grammar.c"
#include "../../examples/shapes/plan.c"
#include "../../examples/shapes/task.c"
#include "../../examples/shapes/caption.c"

#include <stdlib.h>

enum { SAMPLES = 400 };                        /* per task and level */

struct sample { struct world w; struct claim q; struct plan p; struct rng r; };

static void make(struct sample *s, int task, int level, int i)
{
    char name[48];
    snprintf(name, sizeof name, "%d/%d/%d", task, level, i);
    s->r = rng_new(1, name);
    task_make((enum task_kind)task, &s->r, &levels[level], &s->w, &s->q, &s->p);
}

typedef void visit(struct sample *s, const char *what);

static void each(visit *fn)
{
    for (int level = 0; level < LEVELS; level++)
        for (int task = 0; task < TASKS; task++)
            for (int i = 0; i < SAMPLES; i++) {
                struct sample s;
                char what[64];
                snprintf(what, sizeof what, "level %d, task %d, sample %d", level + 1, task, i);
                make(&s, task, level, i);
                fn(&s, what);
            }
}

/* One part of a claim in words, and the judgement of a step made of three. */
static struct buf say(enum part p, const struct claim *c, struct rng *r)
{
    struct buf b = { 0 };
    grammar_write(p, c, r, &b);
    return b;
}

static enum verdict judge3(const struct plan *p, const struct claim c[3], struct rng *r, char *text, size_t n)
{
    struct buf a = say(NAME, &c[0], r), b = say(THOUGHT, &c[1], r), d = say(REFLECTION, &c[2], r);
    snprintf(text, n, "%s | %s | %s", a.p, b.p, d.p);
    enum verdict v = plan_judge(p, (struct slice){ a.p, a.len }, (struct slice){ b.p, b.len }, (struct slice){ d.p, d.len });
    buf_free(&a);
    buf_free(&b);
    buf_free(&d);
    return v;
}

static void expect(enum verdict got, enum verdict want, const char *what, const char *text, const char *answer)
{
    if (got == want) return;
    t_bad++;
    printf("# %s: [%s] (answer %s) is %s, want %s\n", what, text, answer, verdict_words[got], verdict_words[want]);
}

static void check_reference(struct sample *s, const char *what)
{
    char text[400];
    struct claim q;
    T_CHECK(s->p.nstep >= 2 && s->p.nstep <= 6 && *s->p.answer);
    for (int i = 0; i < s->p.nstep; i++) {
        struct claim c[3] = { s->p.step[i], s->p.step[i], s->p.step[i] };
        expect(judge3(&s->p, c, &s->r, text, sizeof text), RIGHT, what, text, s->p.answer);
    }
    struct buf b = say(QUESTION, &s->q, &s->r);
    if (!grammar_read(QUESTION, -1, b.p, b.len, &q) || q.kind != s->q.kind || q.has != s->q.has || !claim_agrees(&q, &s->q)) {
        t_bad++;
        printf("# %s: question not read back: %s\n", what, b.p);
    }
    buf_free(&b);
}

static void test_reference_paths_are_right(void) { each(check_reference); }

/* Another value of the same kind that makes sense to write. */
static int64_t other_value(enum slot slot, int64_t v, struct rng *r)
{
    int n = 0, label[LABELS];
    switch (slot) {
    case S_A: case S_B: case S_C: {
        struct sel s = sel_of(v);
        if (s.colour >= 0) s.colour = (s.colour + 1) % COLOURS;
        else s.shape = (s.shape + 1) % SHAPES;
        return sel_code(s);
    }
    case S_LIST:  return v ^ (int64_t)1 << rand_in(r, 0, CELLS - 1);
    case S_POS:   return (v + rand_in(r, 1, CELLS - 1)) % CELLS;
    case S_WORD:  return v >= 100 ? 100 + (v - 100 + 1) % COLOURS : (v + 1) % SHAPES;
    case S_LAB:   return (v + 1) % LABELS;
    case S_COL:   return (v + 1) % COLOURS;
    case S_DIR:   return (v + 1) % DIRS;
    case S_RANK:  return (v + 1) % RANKS;
    case S_ATTR:  return !v;
    case S_CMP:   return v == 0 ? 1 : -v;
    case S_BARS:
        while (!(v >> (7 * n) & 127)) n++;
        return (v >> (7 * n) & 127) > 1 ? v - ((int64_t)1 << (7 * n)) : v + ((int64_t)1 << (7 * n));
    case S_ORDER:
        for (; v; v /= LABELS + 1) label[n++] = (int)(v % (LABELS + 1)) - 1;      /* turned round */
        return order_code(label, n);
    default:      return v ? v - 1 : v + 1;    /* numbers */
    }
}

/* Does this part of the claim, read back, say the slot? */
static bool says(const struct buf *b, enum part p, int kind, enum slot slot, int64_t v)
{
    struct claim c;
    return grammar_read(p, kind, b->p, b->len, &c) && claim_has(&c, slot) && c.v[slot] == v;
}

/* The same step with one slot of one part changed: wrong if the words now say the new value. */
static void mutate(struct sample *s, int step, enum slot slot, enum part part, const char *what)
{
    struct claim c[3] = { s->p.step[step], s->p.step[step], s->p.step[step] }, *m = &c[part - NAME];
    m->v[slot] = other_value(slot, m->v[slot], &s->r);
    if (slot == S_LO && m->v[S_LO] == m->v[S_HI]) return;      /* another rule's words */
    if (slot == S_CMP && !claim_has(m, S_A)) claim_set(m, S_A, s->q.v[S_A]);
    struct buf b = say(part, m, NULL);
    bool said = says(&b, part, m->kind, slot, m->v[slot]);
    buf_free(&b);
    if (!said) return;
    struct buf text[3];
    for (int i = 0; i < 3; i++) text[i] = say((enum part)(NAME + i), &c[i], NULL);
    enum verdict v = plan_judge(&s->p, (struct slice){ text[0].p, text[0].len }, (struct slice){ text[1].p, text[1].len },
                                (struct slice){ text[2].p, text[2].len });
    if (v == RIGHT || v == UNPARSED) {
        t_bad++;
        printf("# %s: [%s | %s | %s] (slot %d changed) is %s\n", what, text[0].p, text[1].p, text[2].p, slot, verdict_words[v]);
    }
    for (int i = 0; i < 3; i++) buf_free(&text[i]);
}

static void check_mutations(struct sample *s, const char *what)
{
    int i = rand_in(&s->r, 0, s->p.nstep - 1);
    for (int slot = 0; slot < SLOTS; slot++)
        for (int part = NAME; part <= REFLECTION; part++)
            if (claim_has(&s->p.step[i], (enum slot)slot)) mutate(s, i, (enum slot)slot, (enum part)part, what);
}

static void test_changed_claims_are_wrong(void) { each(check_mutations); }

static enum verdict judge(const struct plan *p, const char *name, const char *thought, const char *reflection)
{
    return plan_judge(p, (struct slice){ name, strlen(name) }, (struct slice){ thought, strlen(thought) },
                      (struct slice){ reflection, strlen(reflection) });
}

static bool ask(const char *question, const struct world *w, struct plan *p)
{
    struct claim q;
    return grammar_read(QUESTION, -1, question, strlen(question), &q) && plan_make(w, &q, p) == 0;
}

static const struct world scene = { .nobject = 4, .object = {
    { CIRCLE, RED, SMALL, 0.1, 0.1, 0.08 }, { CIRCLE, RED, LARGE, 0.5, 0.1, 0.14 },
    { SQUARE, RED, LARGE, 0.9, 0.5, 0.14 }, { STAR, BLUE, SMALL, 0.5, 0.9, 0.08 } } };

static void test_scene_by_hand(void)
{
    struct plan p;
    T_CHECK(ask("How many red circles are there?", &scene, &p));
    T_STR(p.answer, "2");
    T_INT(p.nstep, 2);
    T_INT(judge(&p, "find red objects", "red objects: top left, top, right", "3 seen"), RIGHT);
    T_INT(judge(&p, " Find  RED objects.", "Red objects at top, top left, right", "that makes 3."), RIGHT);
    T_INT(judge(&p, "find circles", "circles: top left, top", "2 seen"), RIGHT);          /* another order */
    T_INT(judge(&p, "find red objects", "red objects: top left, top", "3 seen"), FALSE);
    T_INT(judge(&p, "find red objects", "red objects: top left, top, right", "2 seen"), FALSE);
    T_INT(judge(&p, "find red objects", "circles: top left, top", "2 seen"), FALSE);      /* not what its name says */
    T_INT(judge(&p, "find blue objects", "blue objects: bottom", "1 seen"), IRRELEVANT);  /* true, but who asked? */
    T_INT(judge(&p, "find red objects", "red objects: top left, top, top", "3 seen"), UNPARSED);
    T_INT(judge(&p, "find red objects", "red things everywhere", "3 seen"), UNPARSED);
    T_INT(judge(&p, "find red objects", "red objects: top left, top, right", ""), UNPARSED);
    T_INT(judge(&p, "compare", "3 > 1", "more red objects"), IRRELEVANT);

    T_CHECK(ask("How many large circles are there?", &scene, &p));
    T_STR(p.answer, "1");
    T_CHECK(ask("Are there more red objects or blue objects?", &scene, &p));
    T_STR(p.answer, "red");
    T_INT(judge(&p, "compare", "3 > 1", "more red objects"), RIGHT);
    T_INT(judge(&p, "compare", "1 is less than 3", "the red objects win"), RIGHT);
    T_INT(judge(&p, "compare", "1 > 3", "more red objects"), FALSE);
    T_INT(judge(&p, "compare", "3 > 1", "more blue objects"), FALSE);
    T_INT(judge(&p, "compare", "3 > 1", "a tie"), FALSE);
    T_CHECK(ask("Which are more, stars or squares", &scene, &p));
    T_STR(p.answer, "equal");
    T_INT(judge(&p, "compare", "1 = 1", "a tie"), RIGHT);
    T_CHECK(ask("How many circles and squares are there in all?", &scene, &p));
    T_STR(p.answer, "3");
    T_INT(judge(&p, "add", "1 + 2 = 3", "sum 3"), RIGHT);
    T_INT(judge(&p, "add", "1 + 1 = 2", "sum 2"), FALSE);                                 /* not these counts */

    T_CHECK(ask("What colour is right of the large red circle?", &scene, &p) == false);   /* nothing is there */
    T_CHECK(ask("What shape is below the large red circle?", &scene, &p));                /* past the empty centre */
    T_STR(p.answer, "star");
    T_INT(judge(&p, "locate the large red circle", "it is at the top", "no other large red circle"), RIGHT);
    T_INT(judge(&p, "look below", "below it: blue star", "seen at the bottom"), RIGHT);
    T_INT(judge(&p, "look below", "below it: red star", "seen at the bottom"), FALSE);
    T_INT(judge(&p, "look above", "above it: blue star", "seen at the bottom"), IRRELEVANT);
    T_CHECK(!ask("What shape is below the red circle?", &scene, &p));                     /* there are two */
    T_CHECK(ask("One object differs in colour. What is its shape?", &scene, &p));
    T_STR(p.answer, "star");
    T_CHECK(!ask("One object differs in shape. What is its colour?", &scene, &p));
    T_CHECK(!ask("What is the value of bar A?", &scene, &p));
}

static const struct world chart = { .chart = true, .nbar = 3, .top = 10, .tick = 2,
                                    .bar = { { 0, 7, RED }, { 1, 4, BLUE }, { 2, 10, GREEN } } };

static void test_chart_by_hand(void)
{
    struct plan p;
    T_CHECK(ask("What is the value of the blue bar?", &chart, &p));
    T_STR(p.answer, "4");
    T_INT(judge(&p, "find the blue bar", "the blue one is B", "bar number 2"), RIGHT);
    T_INT(judge(&p, "read B", "B reaches 4", "on the line at 4"), RIGHT);
    T_INT(judge(&p, "read B", "B reaches 4", "between 2 and 4"), FALSE);
    T_INT(judge(&p, "read A", "A reaches 7", "between 6 and 8"), IRRELEVANT);
    T_CHECK(ask("How much higher is A than B?", &chart, &p));
    T_STR(p.answer, "3");
    T_INT(judge(&p, "read A", "A = 7", "between 6 and 8"), RIGHT);
    T_INT(judge(&p, "subtract", "7 - 4 = 3", "difference 3"), RIGHT);
    T_INT(judge(&p, "subtract", "7 - 4 = 3", "difference 4"), FALSE);
    T_INT(judge(&p, "subtract", "7 - 4 is 3", "3 more"), RIGHT);                          /* two wordings mixed */
    T_INT(judge(&p, "subtract", "7 minus 4 = 2", "2 more"), FALSE);
    T_CHECK(!ask("How much higher is B than A?", &chart, &p));
    T_CHECK(!ask("How much higher is A than F?", &chart, &p));
    T_CHECK(!ask("What is the sum of A and A?", &chart, &p));
    T_CHECK(ask("What is the average of A, B and C?", &chart, &p));
    T_STR(p.answer, "7");
    T_INT(judge(&p, "add", "10 + 4 = 14", "sum 14"), RIGHT);
    T_INT(judge(&p, "add", "7 + 14 = 21", "sum 21"), RIGHT);
    T_INT(judge(&p, "divide", "21 / 3 = 7", "average 7"), RIGHT);
    T_CHECK(!ask("What is the average of A and B?", &chart, &p));                         /* 5.5 */
    T_CHECK(ask("Which bar is the second highest?", &chart, &p));
    T_STR(p.answer, "A");
    T_INT(judge(&p, "read all bars", "A 7, B 4, C 10", "3 bars"), RIGHT);
    T_INT(judge(&p, "read all bars", "A 7, B 4", "2 bars"), FALSE);
    T_INT(judge(&p, "sort", "C > A > B", "C on top"), RIGHT);
    T_INT(judge(&p, "sort", "C > B > A", "C on top"), FALSE);
    T_INT(judge(&p, "take the second highest", "it is A", "A has 7"), RIGHT);
    T_CHECK(!ask("Which bar is the tallest?", &chart, &p));
}

/* A constant answer must not get far in any source, at any level. */
static void test_no_prior_solves_it(void)
{
    enum { N = 3000 };
    for (int level = 0; level < LEVELS; level++)
        for (int task = 0; task < TASKS; task++) {
            char seen[64][24];
            int times[64] = { 0 }, kinds = 0, top = 0;
            for (int i = 0; i < N; i++) {
                struct sample s;
                int k = 0;
                make(&s, task, level, i);
                while (k < kinds && strcmp(seen[k], s.p.answer)) k++;
                if (k == kinds) snprintf(seen[kinds++], sizeof seen[0], "%s", s.p.answer);
                if (++times[k] > times[top]) top = k;
            }
            if (times[top] > N * 35 / 100) {
                t_bad++;
                printf("# level %d, %s: always \"%s\" is right in %.1f %%\n", level + 1, task_source[task], seen[top], 100.0 * times[top] / N);
            }
        }
}

static bool same_world(const struct world *a, const struct world *b)
{
    bool same = a->chart == b->chart && a->nobject == b->nobject && a->nbar == b->nbar && a->top == b->top && a->tick == b->tick;
    for (int i = 0; same && i < a->nobject; i++) {
        const struct object *x = &a->object[i], *y = &b->object[i];
        same = x->shape == y->shape && x->colour == y->colour && x->size == y->size && x->x == y->x && x->y == y->y && x->r == y->r;
    }
    for (int i = 0; same && i < a->nbar; i++) {
        const struct bar *x = &a->bar[i], *y = &b->bar[i];
        same = x->label == y->label && x->value == y->value && x->colour == y->colour;
    }
    return same;
}

static void test_world_round_trip(void)
{
    msgpack_zone z;
    struct world w;
    T_CHECK(msgpack_zone_init(&z, 4096));
    val v = world_to_val(&z, &scene);
    T_OK(world_from_val(&v, &w));
    T_CHECK(same_world(&w, &scene));
    *val_path(val_at(val_get(&v, "objects"), 1), "x") = val_of_f64(0.2);
    T_FAIL(world_from_val(&v, &w), "cell is taken");
    *val_path(val_at(val_get(&v, "objects"), 1), "x") = val_of_f64(1.5);
    T_FAIL(world_from_val(&v, &w), "malformed");
    v = world_to_val(&z, &chart);
    T_OK(world_from_val(&v, &w));
    T_CHECK(same_world(&w, &chart));
    *val_get(val_at(val_get(&v, "bars"), 2), "label") = val_of_cstr(&z, "A");
    T_FAIL(world_from_val(&v, &w), "repeated label");
    *val_get(&v, "tick") = val_of_i64(0);
    T_FAIL(world_from_val(&v, &w), "bad axis");
    T_FAIL(world_from_val(NULL, &w), "no world");
    msgpack_zone_destroy(&z);
}

int main(void)
{
    T_RUN(test_scene_by_hand);
    T_RUN(test_chart_by_hand);
    T_RUN(test_world_round_trip);
    T_RUN(test_reference_paths_are_right);
    T_RUN(test_changed_claims_are_wrong);
    T_RUN(test_no_prior_solves_it);
    return t_end();
}
