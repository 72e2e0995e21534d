/* SPDX-License-Identifier: Apache-2.0 */
#include "record/import_priv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "text/prompt.h"

const char *const import_form_names[IMPORT_FORMS] = { "cos", "llava", "raw", "prm", "dpo", "text" };

/* ---- rows and values ---- */

const val *import_use(struct import_job *j, const char *key)
{
    const val *map = j->row.map;
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object_kv *kv = &map->via.map.ptr[i];
        if (!val_is_str(&kv->key, key)) continue;
        if (i < TICKS) j->row.used[i] = true;
        return kv->val.type == MSGPACK_OBJECT_NIL ? NULL : &kv->val;
    }
    return NULL;
}

const val *import_use_first(struct import_job *j, const char *const *keys)
{
    for (; *keys; keys++) {
        const val *v = import_use(j, *keys);
        if (v) return v;
    }
    return NULL;
}

int import_reject(struct import_job *j, const char *why)
{
    if (!j->why) j->why = why;
    return -1;
}

bool import_text(const val *v, struct slice *s) { return val_str(v, &s->p, &s->n); }
bool import_blank(struct slice s) { return !slice_trim(s).n; }
val import_text_val(struct import_job *j, struct slice s) { return val_of_str(&j->out->zone, s.p, s.n); }
void import_put(struct import_job *j, const char *key, val v) { val_set(&j->out->zone, &j->out->root, key, v); }

void import_put_meta(struct import_job *j, const char *key, val v)
{
    val_set(&j->out->zone, val_set_map(&j->out->zone, &j->out->root, "meta"), key, v);
}

/* ---- the sample: id, question, choices, images, answer, source ---- */

static void put_id(struct import_job *j)
{
    static const char *const keys[] = { "id", "question_id", "qid", NULL };
    const val *v = import_use_first(j, keys);
    struct slice s;
    int64_t n;
    char number[32];
    if (import_text(v, &s) && s.n) import_put(j, "id", import_text_val(j, s));
    else if (val_i64(v, &n)) {
        int k = snprintf(number, sizeof number, "%" PRId64, n);
        import_put(j, "id", import_text_val(j, (struct slice){ number, (size_t)k }));
    }
}

val import_scalar(struct import_job *j, const val *v)
{
    struct slice s;
    int64_t i;
    double x;
    char number[40];
    if (import_text(v, &s)) return import_text_val(j, s);
    int n = val_i64(v, &i) ? snprintf(number, sizeof number, "%" PRId64, i)
          : val_f64(v, &x) ? snprintf(number, sizeof number, "%.17g", x) : 0;
    return n ? import_text_val(j, (struct slice){ number, (size_t)n }) : val_nil();
}

/* ["a", "b"] or {"A": "a", "B": "b"} */
static int put_choices(struct import_job *j)
{
    static const char *const keys[] = { "choices", "options", NULL };
    const val *v = import_use_first(j, keys);
    if (!v) return 0;
    bool map = v->type == MSGPACK_OBJECT_MAP;
    int n = map ? (int)v->via.map.size : val_len(v);
    if (!map && v->type != MSGPACK_OBJECT_ARRAY) return import_reject(j, "malformed choices");
    val list = val_array(&j->out->zone, n);
    for (int i = 0; i < n; i++) {
        *val_at(&list, i) = import_scalar(j, map ? &v->via.map.ptr[i].val : val_at(v, i));
        if (val_at(&list, i)->type == MSGPACK_OBJECT_NIL) return import_reject(j, "malformed choices");
    }
    if (n) import_put(j, "choices", list);
    return 0;
}

static int inline_image(struct import_job *j, struct slice ref, val *image)
{
    struct buf b = {0};
    const char *type = NULL;
    msgpack_zone *z = &j->out->zone;
    int bad = media_get(j->cfg->media, ref.p, ref.n, &b);
    if (!bad && !(type = image_type(b.p, b.len))) bad = -1;
    if (!bad) {
        val_set(z, image, "data", val_of_bin(z, b.p, b.len));
        val_set(z, image, "type", val_of_cstr(z, type));
    }
    buf_free(&b);
    return bad ? import_reject(j, "unreadable image") : 0;
}

static int put_image(struct import_job *j, const val *v, val *images)
{
    struct slice name;
    msgpack_zone *z = &j->out->zone;
    val image = val_map();
    if (v && v->type == MSGPACK_OBJECT_MAP) v = val_get(v, "ref") ? val_get(v, "ref") : val_get(v, "path");
    if (!import_text(v, &name) || import_blank(name)) return import_reject(j, "malformed image");
    while (j->cfg->prefix && name.n > 1 && (name.p[0] == '/' || !strncmp(name.p, "./", 2))) name.p++, name.n--;
    struct buf ref = {0};
    if (j->cfg->prefix) buf_str(&ref, j->cfg->prefix);
    buf_add(&ref, name.p, name.n);
    int bad = 0;
    if (j->cfg->media) bad = inline_image(j, (struct slice){ ref.p, ref.len }, &image);
    else val_set(z, &image, "ref", val_of_str(z, ref.p, ref.len));
    buf_free(&ref);
    if (!bad) val_push(z, images, image);
    return bad;
}

static int put_images(struct import_job *j)
{
    static const char *const keys[] = { "images", "image", "image_path", NULL };
    const val *v = import_use_first(j, keys);
    val images = val_array(&j->out->zone, 0);
    struct slice s;
    if (!v || (import_text(v, &s) && import_blank(s))) return 0;
    if (v->type == MSGPACK_OBJECT_ARRAY) {
        for (int i = 0; i < val_len(v); i++)
            if (put_image(j, val_at(v, i), &images)) return -1;
    } else if (put_image(j, v, &images)) return -1;
    if (val_len(&images)) import_put(j, "images", images);
    return 0;
}

int import_question(struct import_job *j, struct slice q)
{
    if (import_blank(q)) return import_reject(j, "no question");
    import_put(j, "question", import_text_val(j, q));
    int marks = prompt_images(q), images = val_len(val_get(&j->out->root, "images"));
    return marks > images ? import_reject(j, "more image marks than images") : 0;
}

static void put_gold(struct import_job *j)
{
    static const char *const keys[] = { "source", "dataset", "data_source", NULL };
    const val *v = import_use_first(j, keys);
    struct slice s;
    double x;
    if (import_text(v, &s) && s.n) import_put(j, "source", import_text_val(j, s));
    v = import_use(j, "answer");
    if (import_text(v, &s)) import_put(j, "answer", import_text_val(j, s));
    else if (val_f64(v, &x)) import_put(j, "answer", val_copy(&j->out->zone, v));
    else if (v) import_put_meta(j, "answer", val_copy(&j->out->zone, v));
}

/* ---- all together ---- */

static void keep(struct import_job *j, const msgpack_object_kv *kv)
{
    struct slice s;
    if (!import_text(&kv->key, &s)) return;
    const char *key = arena_str(&j->a, s.p, s.n);
    if (!val_get(val_get(&j->out->root, "meta"), key)) import_put_meta(j, key, val_copy(&j->out->zone, &kv->val));
}

/* "meta" of the row itself, and what nobody used. */
static void put_rest(struct import_job *j)
{
    const val *meta = import_use(j, "meta"), *map = j->row.map;
    if (meta && meta->type == MSGPACK_OBJECT_MAP)
        for (uint32_t i = 0; i < meta->via.map.size; i++) keep(j, &meta->via.map.ptr[i]);
    for (uint32_t i = 0; i < map->via.map.size; i++)
        if (i >= TICKS || !j->row.used[i]) keep(j, &map->via.map.ptr[i]);
}

int import_row(const struct import_cfg *c, const struct record *row, struct record *out, const char **why)
{
    struct import_job j = { .cfg = c, .row.map = &row->root, .out = out };
    rec_clear(out);
    out->number = row->number;
    put_id(&j);
    put_gold(&j);
    int bad = put_images(&j) || put_choices(&j) || import_chain[c->form](&j);
    put_rest(&j);
    val *meta = val_get(&out->root, "meta");
    if (meta && meta->type == MSGPACK_OBJECT_MAP && !meta->via.map.size) val_remove(&out->root, "meta");
    arena_free(&j.a);
    *why = j.why;
    return bad ? -1 : 0;
}
