/* SPDX-License-Identifier: Apache-2.0 */
#include "store/json.h"

#include <stdlib.h>
#include <string.h>
#include "base/file.h"

/* jansson's own limit on nesting is 2048, set when it was built; this one is ours. */
static int check_depth(const char *s, size_t n, const char *name)
{
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        if (in_string && c == '\\') i++;
        else if (c == '"') in_string = !in_string;
        else if (in_string) continue;
        else if (c == '[' || c == '{') { if (++depth > JSON_DEPTH) return fail("%s: nested deeper than %d", name, JSON_DEPTH); }
        else if (c == ']' || c == '}') depth--;
    }
    return 0;
}

json_t *json_parse(const char *text, size_t n, const char *name)
{
    if (check_depth(text, n, name)) return NULL;
    json_error_t e;
    json_t *doc = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
    if (!doc) return fail_null("%s: line %d, column %d: %s", name, e.line, e.column, e.text);
    return doc;
}

json_t *json_file(const char *path, size_t max_bytes)
{
    struct buf b = {0};
    json_t *doc = file_read(path, max_bytes, &b) ? NULL : json_parse(b.p ? b.p : "", b.len, path);
    buf_free(&b);
    return doc;
}

int json_save(const json_t *doc, const char *path)
{
    char *text = json_dumps(doc, JSON_INDENT(2) | JSON_REAL_PRECISION(17) | JSON_ENCODE_ANY);
    if (!text) return fail("%s: this document has no JSON form", path);
    struct buf b = {0};
    buf_str(&b, text);
    buf_byte(&b, '\n');
    free(text);
    int bad = file_write(path, b.p, b.len);
    buf_free(&b);
    return bad;
}

static json_t *member(const json_t *obj, const char *key)      /* NULL: absent or null */
{
    json_t *v = json_object_get(obj, key);
    return json_is_null(v) ? NULL : v;
}

static int absent(const char *key, const char *want) { return fail("%s: absent, want %s", key, want); }

int json_opt_int(const json_t *obj, const char *key, int64_t lo, int64_t hi, int *out)
{
    const json_t *v = member(obj, key);
    if (!v) return 0;
    if (!json_is_integer(v)) return fail("%s: want a whole number", key);
    int64_t x = json_integer_value(v);
    if (x < lo || x > hi || x != (int)x)
        return fail("%s: %lld is not within %lld and %lld", key, (long long)x, (long long)lo, (long long)hi);
    *out = (int)x;
    return 0;
}

int json_opt_f64(const json_t *obj, const char *key, double *out)
{
    const json_t *v = member(obj, key);
    if (!v) return 0;
    if (!json_is_number(v)) return fail("%s: want a number", key);
    *out = json_number_value(v);
    return 0;
}

int json_opt_bool(const json_t *obj, const char *key, bool *out)
{
    const json_t *v = member(obj, key);
    if (!v) return 0;
    if (!json_is_boolean(v)) return fail("%s: want true or false", key);
    *out = json_is_true(v);
    return 0;
}

int json_opt_str(const json_t *obj, const char *key, const char **out)
{
    const json_t *v = member(obj, key);
    if (!v) return 0;
    if (!json_is_string(v)) return fail("%s: want a string", key);
    if (strlen(json_string_value(v)) != json_string_length(v)) return fail("%s: a NUL inside the string", key);
    *out = json_string_value(v);
    return 0;
}

int json_get_int(const json_t *obj, const char *key, int64_t lo, int64_t hi, int *out)
{
    return member(obj, key) ? json_opt_int(obj, key, lo, hi, out) : absent(key, "a whole number");
}

int json_get_f64(const json_t *obj, const char *key, double *out)
{
    return member(obj, key) ? json_opt_f64(obj, key, out) : absent(key, "a number");
}

int json_get_bool(const json_t *obj, const char *key, bool *out)
{
    return member(obj, key) ? json_opt_bool(obj, key, out) : absent(key, "true or false");
}

int json_get_str(const json_t *obj, const char *key, const char **out)
{
    return member(obj, key) ? json_opt_str(obj, key, out) : absent(key, "a string");
}

int json_get_array(const json_t *obj, const char *key, json_t **out)
{
    json_t *v = member(obj, key);
    if (!v) return absent(key, "an array");
    if (!json_is_array(v)) return fail("%s: want an array", key);
    *out = v;
    return 0;
}

int json_get_object(const json_t *obj, const char *key, json_t **out)
{
    json_t *v = member(obj, key);
    if (!v) return absent(key, "an object");
    if (!json_is_object(v)) return fail("%s: want an object", key);
    *out = v;
    return 0;
}
