/* SPDX-License-Identifier: Apache-2.0 */
#include "record/schema.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "store/json.h"

enum { KINDS = 3 };
static const char *const file_name[KINDS] = { "sample.json", "path.json", "pair.json" };

struct schemas { json_t *doc[KINDS]; };

/* A place in the record, for messages: a list from the inside out, on the stack. */
struct place { const struct place *up; const char *key; size_t nkey; int index; };      /* key NULL: index */

struct checker { const struct schemas *all; msgpack_zone *zone; };     /* zone: of values made for their JSON form */

static int check(const struct checker *c, int file, const json_t *schema, const val *v, const struct place *at);

/* ---- messages ---- */

static void put_place(const struct place *p, struct buf *b)
{
    if (!p) return;
    put_place(p->up, b);
    buf_byte(b, '/');
    if (!p->key) { buf_fmt(b, "%d", p->index); return; }
    for (size_t i = 0; i < p->nkey; i++) {                             /* RFC 6901 */
        if (p->key[i] == '~') buf_str(b, "~0");
        else if (p->key[i] == '/') buf_str(b, "~1");
        else buf_byte(b, p->key[i]);
    }
}

static int wrong(const struct place *at, const char *fmt, ...) PRINTF_LIKE(2, 3);
static int wrong(const struct place *at, const char *fmt, ...)
{
    struct buf place = {0};
    char text[256];
    va_list ap;
    put_place(at, &place);
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fail("%s: %s", place.len ? place.p : "/", text);
    buf_free(&place);
    return -1;
}

/* ---- references ---- */

/* "#/$defs/x", "file.json", "file.json#/$defs/x": the schema, *file where it stands. NULL: there is none. */
static const json_t *resolve(const struct schemas *s, const char *ref, int *file)
{
    size_t n = strcspn(ref, "#");
    int k = n ? 0 : *file;
    while (n && k < KINDS && (strlen(file_name[k]) != n || memcmp(file_name[k], ref, n))) k++;
    if (k == KINDS) return NULL;
    *file = k;
    if (!ref[n]) return s->doc[k];
    if (strncmp(ref + n, "#/$defs/", 8)) return NULL;
    return json_object_get(json_object_get(s->doc[k], "$defs"), ref + n + 8);
}

/* ---- the JSON form of what JSON has not ---- */

static val numbers(msgpack_zone *z, const val *ext)
{
    const uint32_t *u;
    const float *f;
    size_t n;
    bool single = !val_u32s(ext, &u, &n) && val_f32s(ext, &f, &n);
    val a = val_array(z, (int)(ext->via.ext.size / 4));
    for (int i = 0; i < val_len(&a); i++) {
        if (!single) *val_at(&a, i) = val_of_i64(u[i]);
        else *val_at(&a, i) = isfinite(f[i]) ? val_of_f64((double)f[i]) : val_of_cstr(z, isnan(f[i]) ? "nan" : f[i] < 0 ? "-inf" : "inf");
    }
    return a;
}

/* v as it stands in JSON: itself, or the map {"$...": ...}; the text of bytes and large numbers is left empty, since
 * no schema says anything about it. *form: it is such a map, whose key is no key of the user's. */
static val json_form(const struct checker *c, const val *v, bool *form)
{
    const char *key = NULL;
    val inner = { .type = MSGPACK_OBJECT_STR };
    inner.via.str.ptr = "";
    if (v->type == MSGPACK_OBJECT_BIN) key = "$bin";
    else if (v->type == MSGPACK_OBJECT_POSITIVE_INTEGER && v->via.u64 > INT64_MAX) key = "$uint";
    else if ((v->type == MSGPACK_OBJECT_FLOAT64 || v->type == MSGPACK_OBJECT_FLOAT32) && !isfinite(v->via.f64)) key = "$float";
    else if (v->type == MSGPACK_OBJECT_EXT) {
        key = v->via.ext.type == EXT_U32 ? "$u32" : "$f32";
        inner = numbers(c->zone, v);
    }
    *form = key != NULL;
    if (!key) return *v;
    val m = val_map();
    val_set(c->zone, &m, key, inner);
    return m;
}

/* ---- keywords ---- */

static bool has_type(const val *v, const char *t)
{
    int64_t i;
    double x;
    switch (t[0]) {
    case 's': return v->type == MSGPACK_OBJECT_STR;
    case 'o': return v->type == MSGPACK_OBJECT_MAP;
    case 'a': return v->type == MSGPACK_OBJECT_ARRAY;
    case 'b': return v->type == MSGPACK_OBJECT_BOOLEAN;
    case 'i': return val_i64(v, &i);
    default: return !strcmp(t, "null") ? v->type == MSGPACK_OBJECT_NIL : val_f64(v, &x);
    }
}

static int check_type(const json_t *type, const val *v, const struct place *at)
{
    struct buf names = {0};
    size_t n = json_is_array(type) ? json_array_size(type) : 1;
    for (size_t i = 0; i < n; i++) {
        const char *t = json_string_value(json_is_array(type) ? json_array_get(type, i) : type);
        if (has_type(v, t)) { buf_free(&names); return 0; }
        buf_fmt(&names, "%s%s", i ? " or " : "", t);
    }
    wrong(at, "want %s", names.p);
    buf_free(&names);
    return -1;
}

static int check_enum(const json_t *words, const val *v, const struct place *at)
{
    struct buf names = {0};
    for (size_t i = 0; i < json_array_size(words); i++) {
        const char *w = json_string_value(json_array_get(words, i));
        if (val_is_str(v, w)) { buf_free(&names); return 0; }
        buf_fmt(&names, "%s%s", i ? ", " : "", w);
    }
    wrong(at, "want one of %s", names.p);
    buf_free(&names);
    return -1;
}

static int check_required(const json_t *keys, const val *v, bool form, const struct place *at)
{
    if (v->type != MSGPACK_OBJECT_MAP) return 0;
    for (size_t i = 0; i < json_array_size(keys); i++) {
        const char *key = json_string_value(json_array_get(keys, i));
        if (!val_get(v, key) || (key[0] == '$' && !form)) return wrong(at, "no \"%s\"", key);
    }
    return 0;
}

/* The schema of a member: its own among the properties, else that of the additional ones; NULL: anything goes. */
static const json_t *member_schema(const json_t *schema, const char *key, size_t n, bool form)
{
    char name[64];
    const json_t *p = NULL;
    if (n < sizeof name && (form || key[0] != '$') && !memchr(key, 0, n)) {
        memcpy(name, key, n);
        name[n] = 0;
        p = json_object_get(json_object_get(schema, "properties"), name);
    }
    return p ? p : json_object_get(schema, "additionalProperties");
}

static int check_members(const struct checker *c, int file, const json_t *schema, const val *v, bool form, const struct place *at)
{
    if (v->type != MSGPACK_OBJECT_MAP) return 0;
    for (uint32_t i = 0; i < v->via.map.size; i++) {
        const msgpack_object_kv *kv = &v->via.map.ptr[i];
        struct place in = { at, kv->key.via.str.ptr, kv->key.via.str.size, 0 };
        const json_t *s = member_schema(schema, in.key, in.nkey, form);
        if (json_is_false(s)) return wrong(&in, "no such key is known here");
        if (s && check(c, file, s, &kv->val, &in)) return -1;
    }
    return 0;
}

static int check_items(const struct checker *c, int file, const json_t *schema, const val *v, const struct place *at)
{
    if (v->type != MSGPACK_OBJECT_ARRAY) return 0;
    const json_t *items = json_object_get(schema, "items"), *least = json_object_get(schema, "minItems"),
                 *most = json_object_get(schema, "maxItems");
    if (least && val_len(v) < json_integer_value(least)) return wrong(at, "want at least %d items", (int)json_integer_value(least));
    if (most && val_len(v) > json_integer_value(most)) return wrong(at, "want at most %d items", (int)json_integer_value(most));
    for (int i = 0; items && i < val_len(v); i++) {
        struct place in = { at, NULL, 0, i };
        if (check(c, file, items, val_at(v, i), &in)) return -1;
    }
    return 0;
}

static int check_bounds(const json_t *schema, const val *v, const struct place *at)
{
    const json_t *lo = json_object_get(schema, "minimum"), *hi = json_object_get(schema, "maximum"),
                 *least = json_object_get(schema, "minLength");
    double x;
    if ((lo || hi) && val_f64(v, &x)) {
        if (lo && x < json_number_value(lo)) return wrong(at, "want at least %.15g", json_number_value(lo));
        if (hi && x > json_number_value(hi)) return wrong(at, "want at most %.15g", json_number_value(hi));
    }
    if (!least || v->type != MSGPACK_OBJECT_STR) return 0;
    json_int_t chars = 0;
    for (uint32_t i = 0; i < v->via.str.size; i++) chars += (v->via.str.ptr[i] & 0xc0) != 0x80;
    return chars < json_integer_value(least) ? wrong(at, "want at least %d characters", (int)json_integer_value(least)) : 0;
}

static int check_any(const struct checker *c, int file, const json_t *any, const val *v, const struct place *at)
{
    for (size_t i = 0; i < json_array_size(any); i++)
        if (check(c, file, json_array_get(any, i), v, at) == 0) return 0;
    char last[256];
    snprintf(last, sizeof last, "%s", err_msg());
    return wrong(at, "none of %d forms fits; of the last: %s", (int)json_array_size(any), last);
}

static int check_all(const struct checker *c, int file, const json_t *all, const val *v, const struct place *at)
{
    for (size_t i = 0; i < json_array_size(all); i++)
        if (check(c, file, json_array_get(all, i), v, at)) return -1;
    return 0;
}

static int check(const struct checker *c, int file, const json_t *s, const val *in, const struct place *at)
{
    const json_t *k;
    bool form;
    val v = json_form(c, in, &form);
    if ((k = json_object_get(s, "$ref"))) {
        int there = file;
        const json_t *target = resolve(c->all, json_string_value(k), &there);
        if (check(c, there, target, in, at)) return -1;
    }
    if ((k = json_object_get(s, "type")) && check_type(k, &v, at)) return -1;
    if ((k = json_object_get(s, "enum")) && check_enum(k, &v, at)) return -1;
    if ((k = json_object_get(s, "allOf")) && check_all(c, file, k, in, at)) return -1;
    if ((k = json_object_get(s, "required")) && check_required(k, &v, form, at)) return -1;
    if (check_bounds(s, &v, at) || check_items(c, file, s, &v, at)) return -1;
    if (check_members(c, file, s, &v, form, at)) return -1;
    if ((k = json_object_get(s, "anyOf")) && check_any(c, file, k, in, at)) return -1;
    return 0;
}

int schemas_check(const struct schemas *s, const struct record *r)
{
    msgpack_zone zone;
    if (!msgpack_zone_init(&zone, 4096)) return fail("out of memory");
    struct checker c = { s, &zone };
    int kind = (int)rec_kind_of(r), bad = check(&c, kind, s->doc[kind], &r->root, NULL);
    msgpack_zone_destroy(&zone);
    return bad ? -1 : 0;
}

/* ---- loading: what the checker takes for granted ---- */

static int load_check(const struct schemas *s, int file, const json_t *schema);

static int load_list(const struct schemas *s, int file, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (load_check(s, file, json_array_get(list, i))) return -1;
    return json_is_array(list) ? 0 : fail("want an array of schemas");
}

static int load_members(const struct schemas *s, int file, const json_t *members)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)members, key, v)
        if (load_check(s, file, v)) return fail_in("%s", key);
    return json_is_object(members) ? 0 : fail("want an object of schemas");
}

static bool words(const json_t *v)             /* a string, or an array of strings */
{
    for (size_t i = 0; i < json_array_size(v); i++) if (!json_is_string(json_array_get(v, i))) return false;
    return json_is_string(v) || json_is_array(v);
}

static int load_keyword(const struct schemas *s, int file, const char *key, const json_t *v)
{
    static const char *const said[] = { "$schema", "$id", "title", "description" };
    static const char *const number[] = { "minItems", "maxItems", "minimum", "maximum", "minLength" };
    for (int i = 0; i < countof(said); i++) if (!strcmp(key, said[i])) return 0;
    for (int i = 0; i < countof(number); i++) if (!strcmp(key, number[i])) return json_is_number(v) ? 0 : fail("want a number");
    if (!strcmp(key, "$defs") || !strcmp(key, "properties")) return load_members(s, file, v);
    if (!strcmp(key, "anyOf") || !strcmp(key, "allOf")) return load_list(s, file, v);
    if (!strcmp(key, "items")) return load_check(s, file, v);
    if (!strcmp(key, "additionalProperties")) return json_is_false(v) ? 0 : load_check(s, file, v);
    if (!strcmp(key, "type")) return words(v) ? 0 : fail("want words");
    if (!strcmp(key, "enum") || !strcmp(key, "required")) return json_is_array(v) && words(v) ? 0 : fail("want an array of words");
    if (strcmp(key, "$ref")) return fail("no such keyword");
    return json_is_string(v) && resolve(s, json_string_value(v), &file) ? 0 : fail("refers to nothing");
}

static int load_check(const struct schemas *s, int file, const json_t *schema)
{
    const char *key;
    json_t *v;
    if (!json_is_object(schema)) return fail("a schema is an object");
    json_object_foreach((json_t *)(uintptr_t)schema, key, v)
        if (load_keyword(s, file, key, v)) return fail_in("%s", key);
    return 0;
}

struct schemas *schemas_new(void)
{
    struct schemas *s = mem_alloc(sizeof *s);
    int bad = 0;
    for (int i = 0; i < KINDS && !bad; i++) {
        size_t n;
        const char *text = schema_text((enum rec_kind)i, &n);
        s->doc[i] = json_parse(text, n, file_name[i]);
        bad = s->doc[i] == NULL;
    }
    for (int i = 0; i < KINDS && !bad; i++)
        if (load_check(s, i, s->doc[i])) bad = fail_in("%s", file_name[i]);
    if (!bad) return s;
    schemas_free(s);
    return NULL;
}

void schemas_free(struct schemas *s)
{
    for (int i = 0; s && i < KINDS; i++) json_decref(s->doc[i]);
    free(s);
}
