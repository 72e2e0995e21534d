/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

const char *const verdict_words[VERDICTS] = { "right", "unparsed", "irrelevant", "false" };

static int unfit(void) { return fail("the question does not fit the world"); }

static struct claim *step(struct plan *p, enum step_kind kind)
{
    assert(p->nstep < PLAN_STEPS);
    p->step[p->nstep] = (struct claim){ .kind = kind };
    return &p->step[p->nstep++];
}

static struct claim *extra(struct plan *p, enum step_kind kind)
{
    assert(p->nextra < PLAN_EXTRA);
    p->extra[p->nextra] = (struct claim){ .kind = kind };
    return &p->extra[p->nextra++];
}

static void say_number(struct plan *p, int64_t n) { snprintf(p->answer, sizeof p->answer, "%lld", (long long)n); }
static void say_label(struct plan *p, int64_t label) { snprintf(p->answer, sizeof p->answer, "%c", (char)('A' + label)); }

/* ---- filling claims with the truth ---- */

static int fill_find(struct claim *c, const struct world *w, struct sel s)
{
    unsigned cells = sel_cells(w, s);
    claim_set(c, S_A, sel_code(s));
    claim_set(c, S_LIST, cells);
    claim_set(c, S_N, bits(cells));
    return bits(cells);
}

static void fill_sum(struct claim *c, int64_t x, int64_t y, int64_t r)
{
    claim_set(c, S_X, x);
    claim_set(c, S_Y, y);
    claim_set(c, S_R, r);
}

static void fill_bar(struct claim *c, const struct world *w, const struct bar *b)
{
    claim_set(c, S_LAB, b->label);
    claim_set(c, S_COL, b->colour);
    claim_set(c, S_K, b - w->bar + 1);
}

static void fill_read(struct claim *c, const struct world *w, const struct bar *b)
{
    int lo = b->value / w->tick * w->tick;
    claim_set(c, S_LAB, b->label);
    claim_set(c, S_X, b->value);
    claim_set(c, S_LO, lo);
    claim_set(c, S_HI, lo == b->value ? lo : lo + w->tick);
}

static int attr_value(const struct object *o, int64_t a) { return a == A_SHAPE ? o->shape : o->colour; }

static void fill_seen(struct claim *c, int64_t a, const struct object *o)
{
    claim_set(c, S_ATTR, a);
    claim_set(c, S_WORD, word_code((enum attr)a, attr_value(o, a)));
    claim_set(c, S_POS, object_cell(o));
}

/* ---- scenes ---- */

static struct sel part_of_sel(struct sel s, unsigned attrs)
{
    return (struct sel){ .colour = attrs & 1 ? s.colour : -1, .shape = attrs & 2 ? s.shape : -1, .size = attrs & 4 ? s.size : -1 };
}

static int plan_count(const struct world *w, const struct claim *q, struct plan *p)
{
    struct sel s = sel_of(q->v[S_A]);
    unsigned all = (s.colour >= 0 ? 1u : 0u) | (s.shape >= 0 ? 2u : 0u) | (s.size >= 0 ? 4u : 0u), sofar = 0;
    int n = 0;
    for (unsigned bit = 1; bit <= 4; bit <<= 1)
        if (all & bit) {
            enum step_kind kind = sofar ? K_KEEP : K_FIND;
            sofar |= bit;
            n = fill_find(step(p, kind), w, part_of_sel(s, sofar));
        }
    if (!all) n = fill_find(step(p, K_FIND), w, s);
    for (unsigned some = 1; some < 8; some++)            /* the attributes may come in any order, or at once */
        if (!(some & ~all)) {
            fill_find(extra(p, K_FIND), w, part_of_sel(s, some));
            fill_find(extra(p, K_KEEP), w, part_of_sel(s, some));
        }
    say_number(p, n);
    return 0;
}

/* The steps that add up n numbers are true in any order. */
static void extra_sums(struct plan *p, const int64_t *v, int n)
{
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            if (i == j) continue;
            int64_t two = v[i] + v[j];
            fill_sum(extra(p, K_ADD), v[i], v[j], two);
            if (n < 3) continue;
            int64_t third = v[3 - i - j];
            fill_sum(extra(p, K_ADD), two, third, two + third);
            fill_sum(extra(p, K_ADD), third, two, two + third);
        }
}

static int plan_more(const struct world *w, const struct claim *q, struct plan *p)
{
    int a = fill_find(step(p, K_FIND), w, sel_of(q->v[S_A])), b = fill_find(step(p, K_FIND), w, sel_of(q->v[S_B]));
    if (a < b) return unfit();
    fill_sum(step(p, K_SUB), a, b, a - b);
    say_number(p, a - b);
    return 0;
}

static void fill_compare(struct claim *c, int64_t x, int64_t y, const struct claim *q)
{
    claim_set(c, S_X, x);
    claim_set(c, S_Y, y);
    claim_set(c, S_CMP, (x > y) - (x < y));
    if (q) claim_set(c, S_A, x > y ? q->v[S_A] : q->v[S_B]);
}

/* The answer names what tells the two apart: "red", "circles". */
static void say_winner(struct plan *p, struct sel s)
{
    struct buf b = { 0 };
    if (s.colour >= 0) buf_str(&b, colour_words[s.colour]);
    else if (s.shape >= 0) plural_write(&b, shape_words[s.shape]);
    else buf_str(&b, s.size >= 0 ? size_words[s.size] : "objects");
    snprintf(p->answer, sizeof p->answer, "%s", b.p);
    buf_free(&b);
}

static int plan_compare(const struct world *w, const struct claim *q, struct plan *p)
{
    int a = fill_find(step(p, K_FIND), w, sel_of(q->v[S_A])), b = fill_find(step(p, K_FIND), w, sel_of(q->v[S_B]));
    const struct claim *differ = a == b ? NULL : q;
    struct claim turned = *q;
    fill_compare(step(p, K_CMP), a, b, differ);
    turned.v[S_A] = q->v[S_B];
    turned.v[S_B] = q->v[S_A];
    fill_compare(extra(p, K_CMP), b, a, differ ? &turned : NULL);
    if (a == b) snprintf(p->answer, sizeof p->answer, "equal");
    else say_winner(p, sel_of(a > b ? q->v[S_A] : q->v[S_B]));
    return 0;
}

static int plan_total(const struct world *w, const struct claim *q, struct plan *p)
{
    static const enum slot from[] = { S_A, S_B, S_C };
    int n = claim_has(q, S_C) ? 3 : 2;
    int64_t v[3], sum = 0;
    for (int i = 0; i < n; i++) {
        v[i] = fill_find(step(p, K_FIND), w, sel_of(q->v[from[i]]));
        if (i) fill_sum(step(p, K_ADD), sum, v[i], sum + v[i]);
        sum += v[i];
    }
    extra_sums(p, v, n);
    say_number(p, sum);
    return 0;
}

/* The nearest object in a direction along the anchor's row or column. */
static const struct object *neighbour(const struct world *w, int cell, int64_t d)
{
    int dr = d == ABOVE ? -1 : d == BELOW ? 1 : 0, dc = d == LEFT_OF ? -1 : d == RIGHT_OF ? 1 : 0;
    for (int r = cell / GRID + dr, c = cell % GRID + dc; r >= 0 && r < GRID && c >= 0 && c < GRID; r += dr, c += dc) {
        const struct object *o = world_at(w, r * GRID + c);
        if (o) return o;
    }
    return NULL;
}

static int plan_relate(const struct world *w, const struct claim *q, struct plan *p)
{
    unsigned at = sel_cells(w, sel_of(q->v[S_A]));
    int anchor = 0;
    if (bits(at) != 1) return unfit();
    while (!(at >> anchor & 1)) anchor++;
    const struct object *o = neighbour(w, anchor, q->v[S_DIR]);
    if (!o) return unfit();

    struct claim *c = step(p, K_LOCATE);
    claim_set(c, S_A, q->v[S_A]);
    claim_set(c, S_POS, anchor);
    c = step(p, K_LOOK);
    claim_set(c, S_DIR, q->v[S_DIR]);
    claim_set(c, S_B, sel_code((struct sel){ .shape = o->shape, .colour = o->colour, .size = -1 }));
    claim_set(c, S_POS, object_cell(o));
    fill_seen(step(p, K_TELL), q->v[S_ATTR], o);
    snprintf(p->answer, sizeof p->answer, "%s", q->v[S_ATTR] == A_SHAPE ? shape_words[o->shape] : colour_words[o->colour]);
    return 0;
}

/* The one object whose value of the attribute is not that of all others; NULL if there is no such object. */
static const struct object *odd_one(const struct world *w, int64_t a)
{
    for (int i = 0; i < w->nobject; i++) {
        int mine = attr_value(&w->object[i], a), other = attr_value(&w->object[i == 0], a);
        bool odd = mine != other;
        for (int j = 0; j < w->nobject; j++) odd = odd && (j == i || attr_value(&w->object[j], a) == other);
        if (odd) return &w->object[i];
    }
    return NULL;
}

static int plan_odd(const struct world *w, const struct claim *q, struct plan *p)
{
    int64_t differs = q->v[S_ATTR2], asked = q->v[S_ATTR];
    const struct object *odd = w->nobject >= 3 ? odd_one(w, differs) : NULL;
    if (!odd || differs == asked) return unfit();
    const struct object *common = &w->object[odd == &w->object[0]];
    struct claim *c = step(p, K_COMMON);
    claim_set(c, S_ATTR, differs);
    claim_set(c, S_WORD, word_code((enum attr)differs, attr_value(common, differs)));
    claim_set(c, S_N, w->nobject - 1);
    fill_seen(step(p, K_ODD), differs, odd);
    fill_seen(step(p, K_TELL), asked, odd);
    snprintf(p->answer, sizeof p->answer, "%s", asked == A_SHAPE ? shape_words[odd->shape] : colour_words[odd->colour]);
    return 0;
}

/* ---- charts ---- */

static int plan_read(const struct world *w, const struct claim *q, struct plan *p)
{
    const struct bar *b = NULL;
    bool by_colour = q->kind == T_READ_COLOUR;
    int met = 0;
    for (int i = 0; i < w->nbar; i++)
        if (by_colour ? w->bar[i].colour == q->v[S_COL] : w->bar[i].label == q->v[S_LAB]) b = &w->bar[i], met++;
    if (met != 1) return unfit();
    fill_bar(step(p, by_colour ? K_TINT : K_BAR), w, b);
    fill_read(step(p, K_READ), w, b);
    fill_bar(extra(p, by_colour ? K_BAR : K_TINT), w, b);
    say_number(p, b->value);
    return 0;
}

/* Bars LAB, LAB2, LAB3 of the question, all different; their number, or -1. */
static int asked_bars(const struct world *w, const struct claim *q, const struct bar *b[3])
{
    static const enum slot from[] = { S_LAB, S_LAB2, S_LAB3 };
    int n = 0;
    for (int i = 0; i < 3 && claim_has(q, from[i]); i++) {
        b[n++] = world_bar(w, (int)q->v[from[i]]);
        for (int j = 0; j < i; j++)
            if (b[j] == b[i]) return unfit();
        if (!b[i]) return unfit();
    }
    return n;
}

static void extra_bars(const struct world *w, const struct bar *const *b, int n, struct plan *p)
{
    for (int i = 0; i < n; i++) {
        fill_bar(extra(p, K_BAR), w, b[i]);
        fill_bar(extra(p, K_TINT), w, b[i]);
    }
}

static int plan_diff(const struct world *w, const struct claim *q, struct plan *p)
{
    const struct bar *b[3];
    if (asked_bars(w, q, b) != 2 || b[0]->value < b[1]->value) return unfit();
    for (int i = 0; i < 2; i++) fill_read(step(p, K_READ), w, b[i]);
    fill_sum(step(p, K_SUB), b[0]->value, b[1]->value, b[0]->value - b[1]->value);
    extra_bars(w, b, 2, p);
    say_number(p, b[0]->value - b[1]->value);
    return 0;
}

static int plan_sum(const struct world *w, const struct claim *q, struct plan *p)
{
    const struct bar *b[3];
    int64_t v[3], sum = 0;
    int n = asked_bars(w, q, b);
    if (n < 2) return unfit();
    for (int i = 0; i < n; i++) {
        v[i] = b[i]->value;
        fill_read(step(p, K_READ), w, b[i]);
        if (i) fill_sum(step(p, K_ADD), sum, v[i], sum + v[i]);
        sum += v[i];
    }
    extra_sums(p, v, n);
    extra_bars(w, b, n, p);
    if (q->kind == T_MEAN) {
        if (sum % n) return unfit();
        fill_sum(step(p, K_DIV), sum, n, sum / n);
        sum /= n;
    }
    say_number(p, sum);
    return 0;
}

/* Labels from the highest bar to the lowest; false if two bars are level. */
static bool bar_order(const struct world *w, int label[BARS_MAX])
{
    for (int i = 0; i < w->nbar; i++) {
        int k = 0;
        for (int j = 0; j < w->nbar; j++) {
            if (j != i && w->bar[j].value == w->bar[i].value) return false;
            k += w->bar[j].value > w->bar[i].value;
        }
        label[k] = w->bar[i].label;
    }
    return true;
}

static int plan_rank(const struct world *w, const struct claim *q, struct plan *p)
{
    int order[BARS_MAX], n = w->nbar;
    int64_t rank = q->v[S_RANK];
    bool second = rank == SECOND_HIGHEST || rank == SECOND_LOWEST, from_top = rank == HIGHEST || rank == SECOND_HIGHEST;
    if (n < 2 || !bar_order(w, order)) return unfit();
    int label = order[from_top ? second : n - 1 - second];

    struct claim *c = step(p, K_SCAN);
    claim_set(c, S_BARS, bars_code(w));
    claim_set(c, S_N, n);
    c = second ? step(p, K_SORT) : extra(p, K_SORT);
    claim_set(c, S_ORDER, order_code(order, n));
    claim_set(c, S_LAB, order[0]);
    c = step(p, K_PICK);
    claim_set(c, S_RANK, rank);
    claim_set(c, S_LAB, label);
    claim_set(c, S_X, world_bar(w, label)->value);
    for (int i = 0; i < n; i++) fill_read(extra(p, K_READ), w, &w->bar[i]);
    say_label(p, label);
    return 0;
}

int plan_make(const struct world *w, const struct claim *q, struct plan *p)
{
    static int (*const make[TASKS])(const struct world *, const struct claim *, struct plan *) = {
        plan_count, plan_more, plan_compare, plan_total, plan_relate, plan_odd,
        plan_read, plan_read, plan_diff, plan_sum, plan_sum, plan_rank,
    };
    memset(p, 0, sizeof *p);
    if (q->kind < 0 || q->kind >= TASKS || (q->kind >= T_READ) != w->chart) return unfit();
    return make[q->kind](w, q, p);
}

/* ---- what authors get wrong ---- */

static bool asks_for(const struct claim *q, int64_t label)
{
    for (int i = S_LAB; i <= S_LAB3; i++)
        if (claim_has(q, i) && q->v[i] == label) return true;
    return false;
}

/* The label right of this bar; left of it, if it is the last. */
static int64_t beside(const struct world *w, int64_t label)
{
    int i = 0;
    while (i < w->nbar && w->bar[i].label != label) i++;
    return w->bar[i + 1 < w->nbar ? i + 1 : w->nbar - 2].label;
}

bool plan_slip(const struct world *w, const struct claim *question, double share, struct rng *r, struct plan *p)
{
    struct claim q = *question;
    bool slipped = false;
    if (!w->chart || w->nbar < CROWDED) return false;
    for (int i = S_LAB; i <= S_LAB3; i++) {
        if (!claim_has(question, i)) continue;
        int64_t other = beside(w, question->v[i]);
        if (asks_for(&q, other) || rng_next(r) >= share) continue;
        q.v[i] = other;
        slipped = true;
    }
    if (q.kind == T_DIFF && world_bar(w, (int)q.v[S_LAB])->value < world_bar(w, (int)q.v[S_LAB2])->value) {
        int64_t low = q.v[S_LAB];
        q.v[S_LAB] = q.v[S_LAB2];
        q.v[S_LAB2] = low;
    }
    return slipped && plan_make(w, &q, p) == 0;
}

/* ---- judging ---- */

static bool agrees(const struct claim parts[3], const struct claim *truth)
{
    return claim_agrees(&parts[1], truth) && claim_agrees(&parts[2], truth);
}

enum verdict plan_judge(const struct plan *p, struct slice name, struct slice thought, struct slice reflection)
{
    struct claim part[3];
    bool relevant = false;
    if (!grammar_read(NAME, -1, name.p, name.n, &part[0]) || !grammar_read(THOUGHT, part[0].kind, thought.p, thought.n, &part[1]) ||
        !grammar_read(REFLECTION, part[0].kind, reflection.p, reflection.n, &part[2]))
        return UNPARSED;
    for (int i = 0; i < p->nstep + p->nextra; i++) {
        const struct claim *truth = i < p->nstep ? &p->step[i] : &p->extra[i - p->nstep];
        if (truth->kind != part[0].kind || !claim_agrees(&part[0], truth)) continue;
        if (agrees(part, truth)) return RIGHT;
        relevant = true;
    }
    return relevant ? FALSE : IRRELEVANT;
}
