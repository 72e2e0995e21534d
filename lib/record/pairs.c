/* SPDX-License-Identifier: Apache-2.0 */
#include "record/pairs.h"

#include <stdlib.h>
#include "base/hash.h"
#include "record/path.h"

const char *const pair_why_words[PAIR_WHYS] = {
    "paired", "one path", "all equal", "no whole path", "no right path", "no wrong path", "gap too small", "same text",
};

/* ---- which paths may be what ---- */

static bool is_correct(const struct candidate *c, bool want)
{
    bool b;
    return val_bool(val_path(&c->r->root, "path.correct"), &b) && b == want;
}

static bool whole(const struct candidate *c)
{
    const val *end = val_path(&c->r->root, "path.end");
    return c->group >= 0 && (!end || end->type == MSGPACK_OBJECT_NIL || val_is_str(end, "stop"));
}

/* better: best first; worse: worst first, and of equal scores the lower rank. */
struct sides { int *better, *worse, nbetter, nworse; };

static int split(struct sides *s, const struct ballot *b, const struct pair_rule *rule)
{
    int any = 0;
    for (int i = 0; i < b->n; i++) {
        bool good = whole(&b->c[i]);
        any += good;
        if (good && (!rule->require_answer || is_correct(&b->c[i], true))) s->better[s->nbetter++] = i;
    }
    for (int i = b->n; i > 0;) {               /* runs of one score from the end, each in its own order */
        int first = i - 1;
        while (first > 0 && b->c[first - 1].s.score == b->c[i - 1].s.score) first--;
        for (int k = first; k < i; k++)
            if (!rule->require_answer || is_correct(&b->c[k], false)) s->worse[s->nworse++] = k;
        i = first;
    }
    return any;
}

/* ---- pairs by their gaps ---- */

/* For each of the better paths the worse one it would take next: gaps fall along a row, and from row to row. */
struct merge { const struct ballot *b; const struct sides *s; int *next; int rows; };

static double gap_at(const struct merge *m, int row)
{
    const struct sides *s = m->s;
    return m->b->c[s->better[row]].s.score - m->b->c[s->worse[m->next[row]]].s.score;
}

/* The row with the largest gap, the first of equal ones; -1 when no pair is left. A row is opened when the one above
 * it has been used, since its gap can be no larger. */
static int largest(struct merge *m)
{
    int best = -1;
    for (int i = 0; i <= m->rows && i < m->s->nbetter; i++) {
        if (m->next[i] == m->s->nworse) continue;
        if (best < 0 || gap_at(m, i) > gap_at(m, best)) best = i;
    }
    if (best == m->rows) m->rows++;
    return best;
}

static int pick(struct merge *m, const uint64_t *text, const struct pair_rule *rule, struct pair *out, bool *same_text)
{
    const struct sides *s = m->s;
    int n = 0, row, *used = mem_array((size_t)m->b->n, sizeof *used);
    while (n < rule->per_question && (row = largest(m)) >= 0 && gap_at(m, row) > rule->gap) {
        struct pair p = { s->better[row], s->worse[m->next[row]++] };
        if (used[p.chosen] == rule->per_path) m->next[row] = s->nworse;        /* the rest of its row, too */
        else if (used[p.rejected] == rule->per_path) continue;
        else if (text[p.chosen] == text[p.rejected]) *same_text = true;
        else {
            used[p.chosen]++;
            used[p.rejected]++;
            out[n++] = p;
        }
    }
    free(used);
    return n;
}

int pairs_pick(const struct ballot *b, const uint64_t *text, const struct pair_rule *rule, struct pair *out, enum pair_why *why)
{
    *why = b->n < 2 ? PAIR_ONE_PATH : b->c[0].s.score == b->c[b->n - 1].s.score ? PAIR_EQUAL : PAIR_MADE;
    if (*why) return 0;
    size_t room = (size_t)b->n;
    struct sides s = { mem_array(room, sizeof(int)), mem_array(room, sizeof(int)), 0, 0 };
    struct merge m = { b, &s, mem_array(room, sizeof(int)), 0 };
    bool same_text = false;
    int n = 0;
    if (!split(&s, b, rule)) *why = PAIR_NO_WHOLE;
    else if (!s.nbetter) *why = PAIR_NO_RIGHT;
    else if (!s.nworse) *why = PAIR_NO_WRONG;
    else if (!(n = pick(&m, text, rule, out, &same_text))) *why = same_text ? PAIR_SAME_TEXT : PAIR_GAP;
    free(s.better);
    free(s.worse);
    free(m.next);
    return n;
}

/* ---- records ---- */

int pair_text_hash(const struct record *r, uint64_t *hash)
{
    const val *path = val_get(&r->root, "path");
    struct buf b = { 0 };
    const char *s;
    size_t n;
    int bad = 0;
    if (val_str(val_get(path, "text"), &s, &n)) buf_add(&b, s, n);
    else bad = path_text(path, 0, &b);
    if (!bad) *hash = hash64(b.p, b.len, 0);
    buf_free(&b);
    return bad;
}

static val side(msgpack_zone *z, const struct candidate *c)
{
    val path = val_copy(z, val_get(&c->r->root, "path"));
    const val *scores = val_get(&c->r->root, "scores");
    if (scores) val_set(z, &path, "scores", val_copy(z, scores));
    return path;
}

void pair_record(struct record *out, const struct candidate *chosen, const struct candidate *rejected)
{
    static const char *const of_path[] = { "path", "scores", "chosen", "rejected" };
    const struct path_score *c = &chosen->s, *r = &rejected->s;
    msgpack_zone *z = &out->zone;
    rec_clear(out);
    out->root = val_copy(z, &chosen->r->root);
    out->stream = chosen->r->stream;
    for (int i = 0; i < countof(of_path); i++) val_remove(&out->root, of_path[i]);
    val_set(z, &out->root, "chosen", side(z, chosen));
    val_set(z, &out->root, "rejected", side(z, rejected));
    val *meta = val_set(z, val_set_map(z, &out->root, "meta"), "pair", val_map());
    val_set(z, meta, "gap", val_of_f64(c->score - r->score));
    val_set(z, meta, "chosen_score", val_of_f64(c->score));
    val_set(z, meta, "rejected_score", val_of_f64(r->score));
    if (!c->terms) return;
    double step = c->step - r->step, answer = c->answer - r->answer;
    val_set(z, meta, "step_gap", val_of_f64(step));
    val_set(z, meta, "answer_gap", val_of_f64(answer));
    val_set(z, meta, "decided_by", val_of_cstr(z, step > answer ? "step" : step < answer ? "answer" : "both"));
}
