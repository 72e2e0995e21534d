/* SPDX-License-Identifier: Apache-2.0
 * Step judgements of other reward models: TRL, MM-PRM, VisualPRM. Their steps are plain texts, each with a label. A last step
 * that reads "The answer is: 42" and no more is the answer; else the answer is looked for in the last step. */
#include <string.h>
#include "record/import_priv.h"
#include "record/judged.h"
#include "record/path.h"
#include "text/freeform.h"
#include "text/prm_form.h"

struct judged { struct slice text; struct import_label label; };

/* ---- judged steps to a path ---- */

bool judged_answer(struct slice text, struct slice *answer)
{
    size_t n = strlen(JUDGED_ANSWER);
    if (text.n <= n || memcmp(text.p, JUDGED_ANSWER, n) || memchr(text.p, '\n', text.n)) return false;
    *answer = (struct slice){ text.p + n, text.n - n };
    return slice_trim(*answer).n > 0;
}

static int put_judged(struct import_job *j, const struct judged *s, int n)
{
    struct chain c = { .nstep = n };
    val path;
    if (!n) return import_reject(j, "no step");
    bool own = judged_answer(s[n - 1].text, &c.answer);
    c.has_answer = own || freeform_answer(s[n - 1].text, &c.answer);
    c.nstep -= own;
    c.step = arena_alloc(&j->a, (size_t)n * sizeof *c.step);
    for (int i = 0; i < c.nstep; i++) {
        c.step[i].thought = s[i].text;
        c.step[i].name = c.step[i].reflection = (struct slice){ "", 0 };
    }
    const char *why = path_unwritable(&c);
    if (why && strcmp(why, "no answer") && strcmp(why, "no step")) return import_reject(j, why);
    if (import_make_path(j, &c, &path)) return -1;
    for (int i = 0; i < c.nstep; i++) import_add_label(j, val_at(val_get(&path, "steps"), i), "labels", &s[i].label);
    if (own) import_add_label(j, &path, "answer_labels", &s[n - 1].label);
    import_put(j, "path", path);
    return 0;
}

/* ---- TRL: {"prompt", "completions": [..], "labels": [true, false]} ---- */

int import_trl(struct import_job *j)
{
    struct slice q;
    const val *steps = import_use(j, "completions"), *labels = import_use(j, "labels");
    int n = val_len(steps);
    if (!import_text(import_use(j, "prompt"), &q)) return import_reject(j, "no question");
    if (import_question(j, q)) return -1;
    if (labels && val_len(labels) != n) return import_reject(j, "label count differs");
    struct judged *s = arena_alloc(&j->a, (size_t)n * sizeof *s);
    for (int i = 0; i < n; i++) {
        if (!import_text(val_at(steps, i), &s[i].text)) return import_reject(j, "malformed step");
        if (labels && !import_read_label(val_at(labels, i), &s[i].label)) return import_reject(j, "malformed label");
    }
    return labels ? put_judged(j, s, n) : import_reject(j, "no labels");
}

/* ---- MM-PRM: "Question: ..\nProcess: STEP<prm>\n\nSTEP<prm>", and the labels for a reply ---- */

/* What stands between two marks; `at` moves behind the second. false: one is missing. */
static bool between(struct slice *at, const char *open, const char *close, struct slice *out)
{
    const char *b = memmem(at->p, at->n, open, strlen(open));
    if (!b) return false;
    b += strlen(open);
    const char *e = memmem(b, (size_t)(at->p + at->n - b), close, strlen(close));
    if (!e) return false;
    *out = (struct slice){ b, (size_t)(e - b) };
    const char *rest = e + strlen(close);
    *at = (struct slice){ rest, (size_t)(at->p + at->n - rest) };
    return true;
}

/* A question behind a heading. Image marks that stand before the heading belong to it. */
static int judged_question(struct import_job *j, struct slice head, struct slice q)
{
    struct buf b = {0};
    buf_add(&b, head.p, head.n);
    buf_add(&b, q.p, q.n);
    int status = import_question(j, (struct slice){ b.p ? b.p : "", b.len });
    buf_free(&b);
    return status;
}

static struct slice turn_value(const val *turn)
{
    struct slice s = { "", 0 };
    import_text(val_get(turn, "value"), &s);
    return s;
}

int import_mm_prm(struct import_job *j)
{
    const val *turns = import_use(j, "conversations");
    struct slice at = turn_value(val_at(turns, 0)), all = at, q, step;
    const val *labels = val_get(val_at(turns, 1), "value");
    int n = 0, room = val_len(labels);
    if (val_len(turns) != 2 || !between(&at, "Question: ", "\nProcess: ", &q)) return import_reject(j, "malformed conversation");
    if (judged_question(j, (struct slice){ all.p, (size_t)(q.p - all.p) - strlen("Question: ") }, q)) return -1;
    struct judged *s = arena_alloc(&j->a, (size_t)room * sizeof *s);
    while (between(&at, "", "<prm>", &step)) {
        if (n == room) return import_reject(j, "label count differs");
        s[n].text = slice_trim(step);
        if (!import_read_label(val_at(labels, n), &s[n].label)) return import_reject(j, "malformed label");
        n++;
    }
    if (slice_trim(at).n) return import_reject(j, "text behind the last step");
    return n == room ? put_judged(j, s, n) : import_reject(j, "label count differs");
}

/* ---- VisualPRM: a turn for each step, the question before the first; the replies are + and - ---- */

static bool visualprm_system(struct slice s)
{
    struct prm_style style;
    if (prm_style_load("visualprm", &style)) return false;
    bool same = s.n == strlen(style.system) && !memcmp(s.p, style.system, s.n);
    prm_style_free(&style);
    return same;
}

int import_visualprm(struct import_job *j)
{
    const val *turns = import_use(j, "conversations");
    int first = val_len(turns) && val_is_str(val_get(val_at(turns, 0), "from"), "system"), n = (val_len(turns) - first) / 2;
    if (n < 1 || (val_len(turns) - first) % 2) return import_reject(j, "malformed conversation");
    struct slice sys = turn_value(val_at(turns, 0)), at = turn_value(val_at(turns, first)), all = at, q;
    if (first && !visualprm_system(sys)) import_put_meta(j, "system", import_text_val(j, sys));
    if (!between(&at, JUDGED_QUESTION, JUDGED_PROCESS, &q)) return import_reject(j, "malformed conversation");
    if (judged_question(j, (struct slice){ all.p, (size_t)(q.p - all.p) - strlen(JUDGED_QUESTION) }, q)) return -1;
    struct judged *s = arena_alloc(&j->a, (size_t)n * sizeof *s);
    for (int i = 0; i < n; i++) {
        const val *human = val_at(turns, first + 2 * i), *gpt = val_at(turns, first + 2 * i + 1);
        if (!val_is_str(val_get(human, "from"), "human") || !val_is_str(val_get(gpt, "from"), "gpt"))
            return import_reject(j, "malformed conversation");
        s[i].text = i ? turn_value(human) : at;
        if (!import_read_label(val_get(gpt, "value"), &s[i].label)) return import_reject(j, "malformed label");
    }
    return put_judged(j, s, n);
}

/* ---- VisualPRM400K before that: "steps_with_score": [{"step", "score", "num_mc_correct", "num_mc_total"}] ---- */

/* No tries at all (behind a step that none of them came right from): not known. A score alone is a value. */
static bool raw_label(const val *v, struct import_label *l)
{
    const val *total = val_get(v, "num_mc_total"), *score = val_get(v, "score");
    *l = (struct import_label){ .there = true };
    if (total) {
        if (!val_i64(total, &l->n) || !val_i64(val_get(v, "num_mc_correct"), &l->k) || l->k < 0 || l->k > l->n) return false;
        l->there = l->n > 0;
        return true;
    }
    if (!score || score->type == MSGPACK_OBJECT_NIL) return l->there = false, true;
    return import_read_label(score, l);
}

/* "response" is the steps joined by blank lines: where it is not, it is kept. */
static void keep_response(struct import_job *j, const struct judged *s, int n)
{
    struct buf b = {0};
    struct slice response;
    for (int i = 0; i < n; i++) {
        if (i) buf_str(&b, "\n\n");
        buf_add(&b, s[i].text.p, s[i].text.n);
    }
    if (import_text(import_use(j, "response"), &response) && (response.n != b.len || memcmp(response.p, b.p ? b.p : "", b.len)))
        import_put_meta(j, "response", import_text_val(j, response));
    buf_free(&b);
}

int import_visualprm_raw(struct import_job *j)
{
    struct slice q;
    const val *steps = import_use(j, "steps_with_score");
    int n = val_len(steps);
    if (!import_text(import_use(j, "question"), &q)) return import_reject(j, "no question");
    if (import_question(j, q)) return -1;
    struct judged *s = arena_alloc(&j->a, (size_t)n * sizeof *s);
    for (int i = 0; i < n; i++) {
        if (!import_text(val_get(val_at(steps, i), "step"), &s[i].text)) return import_reject(j, "malformed step");
        if (!raw_label(val_at(steps, i), &s[i].label)) return import_reject(j, "malformed label");
    }
    keep_response(j, s, n);
    return put_judged(j, s, n);
}
