/* SPDX-License-Identifier: Apache-2.0 */
#include "record/import_priv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "text/prompt.h"

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

static int put_bytes(struct import_job *j, const void *p, size_t n, val *image)
{
    msgpack_zone *z = &j->out->zone;
    const char *type = image_type(p, n);
    if (!type) return import_reject(j, "unreadable image");
    val_set(z, image, "data", val_of_bin(z, p, n));
    val_set(z, image, "type", val_of_cstr(z, type));
    return 0;
}

static int inline_image(struct import_job *j, struct slice ref, val *image)
{
    struct buf b = {0};
    int bad = media_get(j->cfg->media, ref.p, ref.n, &b) ? import_reject(j, "unreadable image") : put_bytes(j, b.p, b.len, image);
    buf_free(&b);
    return bad;
}

static void put_ref(struct import_job *j, const char *prefix, struct slice name, val *image)
{
    struct buf ref = {0};
    if (prefix) buf_str(&ref, prefix);
    buf_add(&ref, name.p, name.n);
    val_set(&j->out->zone, image, "ref", val_of_str(&j->out->zone, ref.p, ref.len));
    buf_free(&ref);
}

/* The image file beside the row with this name, with or without its folder; NULL: none. */
static const struct tar_member *find_beside(const struct import_job *j, struct slice name)
{
    const struct import_beside *b = j->cfg->beside;
    for (int i = 0; b && i < b->n; i++) {
        const struct tar_member *m = &b->m[i];
        const char *slash = strrchr(m->name, '/'), *base = slash ? slash + 1 : m->name;
        if ((m->nname == name.n && !memcmp(m->name, name.p, name.n)) || (strlen(base) == name.n && !memcmp(base, name.p, name.n))) return m;
    }
    return NULL;
}

static int put_member(struct import_job *j, const struct tar_member *m, val *image)
{
    if (!j->cfg->beside->prefix) return put_bytes(j, m->bytes.p, m->bytes.len, image);
    put_ref(j, j->cfg->beside->prefix, (struct slice){ m->name, m->nname }, image);
    return 0;
}

static int name_image(struct import_job *j, struct slice name, val *image)
{
    const struct tar_member *m = find_beside(j, name);
    if (m) return put_member(j, m, image);
    while (j->cfg->prefix && name.n > 1 && (name.p[0] == '/' || !strncmp(name.p, "./", 2))) name.p++, name.n--;
    if (!j->cfg->media) {
        put_ref(j, j->cfg->prefix, name, image);
        return 0;
    }
    return inline_image(j, name, image);
}

static int put_image(struct import_job *j, const val *v, struct val_list *images)
{
    struct slice name;
    val image = val_map();
    if (v && v->type == MSGPACK_OBJECT_MAP) v = val_get(v, "ref") ? val_get(v, "ref") : val_get(v, "path");
    if (!import_text(v, &name) || import_blank(name)) return import_reject(j, "malformed image");
    if (name_image(j, name, &image)) return -1;
    val_push(&j->out->zone, images, image);
    return 0;
}

static bool is_image(const char *name, size_t n)
{
    static const char *const ends[] = { ".png", ".jpg", ".jpeg", ".webp" };
    for (int i = 0; i < countof(ends); i++)
        if (n > strlen(ends[i]) && !strcasecmp(name + n - strlen(ends[i]), ends[i])) return true;
    return false;
}

static int images_beside(const struct import_job *j)
{
    const struct import_beside *b = j->cfg->beside;
    int n = 0;
    for (int i = 0; b && i < b->n; i++) n += is_image(b->m[i].name, b->m[i].nname);
    return n;
}

/* Does the row name none of the files beside it, but as many images as there are? Then its names are those they once had. */
static bool renamed(const struct import_job *j, const val *v)
{
    struct slice name;
    int n = v->type == MSGPACK_OBJECT_ARRAY ? val_len(v) : 1;
    if (!n || n != images_beside(j)) return false;
    for (int i = 0; i < n; i++)
        if (import_text(v->type == MSGPACK_OBJECT_ARRAY ? val_at(v, i) : v, &name) && find_beside(j, name)) return false;
    return true;
}

static int put_images_beside(struct import_job *j, struct val_list *images)
{
    const struct import_beside *b = j->cfg->beside;
    for (int i = 0; b && i < b->n; i++) {
        val image = val_map();
        if (!is_image(b->m[i].name, b->m[i].nname)) continue;
        if (put_member(j, &b->m[i], &image)) return -1;
        val_push(&j->out->zone, images, image);
    }
    return 0;
}

static int put_images(struct import_job *j)
{
    static const char *const keys[] = { "images", "image", "image_path", NULL };
    const val *v = import_use_first(j, keys);
    struct val_list images = { 0 };
    struct slice s;
    if (!v || (import_text(v, &s) && import_blank(s)) || renamed(j, v)) {
        if (put_images_beside(j, &images)) return -1;
    } else if (v->type == MSGPACK_OBJECT_ARRAY) {
        for (int i = 0; i < val_len(v); i++)
            if (put_image(j, val_at(v, i), &images)) return -1;
    } else if (put_image(j, v, &images)) return -1;
    if (images.n) import_put(j, "images", val_of_list(&images));
    return 0;
}

int import_question(struct import_job *j, struct slice q)
{
    if (import_blank(q)) return import_reject(j, "no question");
    const val *choices = val_get(&j->out->root, "choices");
    struct slice *choice = arena_alloc(&j->a, (size_t)val_len(choices) * sizeof *choice);
    for (int i = 0; i < val_len(choices); i++) import_text(val_at(choices, i), &choice[i]);
    prompt_without_choices(&q, choice, val_len(choices));
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

/* Into meta; where another value has that name already, with _ behind it. */
static int keep(struct import_job *j, struct val_index *meta, const msgpack_object_kv *kv)
{
    enum { NAMES = 4 };
    struct slice s;
    if (!import_text(&kv->key, &s)) return 0;
    char *key = arena_alloc(&j->a, s.n + NAMES);
    if (s.n) memcpy(key, s.p, s.n);
    for (int i = 0; i < NAMES; i++) {
        const val *there = val_index_get(meta, (struct slice){ key, s.n });
        if (!there) val_index_set(meta, &j->out->zone, (struct slice){ key, s.n }, val_copy(&j->out->zone, &kv->val));
        if (!there || val_equal(there, &kv->val)) return 0;
        key[s.n++] = '_';
    }
    return import_reject(j, "too many values of one name in meta");
}

/* "meta" of the row itself, and what nobody used. */
static int put_rest(struct import_job *j)
{
    const val *own = import_use(j, "meta"), *map = j->row.map;
    struct val_index meta;
    int bad = 0;
    val_index_open(&meta, val_set_map(&j->out->zone, &j->out->root, "meta"));
    if (own && own->type == MSGPACK_OBJECT_MAP)
        for (uint32_t i = 0; i < own->via.map.size && !bad; i++) bad = keep(j, &meta, &own->via.map.ptr[i]);
    for (uint32_t i = 0; i < map->via.map.size && !bad; i++)
        if (i >= TICKS || !j->row.used[i]) bad = keep(j, &meta, &map->via.map.ptr[i]);
    val_index_close(&meta);
    return bad;
}

/* The row is a record; its images alone may be elsewhere now. */
static int import_whole(struct import_job *j)
{
    j->out->root = val_copy(&j->out->zone, j->row.map);
    const val *images = val_get(&j->out->root, "images");
    for (int i = 0; i < val_len(images); i++) {
        val *image = val_at(images, i);
        struct slice name;
        if (!import_text(val_get(image, "ref"), &name)) continue;
        val_remove(image, "ref");
        if (name_image(j, name, image)) return -1;
    }
    return 0;
}

int import_row(const struct import_cfg *c, const struct record *row, struct record *out, const char **why)
{
    struct import_job j = { .cfg = c, .row.map = &row->root, .out = out };
    rec_clear(out);
    out->number = row->number;
    if (c->form->whole) {
        int status = import_whole(&j);
        *why = j.why;
        return status;
    }
    put_id(&j);
    put_gold(&j);
    int bad = put_images(&j) || put_choices(&j) || c->form->read(&j);
    if (put_rest(&j)) bad = -1;
    val *meta = val_get(&out->root, "meta");
    if (meta && meta->type == MSGPACK_OBJECT_MAP && !meta->via.map.size) val_remove(&out->root, "meta");
    arena_free(&j.a);
    *why = j.why;
    return bad ? -1 : 0;
}
