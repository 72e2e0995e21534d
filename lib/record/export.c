/* SPDX-License-Identifier: Apache-2.0 */
#include "record/export_priv.h"

#include <string.h>
#include "record/path.h"
#include "text/prompt.h"

int export_reject(struct export_job *j, const char *why)
{
    if (!j->why) j->why = why;
    return -1;
}

void export_put(struct export_job *j, const char *key, val v) { val_set(&j->row->zone, &j->row->root, key, v); }
val export_text(struct export_job *j, struct slice s) { return val_of_str(&j->row->zone, s.p, s.n); }
void export_put_text(struct export_job *j, const char *key, struct slice s) { export_put(j, key, export_text(j, s)); }

static bool text_of(const val *v, struct slice *s) { return val_str(v, &s->p, &s->n); }

/* ---- id and images ---- */

static int image_name(struct export_job *j, const val *image, val *name)
{
    const char *prefix = j->cfg->prefix;
    struct slice s;
    if (val_get(image, "data")) return export_reject(j, "an image in bytes, and no --tar");
    if (!text_of(val_get(image, "ref"), &s)) return export_reject(j, "malformed image");
    size_t n = prefix ? strlen(prefix) : 0;
    if (s.n > n && n && !memcmp(s.p, prefix, n)) s.p += n, s.n -= n;
    *name = export_text(j, s);
    return 0;
}

static int put_images(struct export_job *j, const char *key, bool list)
{
    const val *images = val_get(j->rec, "images");
    int n = val_len(images);
    val names = val_array(&j->row->zone, n);
    for (int i = 0; i < n; i++)
        if (image_name(j, val_at(images, i), val_at(&names, i))) return -1;
    if (n) export_put(j, key, n > 1 || list ? names : *val_at(&names, 0));
    return 0;
}

int export_sample(struct export_job *j, const char *id, const char *images, bool list)
{
    const val *v = val_get(j->rec, "id");
    if (v) export_put(j, id, *v);
    return put_images(j, images, list);
}

/* ---- the question ---- */

int export_question(struct export_job *j, bool marks, struct slice *q)
{
    const val *choices = val_get(j->rec, "choices");
    int n = val_len(choices), images = val_len(val_get(j->rec, "images"));
    struct slice *choice = arena_alloc(&j->a, (size_t)n * sizeof *choice);
    struct prompt_in in = { .choice = choice, .nchoice = n };
    struct buf b = {0};
    if (!text_of(val_get(j->rec, "question"), &in.question) || !slice_trim(in.question).n) return export_reject(j, "no question");
    for (int i = 0; i < n; i++)
        if (!text_of(val_at(choices, i), &choice[i])) return export_reject(j, "malformed choices");
    int missing = marks ? images - prompt_images(in.question) : 0;
    for (int i = 0; i < missing; i++) buf_str(&b, "<image>\n");
    j->account.marked += missing > 0;
    prompt_question(&in, &b);
    *q = (struct slice){ arena_dup(&j->a, b.p, b.len), b.len };
    buf_free(&b);
    return 0;
}

int export_chain_of(struct export_job *j, const char *key, struct chain *c)
{
    const val *path = val_get(j->rec, key);
    if (!path) return export_reject(j, "no path");
    return path_to_chain(path, &j->a, c) ? export_reject(j, "malformed path") : 0;
}

/* ---- conversations ---- */

void export_turn(struct export_job *j, struct val_list *turns, const char *from, val value)
{
    val turn = val_map();
    val_set(&j->row->zone, &turn, "from", val_of_cstr(&j->row->zone, from));
    val_set(&j->row->zone, &turn, "value", value);
    val_push(&j->row->zone, turns, turn);
}

const val *export_meta(struct export_job *j, const char *key)
{
    const val *v = val_get(val_get(j->rec, "meta"), key);
    if (v && j->nused < countof(j->used)) j->used[j->nused++] = key;
    return v;
}

/* Later turns as a reader keeps them (read_turns in import_chain.c): a key of the row itself may have their name. */
static bool later_turns(const val *turns)
{
    struct slice s;
    for (int i = 0; i < val_len(turns); i++) {
        const val *t = val_at(turns, i), *from = val_get(t, "from");
        if (!val_is_str(from, "human") && !val_is_str(from, "gpt")) return false;
        if (!val_str(val_get(t, "value"), &s.p, &s.n) || t->via.map.size != 2) return false;
    }
    return val_len(turns) > 0;
}

void export_talk(struct export_job *j, struct slice sys, struct slice q, val reply)
{
    struct val_list turns = { 0 };
    if (sys.n) export_turn(j, &turns, "system", export_text(j, sys));
    export_turn(j, &turns, "human", export_text(j, q));
    export_turn(j, &turns, "gpt", reply);
    const val *more = val_get(val_get(j->rec, "meta"), "turns");
    if (later_turns(more)) {
        export_meta(j, "turns");
        for (int i = 0; i < val_len(more); i++) val_push(&j->row->zone, &turns, *val_at(more, i));
    }
    export_put(j, "conversations", val_of_list(&turns));
}

/* ---- the other keys ---- */

/* Keys that mean something to a reader (import*.c). */
static bool reserved(const val *key)
{
    static const char *const words[] = { "id", "question_id", "qid", "choices", "options", "images", "image", "image_path", "source",
        "dataset", "data_source", "answer", "meta", "conversations", "messages", "question", "text", "response", "output", "prediction",
        "solution", "reasoning", "reason_step_num", "extract_answer", "predicted_answer", "extraction", "step_scores", "answer_score",
        "labels", "step_labels", "chosen", "rejected", "prompt", "completions", "steps_with_score" };
    for (int i = 0; i < countof(words); i++)
        if (val_is_str(key, words[i])) return true;
    return false;
}

static bool used(const struct export_job *j, const val *key)
{
    for (int i = 0; i < j->nused; i++)
        if (val_is_str(key, j->used[i])) return true;
    return false;
}

/* Into the row, or where its name is taken there into the row's "meta". */
struct places { struct val_index row, meta; };

static void put_pair(struct export_job *j, struct places *p, const msgpack_object_kv *kv)
{
    struct slice s;
    if (!text_of(&kv->key, &s)) return;
    if (!reserved(&kv->key) && !val_index_get(&p->row, s)) val_index_set(&p->row, &j->row->zone, s, kv->val);
    else if (!val_index_get(&p->meta, s)) val_index_set(&p->meta, &j->row->zone, s, kv->val);
    else j->account.lost[FACT_META]++;
}

void export_rest(struct export_job *j)
{
    static const char *const sample[] = { "answer", "choices", "source" };
    const val *meta = val_get(j->rec, "meta");
    for (int i = j->answered; i < countof(sample); i++)
        if (val_get(j->rec, sample[i])) export_put(j, sample[i], *val_get(j->rec, sample[i]));
    struct places p;
    val inner = val_map();
    val_index_open(&p.row, &j->row->root);
    val_index_open(&p.meta, &inner);
    for (uint32_t i = 0; meta && meta->type == MSGPACK_OBJECT_MAP && i < meta->via.map.size; i++)
        if (!used(j, &meta->via.map.ptr[i].key)) put_pair(j, &p, &meta->via.map.ptr[i]);
    for (uint32_t i = 0; i < j->rec->via.map.size; i++)
        if (!form_own_key(&j->rec->via.map.ptr[i].key)) put_pair(j, &p, &j->rec->via.map.ptr[i]);
    val_index_close(&p.row);
    val_index_close(&p.meta);
    if (inner.via.map.size) export_put(j, "meta", inner);
}

/* ---- all together ---- */

void export_account_add(struct export_account *to, const struct export_account *more)
{
    for (int i = 0; i < FORM_FACTS; i++) to->lost[i] += more->lost[i];
    to->marked += more->marked;
}

bool export_targets(const struct form *f, enum export_target t)
{
    return t == EXPORT_AS_FORM || f == &forms[FORM_TRL] || f == &forms[FORM_MM_PRM]
           || (f->holds & 1 << FACT_LABELS && t == (f->holds & 1 << FACT_SHARES ? EXPORT_SOFT : EXPORT_HARD));
}

static int export_whole(struct export_job *j)
{
    j->row->root = *j->rec;
    const val *images = val_get(j->rec, "images");
    val list = val_array(&j->row->zone, val_len(images));
    size_t n = j->cfg->prefix ? strlen(j->cfg->prefix) : 0;
    for (int i = 0; n && i < val_len(images); i++) {
        struct slice s;
        val *image = val_at(&list, i);
        *image = val_copy(&j->row->zone, val_at(images, i));
        if (text_of(val_get(image, "ref"), &s) && s.n > n && !memcmp(s.p, j->cfg->prefix, n))
            val_set(&j->row->zone, image, "ref", export_text(j, (struct slice){ s.p + n, s.n - n }));
    }
    if (n && images) {
        j->row->root = val_copy(&j->row->zone, j->rec);
        export_put(j, "images", list);
    }
    return 0;
}

int export_row(const struct export_cfg *c, const struct record *r, struct record *row, struct export_account *account,
               const char **why)
{
    struct export_job j = { .cfg = c, .rec = &r->root, .row = row };
    uint64_t fact[FORM_FACTS] = {0};
    rec_clear(row);
    int status = c->form->whole ? export_whole(&j) : c->form->write(&j);
    *why = j.why;
    arena_free(&j.a);
    if (status) return -1;
    export_account_add(account, &j.account);
    form_count(r, fact);
    for (int i = 0; i < FORM_FACTS; i++)
        if (!(c->form->holds >> i & 1) && i != FACT_SHARES && i != FACT_TRIES) account->lost[i] += fact[i];
    return 0;
}
