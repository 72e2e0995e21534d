/* SPDX-License-Identifier: Apache-2.0
 * A row of a benchmark's file to a record. The keys that mean the same in all of them are in tables; what one benchmark has
 * of its own is a function of its name. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "bench/read_priv.h"
#include "record/path.h"
#include "text/steps.h"

const char *const bench_form_names[READ_FORMS] = { "mathvista", "mmstar", "mmmu", "m3cot", "ai2d", "chartqa", "scienceqa", "mme",
                                                   "processbench", "visualprocessbench" };

enum { LETTERS = 26 };

/* ---- rows and values ---- */

const val *row_use(struct read_job *j, const char *key)
{
    const val *v = val_get(j->row, key);
    if (v && j->nused < USED_MAX) j->used[j->nused++] = key;
    return v && v->type == MSGPACK_OBJECT_NIL ? NULL : v;
}

const val *row_use_first(struct read_job *j, const char *const *keys)
{
    const val *v = NULL;
    while (*keys && !v) v = row_use(j, *keys++);
    return v;
}

bool row_use_text(struct read_job *j, const char *key, struct slice *s) { return val_str(row_use(j, key), &s->p, &s->n); }

int row_reject(struct read_job *j, const char *why)
{
    if (!j->why) j->why = why;
    return -1;
}

val row_text(struct read_job *j, struct slice s) { return val_of_str(&j->out->zone, s.p ? s.p : "", s.n); }
void row_put(struct read_job *j, const char *key, val v) { val_set(&j->out->zone, &j->out->root, key, v); }
void row_put_text(struct read_job *j, const char *key, struct slice s) { row_put(j, key, row_text(j, s)); }
void row_put_meta_text(struct read_job *j, const char *key, struct slice s) { row_put_meta(j, key, row_text(j, s)); }

void row_put_meta(struct read_job *j, const char *key, val v)
{
    val_set(&j->out->zone, val_set_map(&j->out->zone, &j->out->root, "meta"), key, v);
}

bool row_scalar(const val *v, char number[32], struct slice *s)
{
    int64_t i;
    double x;
    if (val_str(v, &s->p, &s->n)) return true;
    int n = val_i64(v, &i) ? snprintf(number, 32, "%" PRId64, i) : val_f64(v, &x) ? snprintf(number, 32, "%.17g", x) : 0;
    *s = (struct slice){ number, (size_t)n };
    return n > 0;
}

bool row_id(const val *row, char number[32], struct slice *id)
{
    static const char *const keys[] = { "pid", "id", "question_id", "index" };
    for (int i = 0; i < countof(keys); i++)
        if (row_scalar(val_get(row, keys[i]), number, id) && id->n) return true;
    return false;
}

bool row_response(const val *row, struct slice *s)
{
    static const char *const keys[] = { "response", "prediction", "output" };
    for (int i = 0; i < countof(keys); i++)
        if (val_str(val_get(row, keys[i]), &s->p, &s->n)) return true;
    const val *talk = val_get(row, "messages");
    return val_str(val_at(talk, val_len(talk) - 1), &s->p, &s->n);
}

/* ---- id ---- */

/* What the file's name says of the split: "human" or "augmented". */
static const char *split_of_file(const struct read_job *j)
{
    const char *slash = strrchr(j->cfg->file, '/'), *name = slash ? slash + 1 : j->cfg->file;
    return strstr(name, "augmented") ? "test_augmented" : strstr(name, "human") ? "test_human" : NULL;
}

/* The file's name without folder and ending: MME's task. */
static struct slice stem(const struct read_job *j)
{
    const char *slash = strrchr(j->cfg->file, '/'), *name = slash ? slash + 1 : j->cfg->file, *dot = strrchr(name, '.');
    return (struct slice){ name, dot ? (size_t)(dot - name) : strlen(name) };
}

static void put_id(struct read_job *j, uint64_t line)
{
    static const char *const keys[] = { "pid", "id", "question_id", "index", NULL };
    char number[32];
    struct buf id = { 0 };
    struct slice s, task = { NULL, 0 };
    bool mme = j->cfg->form == READ_MME;
    for (const char *const *k = keys; *k; k++) (void)row_use(j, *k);
    bool own = row_id(j->row, number, &s);
    if (mme) {                                 /* in lists of questions the two of an image have one id */
        if (!val_str(val_get(j->row, "category"), &task.p, &task.n)) task = stem(j);
        buf_add(&id, task.p, task.n);
        if (val_get(j->row, "index") && row_scalar(val_get(j->row, "index"), number, &s)) buf_fmt(&id, "/%.*s", (int)s.n, s.p);
        else buf_fmt(&id, "/%04" PRIu64, line);
    } else if (own) {
        const char *split = j->cfg->form == READ_CHARTQA && !val_get(j->row, "split") ? split_of_file(j) : NULL;
        if (split) buf_fmt(&id, "%s/", split);
        buf_add(&id, s.p, s.n);
    } else {
        s = strcmp(j->cfg->file, "stdin") ? stem(j) : py_text("line");
        buf_add(&id, s.p, s.n);
        buf_fmt(&id, "-%" PRIu64, line);
    }
    row_put_text(j, "id", (struct slice){ id.p, id.len });
    buf_free(&id);
    if (own && val_get(j->row, "index")) row_put_meta(j, "index", val_copy(&j->out->zone, val_get(j->row, "index")));
}

/* ---- choices and right answer ---- */

static bool push_scalar(struct read_job *j, struct val_list *list, const val *v)
{
    char number[32];
    struct slice s;
    if (!row_scalar(v, number, &s)) return false;
    val_push(&j->out->zone, list, row_text(j, s));
    return true;
}

/* ["a", "b"], {"A": "a", "B": "b"}, or the text of a list as Python prints it. */
static int choices_from(struct read_job *j, const val *v, struct val_list *list)
{
    struct slice s, item;
    if (val_str(v, &s.p, &s.n)) {
        if (!py_list(&s)) return row_reject(j, "malformed choices");
        while (py_list_item(&j->a, &s, &item)) val_push(&j->out->zone, list, row_text(j, item));
        return s.n ? row_reject(j, "malformed choices") : 0;
    }
    bool map = v->type == MSGPACK_OBJECT_MAP;
    int n = map ? (int)v->via.map.size : val_len(v);
    if (!map && v->type != MSGPACK_OBJECT_ARRAY) return row_reject(j, "malformed choices");
    for (int i = 0; i < n; i++)
        if (!push_scalar(j, list, map ? &v->via.map.ptr[i].val : val_at(v, i))) return row_reject(j, "malformed choices");
    return 0;
}

/* The columns A, B, ... up to the first that is missing. */
static void choices_from_columns(struct read_job *j, struct val_list *list)
{
    static const char letters[] = "A\0B\0C\0D\0E\0F\0G\0H\0I\0J\0K\0L\0M\0N\0O\0P\0Q\0R\0S\0T\0U\0V\0W\0X\0Y\0Z";
    for (int i = 0; i < LETTERS; i++) {
        const val *v = row_use(j, letters + 2 * i);
        if (!v || !push_scalar(j, list, v)) return;
    }
}

static int put_choices(struct read_job *j)
{
    static const char *const keys[] = { "choices", "index2ans", "options", NULL };
    struct val_list list = { 0 };
    const val *v = row_use_first(j, keys);
    if (v && choices_from(j, v, &list)) return -1;
    if (!v) choices_from_columns(j, &list);
    if (list.n > LETTERS) return row_reject(j, "too many choices");
    if (list.n) row_put(j, "choices", val_of_list(&list));
    return 0;
}

/* Benchmarks whose right answer is a letter, and some of whose files have its index instead. */
static bool index_to_letter(const struct read_job *j, const val *v, char letter[2])
{
    int64_t i = -1;
    struct slice s;
    enum bench_form form = j->cfg->form;
    if (form != READ_SCIENCEQA && form != READ_AI2D && form != READ_M3COT && form != READ_MMSTAR) return false;
    if (val_str(v, &s.p, &s.n)) i = form == READ_AI2D && s.n == 1 && s.p[0] >= '0' && s.p[0] <= '9' ? s.p[0] - '0' : -1;
    else if (!val_i64(v, &i)) return false;
    letter[0] = (char)('A' + i);
    letter[1] = 0;
    return i >= 0 && i < LETTERS;
}

static int put_gold(struct read_job *j)
{
    static const char *const keys[] = { "gt_answers", "annotation", "ground_truth", "answer", NULL };
    const val *v = row_use_first(j, keys);
    if (!v && j->cfg->form == READ_CHARTQA) v = row_use(j, "label");
    char letter[2], number[32];
    struct slice s;
    if (!v) return 0;
    if (v->type == MSGPACK_OBJECT_ARRAY) {
        if (!val_len(v) || !row_scalar(val_at(v, 0), number, &s)) return row_reject(j, "malformed right answer");
        if (val_len(v) > 1) row_put_meta(j, "answers", val_copy(&j->out->zone, v));
        row_put_text(j, "answer", s);
    } else if (index_to_letter(j, v, letter)) {
        row_put_text(j, "answer", py_text(letter));
    } else if (row_scalar(v, number, &s)) {
        row_put_text(j, "answer", s);
    } else {
        return row_reject(j, "malformed right answer");
    }
    return 0;
}

/* ---- question ---- */

/* Options that stand in the question are for the scorer alone: the question goes to the model as it is. */
static void options_in_question(struct read_job *j, struct slice q)
{
    static const struct option_form lists = { "Options:", "", ": ", ", " }, lines = { "\n", "", ". ", "\n" };
    struct val_list choices = { 0 };
    size_t begin;
    bool some = j->cfg->form == READ_MMSTAR ? row_options(j, q, &lists, &choices, &begin)
              : j->cfg->form == READ_AI2D && row_options(j, q, &lines, &choices, &begin);
    if (some && !val_get(&j->out->root, "choices")) row_put_meta(j, "choices", val_of_list(&choices));
}

static int put_question(struct read_job *j)
{
    static const char *const keys[] = { "question", "problem", NULL };
    struct slice q;
    const val *turns = row_use(j, "conversations");
    if (turns) return row_llava(j, turns);
    const val *v = row_use_first(j, keys);
    if (!v && j->cfg->form == READ_CHARTQA) v = row_use(j, "query");
    if (!v && j->cfg->form == READ_MATHVISTA) v = row_use(j, "text");
    if (!v) return 0;
    if (!val_str(v, &q.p, &q.n)) return row_reject(j, "malformed question");
    row_put_text(j, "question", q);
    options_in_question(j, q);
    return 0;
}

/* ---- response ---- */

/* A response in the step format has its steps beside the text. */
static val path_of(struct read_job *j, struct slice response)
{
    struct chain c;
    bool strict;
    const char *why;
    val path = chain_parse(response.p, response.n, &j->a, &c, &strict, &why) ? val_map() : path_from_chain(&j->out->zone, &c);
    val_set(&j->out->zone, &path, "text", row_text(j, response));
    return path;
}

static bool find_output(struct read_job *j, struct bench_output *out)
{
    struct slice id;
    val_str(val_get(&j->out->root, "id"), &id.p, &id.n);
    const struct bench_output *o = outputs_find(j->cfg->outputs, id);
    if (o) *out = *o;
    return o != NULL;
}

static void own_output(struct read_job *j, struct bench_output *out)
{
    static const char *const keys[] = { "response", "output", "messages", NULL };
    bool gold_apart = val_get(j->row, "gt_answers") || val_get(j->row, "annotation");
    if (row_response(j->row, &out->response)) (void)row_use_first(j, keys);
    if (j->cfg->form != READ_MATHVISTA) (void)row_use(j, "prediction");
    else if (!val_get(j->row, "response")) out->response.p = NULL;             /* its "prediction" is the scorer's */
    if (gold_apart && row_use_text(j, "answer", &out->response)) out->stored = out->response;     /* CoS, InternVL */
    if (j->cfg->form == READ_MATHVISTA) (void)row_use_text(j, "extraction", &out->stored);
}

static int put_path(struct read_job *j)
{
    struct bench_output out = { { NULL, 0 }, { NULL, 0 } };
    if (!j->cfg->outputs) own_output(j, &out);
    else if (!find_output(j, &out)) return row_reject(j, "no output of this id");
    if (!out.response.p && !out.stored.p) return 0;
    val path = out.response.p ? path_of(j, out.response) : val_map();
    if (out.stored.p) val_set(&j->out->zone, &path, "answer", row_text(j, out.stored));
    row_put(j, "path", path);
    return 0;
}

/* ---- all together ---- */

static void put_rest(struct read_job *j)
{
    val *there = val_get(&j->out->root, "meta"), all = there ? *there : val_map();
    struct val_index meta;
    val_index_open(&meta, &all);
    for (uint32_t i = 0; i < j->row->via.map.size; i++) {
        const msgpack_object_kv *kv = &j->row->via.map.ptr[i];
        struct slice s;
        bool used = !val_str(&kv->key, &s.p, &s.n);
        for (int k = 0; k < j->nused && !used; k++) used = py_same(s, py_text(j->used[k]));
        if (!used) val_index_set(&meta, &j->out->zone, s, val_copy(&j->out->zone, &kv->val));
    }
    val_index_close(&meta);
    if (all.via.map.size) row_put(j, "meta", all);
}

static void put_own(struct read_job *j)
{
    const char *split = split_of_file(j);
    if (j->cfg->form == READ_CHARTQA && split && !val_get(j->row, "split")) row_put_meta_text(j, "split", py_text(split));
    if (j->cfg->form == READ_MME && !val_get(j->row, "category")) row_put_meta_text(j, "category", stem(j));
    row_put_text(j, "source", py_text(bench_form_names[j->cfg->form]));
}

static int read_row(struct read_job *j, uint64_t line)
{
    bool judged = j->cfg->form == READ_PROCESSBENCH || j->cfg->form == READ_VISUALPROCESSBENCH;
    put_id(j, line);
    put_own(j);
    if (put_choices(j) || (j->cfg->form != READ_PROCESSBENCH && put_gold(j)) || row_images(j) || put_question(j)) return -1;
    return judged ? row_judged(j) : put_path(j);
}

int bench_read(const struct bench_reader *c, const struct record *row, uint64_t line, struct record *out, const char **why)
{
    struct read_job j = { .cfg = c, .row = &row->root, .out = out };
    rec_clear(out);
    out->number = row->number;
    int bad = read_row(&j, line);
    put_rest(&j);
    arena_free(&j.a);
    *why = j.why;
    return bad;
}
