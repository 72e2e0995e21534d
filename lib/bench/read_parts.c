/* SPDX-License-Identifier: Apache-2.0
 * Parts of rows: images, options within a text, LLaVA's questions, judged steps. */
#include <string.h>
#include "bench/read_priv.h"
#include "record/base64.h"

/* ---- images ---- */

static int put_bytes(struct read_job *j, const void *p, size_t n, struct val_list *images)
{
    const char *type = image_type(p, n);
    val image = val_map();
    if (!type) return row_reject(j, "unreadable image");
    val_set(&j->out->zone, &image, "data", val_of_bin(&j->out->zone, p, n));
    val_set(&j->out->zone, &image, "type", val_of_cstr(&j->out->zone, type));
    val_push(&j->out->zone, images, image);
    return 0;
}

enum { BASE64_MIN = 65 };                      /* VLMEvalKit takes shorter ones for references */

static bool is_base64(struct slice s, struct buf *bytes)
{
    return s.n >= BASE64_MIN && s.n % 4 == 0 && !memchr(s.p, '.', s.n) && !base64_get(s.p, s.n, bytes);
}

/* ScienceQA's images lie in a folder for each question, MME's in one for each task, of some of them one further down. */
static void add_folder(struct read_job *j, struct slice name, struct buf *ref)
{
    static const char *const deeper[] = { "posters", "celebrity", "scene", "landmark", "artwork" };
    struct slice id, task;
    if (memchr(name.p, '/', name.n)) return;
    if (j->cfg->form == READ_SCIENCEQA && val_get(j->row, "pid") && val_str(val_get(&j->out->root, "id"), &id.p, &id.n)) {
        buf_add(ref, id.p, id.n);
        buf_byte(ref, '/');
    }
    if (j->cfg->form != READ_MME || !val_str(val_path(&j->out->root, "meta.category"), &task.p, &task.n)) return;
    buf_add(ref, task.p, task.n);
    buf_byte(ref, '/');
    for (int i = 0; i < countof(deeper); i++)
        if (py_same(task, py_text(deeper[i]))) buf_str(ref, "images/");
}

static int put_named(struct read_job *j, struct slice name, struct val_list *images)
{
    struct buf ref = { 0 }, bytes = { 0 };
    int bad = 0;
    if (j->cfg->prefix) buf_str(&ref, j->cfg->prefix);
    add_folder(j, name, &ref);
    buf_add(&ref, name.p, name.n);
    if (j->cfg->media) {
        bad = media_get(j->cfg->media, ref.p, ref.len, &bytes) ? row_reject(j, "unreadable image") : put_bytes(j, bytes.p, bytes.len, images);
    } else {
        val image = val_map();
        val_set(&j->out->zone, &image, "ref", val_of_str(&j->out->zone, ref.p, ref.len));
        val_push(&j->out->zone, images, image);
    }
    buf_free(&ref);
    buf_free(&bytes);
    return bad;
}

static int put_image(struct read_job *j, const val *v, struct val_list *images)
{
    struct slice s;
    struct buf bytes = { 0 };
    if (v->type == MSGPACK_OBJECT_ARRAY) {
        for (int i = 0; i < val_len(v); i++)
            if (put_image(j, val_at(v, i), images)) return -1;
        return 0;
    }
    if (v->type == MSGPACK_OBJECT_MAP) {
        const val *data = val_get(v, "bytes");
        v = data && data->type != MSGPACK_OBJECT_NIL ? data : val_get(v, "path");
    }
    if (!val_str(v, &s.p, &s.n)) return row_reject(j, "malformed image");
    if (!py_strip(s).n) return 0;
    int bad = is_base64(s, &bytes) ? put_bytes(j, bytes.p, bytes.len, images) : put_named(j, s, images);
    buf_free(&bytes);
    return bad;
}

int row_images(struct read_job *j)
{
    static const char *const keys[] = { "image", "images", "imgname", "decoded_image", "image_1", "image_2", "image_3", "image_4", "image_5",
                                        "image_6", "image_7" };
    struct val_list images = { 0 };
    struct slice name;
    for (int i = 0; i < countof(keys); i++) {
        const val *v = row_use(j, keys[i]);
        bool twice = i == 3 && images.n > 0;           /* MathVista's decoded_image is its image */
        if (v && !twice && put_image(j, v, &images)) return -1;
    }
    if (images.n) row_put(j, "images", val_of_list(&images));
    if (j->cfg->form == READ_MME && val_str(val_get(j->row, "image"), &name.p, &name.n) && name.n < BASE64_MIN)
        row_put_meta_text(j, "image", name);
    return 0;
}

/* ---- options within a text ---- */

/* Where option i's mark stands at or behind `from`: a form's open, the letter, its close. -1: nowhere. */
static long find_mark(struct slice s, size_t from, int i, const struct option_form *f, size_t *length)
{
    char mark[32];
    int n = snprintf(mark, sizeof mark, "%s%s%c%s", i ? f->between : "", f->open, 'A' + i, f->close);
    *length = (size_t)n;
    long at = py_find((struct slice){ s.p + from, s.n - from }, (struct slice){ mark, (size_t)n });
    return at < 0 ? -1 : at + (long)from;
}

bool row_options(struct read_job *j, struct slice s, const struct option_form *f, struct val_list *choices, size_t *begin)
{
    size_t length, next;
    long head = py_rfind(s, py_text(f->before));
    bool lines = !strcmp(f->before, f->between);               /* the heading is no more than a line's end: take the first option */
    if (head < 0) return false;
    long at = find_mark(s, lines ? 0 : (size_t)head + strlen(f->before), 0, f, &length);
    if (at < 0) return false;
    *begin = lines ? (size_t)at : (size_t)head;
    for (int i = 0; at >= 0; i++) {
        size_t from = (size_t)at + length;
        at = find_mark(s, from, i + 1, f, &next);
        size_t end = at >= 0 ? (size_t)at : s.n;
        const char *line = lines && at < 0 ? memchr(s.p + from, '\n', s.n - from) : NULL;
        if (line) end = (size_t)(line - s.p);
        val_push(&j->out->zone, choices, row_text(j, py_strip((struct slice){ s.p + from, end - from })));
        length = next;
    }
    return choices->n >= 2;
}

/* ---- LLaVA's ScienceQA: "Context: HINT\nQuestion: Q\nOptions: (A) x (B) y", "The answer is B." ---- */

static struct slice between(struct slice s, const char *from, long to)
{
    long at = py_find(s, py_text(from));
    size_t begin = at < 0 ? 0 : (size_t)at + strlen(from);
    return py_strip((struct slice){ s.p + begin, (to < 0 || (size_t)to < begin ? s.n : (size_t)to) - begin });
}

static bool llava_turn(const val *turns, int i, struct slice *s) { return val_str(val_get(val_at(turns, i), "value"), &s->p, &s->n); }

int row_llava(struct read_job *j, const val *turns)
{
    static const struct option_form brackets = { "Options:", "(", ") ", " " };
    struct slice asked, said;
    size_t begin = 0;
    struct val_list choices = { 0 };
    if (!llava_turn(turns, 0, &asked) || !llava_turn(turns, 1, &said)) return row_reject(j, "malformed conversation");
    long question = py_find(asked, py_text("Question: "));
    struct slice hint = between(asked, "Context: ", question);
    if (question >= 0 && py_find(asked, py_text("Context: ")) >= 0 && !py_same(hint, py_text("N/A"))) row_put_meta_text(j, "hint", hint);
    bool options = row_options(j, asked, &brackets, &choices, &begin);
    row_put_text(j, "question", between(asked, "Question: ", options ? (long)begin : -1));
    if (options && !val_get(&j->out->root, "choices")) row_put(j, "choices", val_of_list(&choices));
    said = py_strip(said);
    if (py_starts(said, "The answer is ") && py_ends(said, ".")) said = (struct slice){ said.p + 14, said.n - 15 };
    row_put_text(j, "answer", said);
    return 0;
}

/* ---- judged steps ---- */

/* right: 1, wrong: 0, neutral: 0.5; -1: not judged. */
static void push_step(struct read_job *j, struct val_list *steps, struct slice text, double right)
{
    msgpack_zone *z = &j->out->zone;
    val step = val_map(), label = val_map(), labels = val_array(z, 1);
    val_set(z, &step, "name", val_of_cstr(z, ""));
    val_set(z, &step, "thought", row_text(j, text));
    val_set(z, &step, "reflection", val_of_cstr(z, ""));
    if (right >= 0) {
        val_set(z, &label, "by", val_of_cstr(z, "truth"));
        val_set(z, &label, "value", right == 0.5 ? val_of_f64(right) : val_of_i64((int64_t)right));
        *val_at(&labels, 0) = label;
        val_set(z, &step, "labels", labels);
    }
    val_push(z, steps, step);
}

/* "label": the index of the first wrong step, or -1. What comes behind it was not judged. */
static int processbench(struct read_job *j, val *path)
{
    const val *list = row_use(j, "steps");
    int64_t first;
    bool correct;
    struct val_list steps = { 0 };
    if (!list || list->type != MSGPACK_OBJECT_ARRAY) return row_reject(j, "no steps");
    if (!val_i64(row_use(j, "label"), &first) || first < -1 || first >= val_len(list)) return row_reject(j, "malformed label");
    for (int i = 0; i < val_len(list); i++) {
        struct slice s;
        if (!val_str(val_at(list, i), &s.p, &s.n)) return row_reject(j, "malformed step");
        push_step(j, &steps, s, first < 0 || i < first ? 1 : i == first ? 0 : -1);
    }
    val_set(&j->out->zone, path, "steps", val_of_list(&steps));
    if (val_bool(row_use(j, "final_answer_correct"), &correct)) row_put_meta(j, "final_answer_correct", val_of_bool(correct));
    return 0;
}

/* "response": {"steps": [..], "process_correctness": [1, 0, -1]}: right, neutral, wrong. */
static int visualprocessbench(struct read_job *j, val *path)
{
    const val *response = row_use(j, "response"), *list = val_get(response, "steps"), *marks = val_get(response, "process_correctness");
    struct slice s;
    struct val_list steps = { 0 };
    if (!list || list->type != MSGPACK_OBJECT_ARRAY) return row_reject(j, "no steps");
    if (val_len(marks) != val_len(list)) return row_reject(j, "judgement count differs");
    for (int i = 0; i < val_len(list); i++) {
        int64_t mark;
        if (!val_str(val_at(list, i), &s.p, &s.n)) return row_reject(j, "malformed step");
        if (!val_i64(val_at(marks, i), &mark) || mark < -1 || mark > 1) return row_reject(j, "malformed judgement");
        push_step(j, &steps, s, (double)(mark + 1) / 2);
    }
    val_set(&j->out->zone, path, "steps", val_of_list(&steps));
    if (val_str(val_get(response, "answer"), &s.p, &s.n)) val_set(&j->out->zone, path, "answer", row_text(j, s));
    return 0;
}

int row_judged(struct read_job *j)
{
    val path = val_map();
    if (j->cfg->form == READ_PROCESSBENCH ? processbench(j, &path) : visualprocessbench(j, &path)) return -1;
    row_put(j, "path", path);
    return 0;
}
