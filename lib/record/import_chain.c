/* SPDX-License-Identifier: Apache-2.0
 * The forms: where question, reply, steps, labels and scores stand in a row, and how they become paths. */
#include <stdlib.h>
#include <string.h>
#include "record/import_priv.h"
#include "record/path.h"
#include "text/response.h"

/* ---- conversations ---- */

static bool turn_text(const val *turn, struct slice *s)
{
    return import_text(turn, s) || import_text(val_get(turn, "value"), s) || import_text(val_get(turn, "content"), s);
}

static bool turn_is(const val *turn, const char *a, const char *b)
{
    const val *who = val_get(turn, "from") ? val_get(turn, "from") : val_get(turn, "role");
    return val_is_str(who, a) || val_is_str(who, b);
}

/* The first question and its reply; turns behind them and the system text go into meta. A list of plain strings is
 * question, reply, question, reply, ...; its last reply may state the answer. */
static int read_turns(struct import_job *j, const val *turns, struct import_talk *k)
{
    msgpack_zone *z = &j->out->zone;
    struct val_list rest = { 0 };
    for (int i = 0; i < val_len(turns); i++) {
        const val *t = val_at(turns, i);
        struct slice s;
        bool plain = import_text(t, &s);
        if (!turn_text(t, &s)) return import_reject(j, "malformed conversation");
        bool human = plain ? i % 2 == 0 : turn_is(t, "human", "user");
        bool machine = plain ? i % 2 : turn_is(t, "gpt", "assistant");
        if (!plain && turn_is(t, "system", "system")) import_put_meta(j, "system", import_text_val(j, s));
        else if (human && !k->has_question) k->question = s, k->has_question = true;
        else if (machine && k->has_question && !k->has_reply) k->reply = s, k->has_reply = true;
        else if (human || machine) {
            val turn = val_map();
            val_set(z, &turn, "from", val_of_cstr(z, human ? "human" : "gpt"));
            val_set(z, &turn, "value", import_text_val(j, s));
            val_push(z, &rest, turn);
            if (machine) k->last = s;
        } else return import_reject(j, "malformed conversation");
    }
    if ((k->later = (int)rest.n)) import_put_meta(j, "turns", val_of_list(&rest));
    return 0;
}

int import_read_talk(struct import_job *j, struct import_talk *k)
{
    static const char *const talks[] = { "conversations", "messages", NULL };
    static const char *const replies[] = { "text", "response", "output", "prediction", "solution", NULL };
    const val *turns = import_use_first(j, talks);
    *k = (struct import_talk){0};
    if (turns && (turns->type != MSGPACK_OBJECT_ARRAY || read_turns(j, turns, k))) return import_reject(j, "malformed conversation");
    struct slice s;
    if (!k->has_question && import_text(import_use(j, "question"), &s)) k->question = s, k->has_question = true;
    if (!k->has_reply && import_text(import_use_first(j, replies), &s)) k->reply = s, k->has_reply = true;
    if (!k->has_question) return import_reject(j, "no question");
    if (import_question(j, k->question)) return -1;
    return k->has_reply ? 0 : import_reject(j, "no reply");
}

/* ---- chains ---- */

void import_keep_reply(struct import_job *j, struct slice s) { import_put_meta(j, "reply", import_text_val(j, s)); }

int import_parse_chain(struct import_job *j, struct slice s, struct chain *c)
{
    bool strict;
    const char *why;
    if (chain_parse(s.p, s.n, &j->a, c, &strict, &why)) return import_reject(j, why);
    return strict || j->cfg->lenient ? 0 : import_reject(j, "white space differs from the format");
}

/* A chain made of parts must be one that is read again as the same. */
static int check_chain(struct import_job *j, const struct chain *c)
{
    const char *why = path_unwritable(c);
    return why ? import_reject(j, why) : 0;
}

static int add_tokens(struct import_job *j, const struct chain *c, val *path)
{
    struct response r = {0};
    msgpack_zone *z = &j->out->zone;
    if (!j->cfg->tok) return 0;
    int bad = response_encode(j->cfg->tok, c, 0, &r);
    val *steps = val_get(path, "steps");
    for (int i = 0; !bad && i < r.nstep; i++) {
        val span = val_array(z, 2);
        *val_at(&span, 0) = val_of_i64(r.step[i].begin);
        *val_at(&span, 1) = val_of_i64(r.step[i].end);
        val_set(z, val_at(steps, i), "span", span);
    }
    if (!bad) {
        val_set(z, path, "tokens", val_of_u32s(z, r.ids.id, r.ids.n));
        val_set(z, path, "tokenizer", val_of_cstr(z, tok_digest(j->cfg->tok)));
    }
    response_free(&r);
    return bad ? import_reject(j, "the tokenizer cannot encode it") : 0;
}

int import_make_path(struct import_job *j, const struct chain *c, val *path)
{
    *path = path_from_chain(&j->out->zone, c);
    return add_tokens(j, c, path);
}

int import_put_path(struct import_job *j, const struct chain *c, val *path)
{
    if (import_make_path(j, c, path)) return -1;
    import_put(j, "path", *path);
    return 0;
}

/* ---- labels and scores ---- */

void import_add_label(struct import_job *j, val *where, const char *key, const struct import_label *l)
{
    msgpack_zone *z = &j->out->zone;
    if (!l->there) return;
    val one = val_map(), list = val_array(z, 1);
    val_set(z, &one, "by", val_of_cstr(z, l->n ? "mc" : "prm-json"));
    if (l->n) {
        val_set(z, &one, "k", val_of_i64(l->k));
        val_set(z, &one, "n", val_of_i64(l->n));
    } else val_set(z, &one, "value", l->value == 0 || l->value == 1 ? val_of_i64(l->value == 1) : val_of_f64(l->value));
    *val_at(&list, 0) = one;
    val_set(z, where, key, list);
}

static struct import_label label_of_tag(enum step_token t)
{
    return (struct import_label){ .there = true, .value = t == TOK_GOOD ? 1 : t == TOK_BAD ? 0 : 0.5 };
}

static bool has_labels(const struct chain *c)
{
    bool any = c->answer_tag == TOK_GOOD || c->answer_tag == TOK_BAD;
    for (int i = 0; i < c->nstep; i++) any |= c->step[i].tag == TOK_GOOD || c->step[i].tag == TOK_BAD;
    return any;
}

static void labels_from_tags(struct import_job *j, const struct chain *c, val *path)
{
    val *steps = val_get(path, "steps");
    struct import_label l;
    for (int i = 0; i < c->nstep; i++) l = label_of_tag(c->step[i].tag), import_add_label(j, val_at(steps, i), "labels", &l);
    l = label_of_tag(c->answer_tag);
    import_add_label(j, path, "answer_labels", &l);
}

bool import_read_label(const val *v, struct import_label *out)
{
    static const struct { const char *text; double value; } known[] = { { "+", 1 }, { "-", 0 }, { "к+и", 1 }, { "к-и", 0 }, { "ки", 0.5 },
        { "good", 1 }, { "bad", 0 }, { "neutral", 0.5 }, { "Good", 1 }, { "Bad", 0 }, { "Neutral", 0.5 } };
    bool b;
    double x;
    *out = (struct import_label){ .there = true };
    if (val_bool(v, &b)) return out->value = b, true;
    if (val_f64(v, &x)) return out->value = x, x >= 0 && x <= 1;
    for (int i = 0; i < countof(known); i++)
        if (val_is_str(v, known[i].text)) return out->value = known[i].value, true;
    return false;
}

/* "labels": one for each step, and one more for the answer or none. */
static int labels_from_list(struct import_job *j, const val *list, const struct chain *c, val *path)
{
    int n = val_len(list);
    val *steps = val_get(path, "steps");
    if (n != c->nstep && n != c->nstep + 1) return import_reject(j, "label count differs");
    for (int i = 0; i < n; i++) {
        struct import_label l;
        if (!import_read_label(val_at(list, i), &l)) return import_reject(j, "malformed label");
        if (i < c->nstep) import_add_label(j, val_at(steps, i), "labels", &l);
        else import_add_label(j, path, "answer_labels", &l);
    }
    return 0;
}

static int import_scores(struct import_job *j, const struct chain *c, val *path)
{
    const val *scores = import_use(j, "step_scores"), *answer = import_use(j, "answer_score");
    val *steps = val_get(path, "steps");
    double x;
    if (scores && val_len(scores) != c->nstep) return import_reject(j, "score count differs");
    for (int i = 0; scores && i < c->nstep; i++) {
        if (!val_f64(val_at(scores, i), &x)) return import_reject(j, "malformed score");
        val_set(&j->out->zone, val_at(steps, i), "score", val_of_f64(x));
    }
    if (!answer) return 0;
    if (!val_f64(answer, &x)) return import_reject(j, "malformed score");
    val_set(&j->out->zone, path, "answer_score", val_of_f64(x));
    return 0;
}

/* ---- the forms ---- */

int import_cos(struct import_job *j)
{
    struct import_talk k;
    struct chain c;
    val path;
    if (import_read_talk(j, &k)) return -1;
    if (!import_parse_chain(j, k.reply, &c)) return import_put_path(j, &c, &path);
    import_keep_reply(j, k.reply);
    return -1;
}

int import_llava(struct import_job *j)
{
    struct import_talk k;
    struct chain c;
    val path;
    enum step_token marker;
    if (import_read_talk(j, &k)) return -1;
    marker_find(k.reply.p, k.reply.n, &marker);
    if (marker == STEP_TOKENS) {
        if (import_blank(k.reply)) return import_reject(j, "no reply");
        if (!val_get(&j->out->root, "answer")) import_put(j, "answer", import_text_val(j, slice_trim(k.reply)));
        else import_keep_reply(j, k.reply);
        return 0;
    }
    if (!import_parse_chain(j, k.reply, &c)) return import_put_path(j, &c, &path);
    import_keep_reply(j, k.reply);
    return -1;
}

static int raw_field(struct import_job *j, const val *step, const char *key, const char *missing, struct slice *s)
{
    *s = (struct slice){ "", 0 };
    const val *v = val_get(step, key);
    if (import_text(v, s)) return 0;
    if (v && v->type != MSGPACK_OBJECT_NIL) return import_reject(j, "malformed step");
    return j->cfg->lenient ? 0 : import_reject(j, missing);
}

int import_raw(struct import_job *j)
{
    static const char *const answers[] = { "extract_answer", "predicted_answer", NULL };
    struct slice q;
    struct chain c = {0};
    val path;
    int64_t n;
    if (!import_text(import_use(j, "question"), &q)) return import_reject(j, "no question");
    if (import_question(j, q)) return -1;
    const val *steps = import_use(j, "reasoning"), *count = import_use(j, "reason_step_num");
    if (!steps || steps->type != MSGPACK_OBJECT_ARRAY || !val_len(steps)) return import_reject(j, "no step");
    c.nstep = val_len(steps);
    if (count && (!val_i64(count, &n) || n != c.nstep)) return import_reject(j, "step count differs");
    c.step = arena_alloc(&j->a, (size_t)c.nstep * sizeof *c.step);
    for (int i = 0; i < c.nstep; i++)
        if (raw_field(j, val_at(steps, i), "step_name", "no step name", &c.step[i].name)
            || raw_field(j, val_at(steps, i), "step_thought", "no thought", &c.step[i].thought)
            || raw_field(j, val_at(steps, i), "step_reflection", "no reflection", &c.step[i].reflection))
            return -1;
    val answer = import_scalar(j, import_use_first(j, answers));
    if (!import_text(&answer, &c.answer)) return import_reject(j, "no answer");
    c.has_answer = true;
    return check_chain(j, &c) || import_put_path(j, &c, &path) || import_scores(j, &c, val_get(&j->out->root, "path")) ? -1 : 0;
}

int import_prm(struct import_job *j)
{
    static const char split[] = "<|split_token|>";
    struct import_talk k;
    struct chain c, labelled;
    val path;
    if (val_get(j->row.map, "reasoning")) return import_raw(j);
    if (import_read_talk(j, &k)) return -1;
    const char *copy = memmem(k.reply.p, k.reply.n, split, strlen(split));
    struct slice first = { k.reply.p, copy ? (size_t)(copy - k.reply.p) : k.reply.n };
    import_keep_reply(j, k.reply);
    if (import_parse_chain(j, first, &c)) return -1;
    labelled = c;
    if (copy) {
        copy += strlen(split);
        if (import_parse_chain(j, (struct slice){ copy, k.reply.n - (size_t)(copy - k.reply.p) }, &labelled)) return -1;
        if (labelled.nstep != c.nstep) return import_reject(j, "label count differs");
    }
    static const char *const lists[] = { "labels", "step_labels", NULL };
    const val *list = import_use_first(j, lists);
    if (import_make_path(j, &c, &path)) return -1;
    if (list) {
        if (labels_from_list(j, list, &c, &path)) return -1;
    } else if (copy || has_labels(&labelled)) labels_from_tags(j, &labelled, &path);
    else return import_reject(j, "no labels");
    import_put(j, "path", path);
    val_remove(val_get(&j->out->root, "meta"), "reply");
    return 0;
}

int import_dpo(struct import_job *j)
{
    static const char *const side[] = { "chosen", "rejected" };
    struct slice s;
    if (!import_text(import_use(j, "question"), &s)) return import_reject(j, "no question");
    if (import_question(j, s)) return -1;
    val path[2];
    for (int i = 0; i < 2; i++) {
        struct chain c;
        if (!import_text(import_use(j, side[i]), &s)) return import_reject(j, i ? "no rejected reply" : "no chosen reply");
        import_put_meta(j, side[i], import_text_val(j, s));
        if (import_parse_chain(j, s, &c) || import_make_path(j, &c, &path[i])) return -1;
    }
    for (int i = 0; i < 2; i++) {
        val_remove(val_get(&j->out->root, "meta"), side[i]);
        import_put(j, side[i], path[i]);
    }
    return 0;
}
