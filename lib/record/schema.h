/* SPDX-License-Identifier: Apache-2.0
 * The schemas (schemas/KIND.json, JSON Schema draft 2020-12) that records are held to; the files are compiled in.
 * Records are looked at in their JSON form (jsonl.h), so any other validator judges the JSON lines alike.
 *
 *     struct schemas *s = schemas_new();
 *     if (schemas_check(s, record)) ...              "/path/steps/2/score: want number or null"
 *
 * The keywords understood: $ref to a definition here or in another of the files, type, enum, required, properties,
 * additionalProperties, items, minItems, maxItems, minimum, maximum, minLength, anyOf, allOf. Others are refused when loading.
 */
#ifndef RECORD_SCHEMA_H
#define RECORD_SCHEMA_H

#include "record/record.h"

struct schemas;
struct schemas *schemas_new(void);                                     /* NULL + fail() */
void schemas_free(struct schemas *s);                                  /* NULL is fine */
/* The record against the schema of its kind: 0, or -1 with the place as a JSON pointer. Safe from several threads. */
MUST_USE int schemas_check(const struct schemas *s, const struct record *r);
const char *schema_text(enum rec_kind kind, size_t *n);                /* the file */

#endif
