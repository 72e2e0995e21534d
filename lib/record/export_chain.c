/* SPDX-License-Identifier: Apache-2.0
 * Writers of the forms that hold the step format: conversations, raw steps, pairs. */
#include <string.h>
#include "record/export_priv.h"
#include "record/path.h"

static int whole_chain(struct export_job *j, const char *key, struct chain *c)
{
    if (export_chain_of(j, key, c)) return -1;
    const char *why = path_unwritable(c);
    return why ? export_reject(j, why) : 0;
}

/* The text of a chain; of one that is not whole, where the form can have it (raw), what was kept of the reply. */
static int chain_text(struct export_job *j, const char *key, bool raw, val *out)
{
    const val *text = val_get(val_get(j->rec, key), "text");
    struct chain c;
    struct buf b = {0};
    bool kept = text && text->type == MSGPACK_OBJECT_STR;
    if (raw && kept) {
        if (export_chain_of(j, key, &c)) return -1;
        if (path_unwritable(&c)) return *out = *text, 0;
    }
    if (whole_chain(j, key, &c)) return -1;
    j->account.lost[FACT_TEXT] += kept && j->cfg->form->holds >> FACT_TEXT & 1;
    chain_write(&c, 0, &b);
    *out = export_text(j, (struct slice){ b.p, b.len });
    buf_free(&b);
    return 0;
}

static struct slice system_text(struct export_job *j)
{
    struct slice s = { "", 0 };
    const val *v = val_get(val_get(j->rec, "meta"), "system");
    if (val_str(v, &s.p, &s.n) && s.n) export_meta(j, "system");
    return s;
}

static int talk(struct export_job *j, val reply)
{
    struct slice q;
    if (export_sample(j, "id", "image", false) || export_question(j, true, &q)) return -1;
    export_talk(j, system_text(j), q, reply);
    export_rest(j);
    return 0;
}

int export_cos(struct export_job *j)
{
    val text;
    return chain_text(j, "path", false, &text) ? -1 : talk(j, text);
}

/* A sample's reply is what was kept of it, or its right answer. */
static int sample_reply(struct export_job *j, val *reply)
{
    const val *kept = val_get(val_get(j->rec, "meta"), "reply"), *answer = val_get(j->rec, "answer");
    struct slice s;
    double x;
    if (val_str(kept, &s.p, &s.n)) {
        *reply = *export_meta(j, "reply");
        return 0;
    }
    j->answered = true;
    if (val_str(answer, &s.p, &s.n)) return *reply = *answer, 0;
    if (!val_f64(answer, &x)) return export_reject(j, "no reply");
    char number[40];
    snprintf(number, sizeof number, "%.17g", x);
    *reply = val_of_cstr(&j->row->zone, number);
    return 0;
}

int export_llava(struct export_job *j)
{
    val reply;
    return (val_get(j->rec, "path") ? chain_text(j, "path", false, &reply) : sample_reply(j, &reply)) ? -1 : talk(j, reply);
}

static int asked(struct export_job *j, const char *id)         /* id, images, "question" */
{
    struct slice q;
    if (export_sample(j, id, "image", false) || export_question(j, false, &q)) return -1;
    export_put_text(j, "question", q);
    return 0;
}

int export_rollouts(struct export_job *j)
{
    val text;
    if (chain_text(j, "path", true, &text) || asked(j, "question_id")) return -1;
    export_put(j, "text", text);
    export_rest(j);
    return 0;
}

int export_dpo(struct export_job *j)
{
    val chosen, rejected;
    if (!val_get(j->rec, "chosen") || !val_get(j->rec, "rejected")) return export_reject(j, "no pair");
    if (chain_text(j, "chosen", false, &chosen) || chain_text(j, "rejected", true, &rejected) || asked(j, "id")) return -1;
    export_put(j, "chosen", chosen);
    export_put(j, "rejected", rejected);
    export_rest(j);
    return 0;
}

/* ---- raw steps ---- */

static void put_reasoning(struct export_job *j, const struct chain *c)
{
    msgpack_zone *z = &j->row->zone;
    val list = val_array(z, c->nstep);
    for (int i = 0; i < c->nstep; i++) {
        val *s = val_at(&list, i);
        *s = val_map();
        val_set(z, s, "step_name", export_text(j, c->step[i].name));
        val_set(z, s, "step_thought", export_text(j, c->step[i].thought));
        val_set(z, s, "step_reflection", export_text(j, c->step[i].reflection));
    }
    export_put(j, "reasoning", list);
    export_put(j, "reason_step_num", val_of_i64(c->nstep));
    export_put_text(j, "extract_answer", c->answer);
}

int export_raw(struct export_job *j)
{
    struct chain c;
    if (whole_chain(j, "path", &c) || asked(j, "question_id")) return -1;
    put_reasoning(j, &c);
    export_rest(j);
    return 0;
}

static int put_scores(struct export_job *j)
{
    const val *path = val_get(j->rec, "path"), *steps = val_get(path, "steps"), *answer = val_get(path, "answer_score");
    val scores = val_array(&j->row->zone, val_len(steps));
    double x;
    for (int i = 0; i < val_len(steps); i++) {
        const val *s = val_get(val_at(steps, i), "score");
        if (!val_f64(s, &x) || x - x != 0) return export_reject(j, "a step without a score");
        *val_at(&scores, i) = *s;
    }
    if (!val_f64(answer, &x) || x - x != 0) return export_reject(j, "no answer score");
    export_put(j, "step_scores", scores);
    export_put(j, "answer_score", *answer);
    return 0;
}

int export_scored(struct export_job *j)
{
    struct chain c;
    if (whole_chain(j, "path", &c) || asked(j, "question_id")) return -1;
    put_reasoning(j, &c);
    if (put_scores(j)) return -1;
    export_rest(j);
    return 0;
}
