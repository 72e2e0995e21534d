/* SPDX-License-Identifier: Apache-2.0
 * JSON documents (config.json, tokenizer.json, schemas) by jansson: parsed whole, strictly (no key twice, nesting at
 * most JSON_DEPTH), errors with line and column. Values are jansson's own json_t; what follows saves the checks.
 *
 *     json_t *doc = json_file("model/config.json", 1 << 20);               NULL + fail()
 *     int layers;
 *     if (json_get_int(doc, "num_hidden_layers", 1, 1000, &layers)) ...    "num_hidden_layers: want a whole number"
 *     json_decref(doc);
 */
#ifndef STORE_JSON_H
#define STORE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

enum { JSON_DEPTH = 64 };

json_t *json_parse(const char *text, size_t n, const char *name);     /* caller json_decref; NULL + fail("name: line ...") */
json_t *json_file(const char *path, size_t max_bytes);
MUST_USE int json_save(const json_t *doc, const char *path);          /* indented, keys in their order; atomic */

/* The member `key` of an object. Absent (or null) or of another type: -1 and "key: want ...", *out unchanged. */
MUST_USE int json_get_int(const json_t *obj, const char *key, int64_t lo, int64_t hi, int *out);   /* within [lo, hi] */
MUST_USE int json_get_f64(const json_t *obj, const char *key, double *out);                        /* any number */
MUST_USE int json_get_bool(const json_t *obj, const char *key, bool *out);
MUST_USE int json_get_str(const json_t *obj, const char *key, const char **out);                   /* borrowed from obj */
MUST_USE int json_get_array(const json_t *obj, const char *key, json_t **out);                     /* borrowed from obj */
MUST_USE int json_get_object(const json_t *obj, const char *key, json_t **out);                    /* borrowed from obj */

/* The same for members that may be absent or null: *out keeps its value then; another type is still an error. */
MUST_USE int json_opt_int(const json_t *obj, const char *key, int64_t lo, int64_t hi, int *out);
MUST_USE int json_opt_f64(const json_t *obj, const char *key, double *out);
MUST_USE int json_opt_bool(const json_t *obj, const char *key, bool *out);
MUST_USE int json_opt_str(const json_t *obj, const char *key, const char **out);

#endif
