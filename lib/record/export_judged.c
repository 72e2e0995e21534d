/* SPDX-License-Identifier: Apache-2.0
 * Writers of the forms that hold labels: the reference's PRM training rows, TRL, MM-PRM, VisualPRM. In all but the first a
 * step is a text: its name, thought and reflection, those that are not blank, a line each. */
#include <string.h>
#include "record/export_priv.h"
#include "record/judged.h"
#include "record/label.h"
#include "record/path.h"
#include "text/freeform.h"
#include "text/prm_form.h"

/* A step, or the answer behind them. */
struct judged { struct slice text; struct label label; bool known; };

/* ---- labels ---- */

static bool soft(const struct export_job *j)
{
    if (j->cfg->target != EXPORT_AS_FORM) return j->cfg->target == EXPORT_SOFT;
    return j->cfg->form->holds >> FACT_SHARES & 1;
}

static bool good(const struct export_job *j, const struct label *l) { return l->value >= j->cfg->threshold; }

static int pick(struct export_job *j, const val *labels, struct judged *s)
{
    int got = label_pick(labels, j->cfg->labels, &s->label);
    if (got < 0) return export_reject(j, "malformed label");
    s->known = got > 0;
    return 0;
}

/* Of the steps, and of the answer (then *answer is known): by its labels, else by path.correct. */
static int pick_labels(struct export_job *j, struct judged *step, int n, struct judged *answer)
{
    const val *path = val_get(j->rec, "path"), *steps = val_get(path, "steps");
    bool right;
    for (int i = 0; i < n; i++)
        if (pick(j, val_get(val_at(steps, i), "labels"), &step[i])) return -1;
    if (pick(j, val_get(path, "answer_labels"), answer)) return -1;
    if (!answer->known && val_bool(val_get(path, "correct"), &right)) {
        answer->label = (struct label){ .value = right };
        answer->known = true;
    }
    return 0;
}

/* What is lost of the labels when those of s are written: all beside them, and their shares and tries. */
static void account_labels(struct export_job *j, const struct judged *s, int n, bool neutral)
{
    const val *path = val_get(j->rec, "path"), *steps = val_get(path, "steps");
    uint64_t all = (uint64_t)val_len(val_get(path, "answer_labels")), wrote = 0;
    for (int i = 0; i < val_len(steps); i++) all += (uint64_t)val_len(val_get(val_at(steps, i), "labels"));
    for (int i = 0; i < n; i++) {
        const struct label *l = &s[i].label;
        if (!s[i].known) continue;
        wrote++;
        j->account.lost[FACT_SHARES] += !soft(j) && l->value != 0 && l->value != 1 && !(neutral && l->neutral);
        j->account.lost[FACT_TRIES] += l->n && !(j->cfg->form->holds >> FACT_TRIES & 1);
    }
    if (all > wrote) j->account.lost[FACT_LABELS] += all - wrote;
}

/* ---- the reference's PRM training rows ---- */

static enum step_token tag_of(const struct export_job *j, const struct label *l)
{
    return l->neutral ? TOK_TAG : good(j, l) ? TOK_GOOD : TOK_BAD;
}

static int tag_chain(struct export_job *j, struct chain *c)
{
    struct judged *s = arena_alloc(&j->a, (size_t)(c->nstep + 1) * sizeof *s);
    if (pick_labels(j, s, c->nstep, &s[c->nstep])) return -1;
    for (int i = 0; i < c->nstep; i++) {
        if (!s[i].known) return export_reject(j, "a step without a label");
        c->step[i].tag = tag_of(j, &s[i].label);
    }
    if (!s[c->nstep].known) return export_reject(j, "the answer without a label");
    c->answer_tag = tag_of(j, &s[c->nstep].label);
    account_labels(j, s, c->nstep + 1, true);
    return 0;
}

int export_prm(struct export_job *j)
{
    struct chain c;
    struct slice q;
    struct buf b = {0};
    if (export_chain_of(j, "path", &c)) return -1;
    const char *why = path_unwritable(&c);
    if (why) return export_reject(j, why);
    if (tag_chain(j, &c) || export_sample(j, "id", "image", false) || export_question(j, true, &q)) return -1;
    chain_write(&c, STEPS_TAGS, &b);
    buf_str(&b, "<|split_token|>");
    chain_write(&c, STEPS_LABELS, &b);
    export_talk(j, (struct slice){ "", 0 }, q, export_text(j, (struct slice){ b.p, b.len }));
    buf_free(&b);
    export_rest(j);
    return 0;
}

/* ---- steps as texts ---- */

static struct slice step_text(struct export_job *j, const struct step *s)
{
    const struct slice part[] = { s->name, s->thought, s->reflection };
    struct buf b = {0};
    for (int i = 0; i < countof(part); i++) {
        if (!slice_trim(part[i]).n) continue;
        if (b.len) buf_byte(&b, '\n');
        buf_add(&b, part[i].p, part[i].n);
    }
    struct slice out = { arena_dup(&j->a, b.p ? b.p : "", b.len), b.len };
    buf_free(&b);
    return out;
}

static struct slice answer_step(struct export_job *j, struct slice answer)
{
    struct buf b = {0};
    buf_str(&b, JUDGED_ANSWER);
    buf_add(&b, answer.p, answer.n);
    struct slice out = { arena_dup(&j->a, b.p, b.len), b.len };
    buf_free(&b);
    return out;
}

/* Does a last step say the answer? Not one that is nothing else: it would be read as the answer, not as a step. */
static bool states(struct slice text, struct slice answer)
{
    struct slice found;
    return !judged_answer(text, &found) && freeform_answer(text, &found) && found.n == answer.n && !memcmp(found.p, answer.p, answer.n);
}

/* The steps, and the answer as one more where it has a label, or may do without (unlabelled) and the last step does not say it. */
static int judge(struct export_job *j, bool unlabelled, struct judged **out, int *n)
{
    struct chain c;
    if (export_chain_of(j, "path", &c)) return -1;
    struct judged *s = arena_alloc(&j->a, (size_t)(c.nstep + 1) * sizeof *s);
    if (pick_labels(j, s, c.nstep, &s[c.nstep])) return -1;
    for (int i = 0; i < c.nstep; i++) {
        s[i].text = step_text(j, &c.step[i]);
        if (!slice_trim(s[i].text).n) return export_reject(j, "no thought");
        if (!s[i].known && !unlabelled) return export_reject(j, "a step without a label");
    }
    *n = c.nstep;
    bool answer = c.has_answer && slice_trim(c.answer).n, said = answer && c.nstep && states(s[c.nstep - 1].text, c.answer);
    if (answer && (s[c.nstep].known || (unlabelled && !said))) s[(*n)++].text = answer_step(j, c.answer);
    else j->account.lost[FACT_ANSWER] += answer && !said;
    if (!*n) return export_reject(j, "no step");
    account_labels(j, s, *n, false);
    *out = s;
    return 0;
}

static val label_val(const struct export_job *j, const struct label *l)
{
    double x = soft(j) ? l->value : l->neutral ? 0.5 : good(j, l);
    return x == 0 || x == 1 ? val_of_i64(x == 1) : val_of_f64(x);
}

int export_trl(struct export_job *j)
{
    struct judged *s;
    struct slice q;
    int n;
    if (judge(j, false, &s, &n) || export_sample(j, "id", "images", true) || export_question(j, false, &q)) return -1;
    val texts = val_array(&j->row->zone, n), labels = val_array(&j->row->zone, n);
    for (int i = 0; i < n; i++) {
        *val_at(&texts, i) = export_text(j, s[i].text);
        *val_at(&labels, i) = soft(j) ? label_val(j, &s[i].label) : val_of_bool(good(j, &s[i].label));
    }
    export_put_text(j, "prompt", q);
    export_put(j, "completions", texts);
    export_put(j, "labels", labels);
    return 0;
}

/* ---- MM-PRM ---- */

static bool holds(struct slice s, const char *what) { return memmem(s.p, s.n, what, strlen(what)) != NULL; }

int export_mm_prm(struct export_job *j)
{
    struct judged *s;
    struct slice q;
    struct buf b = {0};
    int n;
    if (judge(j, false, &s, &n) || export_sample(j, "id", "image", false) || export_question(j, true, &q)) return -1;
    if (holds(q, "\nProcess: ")) return export_reject(j, "a mark within the question");
    val labels = val_array(&j->row->zone, n);
    for (int i = 0; i < n; i++)
        if (holds(s[i].text, "<prm>")) return export_reject(j, "a mark within a step");
    buf_str(&b, "Question: ");
    buf_add(&b, q.p, q.n);
    buf_str(&b, "\nProcess: ");
    for (int i = 0; i < n; i++) {
        if (i) buf_str(&b, "\n\n");
        buf_add(&b, s[i].text.p, s[i].text.n);
        buf_str(&b, "<prm>");
        *val_at(&labels, i) = label_val(j, &s[i].label);
    }
    struct val_list turns = { 0 };
    export_turn(j, &turns, "human", export_text(j, (struct slice){ b.p, b.len }));
    export_turn(j, &turns, "gpt", labels);
    export_put(j, "conversations", val_of_list(&turns));
    buf_free(&b);
    export_rest(j);
    return 0;
}

/* ---- VisualPRM ---- */

static void add_system(struct export_job *j, struct val_list *turns)
{
    struct prm_style style;
    struct slice own;
    if (val_str(val_get(val_get(j->rec, "meta"), "system"), &own.p, &own.n)) {
        export_meta(j, "system");
        export_turn(j, turns, "system", export_text(j, own));
    } else if (!prm_style_load("visualprm", &style)) {
        export_turn(j, turns, "system", val_of_cstr(&j->row->zone, style.system));
        prm_style_free(&style);
    }
}

int export_visualprm(struct export_job *j)
{
    struct judged *s;
    struct slice q;
    struct buf b = {0};
    int n;
    if (judge(j, false, &s, &n) || export_sample(j, "id", "image", false) || export_question(j, true, &q)) return -1;
    if (holds(q, JUDGED_PROCESS)) return export_reject(j, "a mark within the question");
    struct val_list turns = { 0 };
    add_system(j, &turns);
    buf_str(&b, JUDGED_QUESTION);
    buf_add(&b, q.p, q.n);
    buf_str(&b, JUDGED_PROCESS);
    buf_add(&b, s[0].text.p, s[0].text.n);
    for (int i = 0; i < n; i++) {
        export_turn(j, &turns, "human", export_text(j, i ? s[i].text : (struct slice){ b.p, b.len }));
        export_turn(j, &turns, "gpt", val_of_cstr(&j->row->zone, good(j, &s[i].label) ? "+" : "-"));
    }
    buf_free(&b);
    export_put(j, "conversations", val_of_list(&turns));
    export_rest(j);
    return 0;
}

/* ---- VisualPRM400K with its scores: a step of unknown worth has no tries ---- */

static val scored_step(struct export_job *j, const struct judged *s)
{
    msgpack_zone *z = &j->row->zone;
    val out = val_map();
    bool tries = s->label.n > 0 || !s->known;
    val_set(z, &out, "step", export_text(j, s->text));
    val_set(z, &out, "score", val_of_f64(s->known ? s->label.value : 0));
    if (!tries) return out;
    val_set(z, &out, "num_mc_correct", val_of_i64(s->known ? s->label.k : 0));
    val_set(z, &out, "num_mc_total", val_of_i64(s->known ? s->label.n : 0));
    return out;
}

int export_visualprm_raw(struct export_job *j)
{
    struct judged *s;
    struct slice q;
    struct buf b = {0};
    int n;
    if (judge(j, true, &s, &n) || export_sample(j, "id", "image", false) || export_question(j, false, &q)) return -1;
    val steps = val_array(&j->row->zone, n);
    for (int i = 0; i < n; i++) {
        *val_at(&steps, i) = scored_step(j, &s[i]);
        if (i) buf_str(&b, "\n\n");
        buf_add(&b, s[i].text.p, s[i].text.n);
    }
    const val *response = export_meta(j, "response");
    export_put_text(j, "question", q);
    export_put(j, "response", response ? *response : export_text(j, (struct slice){ b.p, b.len }));
    export_put(j, "steps_with_score", steps);
    buf_free(&b);
    export_rest(j);
    return 0;
}
