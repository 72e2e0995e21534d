/* SPDX-License-Identifier: Apache-2.0
 * The JSON form of records, one a line, lossless both ways:
 *
 *   nil, booleans, strings, arrays, maps   as JSON has them; the order of keys is kept
 *   integers                               1234; beyond int64 {"$uint": "18446744073709551615"}
 *   floats                                 1.0, 0.25, 1e-07: always with a point or an exponent; {"$float": "nan"}, "inf", "-inf"
 *   bytes                                  {"$bin": "base64"}
 *   EXT_U32, EXT_F32                       {"$u32": [1, 2]}, {"$f32": [0.5, "nan"]}; floats with the digits a float32 needs
 *   a key that begins with "$"             "$$..."
 *
 * Header and trailer are lines of their own. Lines without a header are accepted, too: they need no trailer.
 */
#ifndef RECORD_JSONL_H
#define RECORD_JSONL_H

#include "record/record.h"

void jsonl_put(const val *v, struct buf *out);                          /* appends, no newline */
/* Appends the msgpack of the one JSON object that s holds. -1: "column 17: ...". Not checked for keys that occur twice
 * nor for UTF-8: rec_check_packed and rec_unpack do. */
MUST_USE int jsonl_get(const char *s, size_t n, struct buf *packed);

/* Reads lines; checks header, trailer and count as rec_reader does. Blank lines are passed over. */
struct jsonl_reader;
struct jsonl_reader *jsonl_reader_new(FILE *f, const char *name);       /* does not own f */
void jsonl_reader_free(struct jsonl_reader *in);
MUST_USE int jsonl_read(struct jsonl_reader *in, const char **s, size_t *n);   /* 1: a record's line, borrowed; 0; -1 */
uint64_t jsonl_line(const struct jsonl_reader *in);                     /* number of the line read last */
const val *jsonl_header(const struct jsonl_reader *in);                 /* newest header; NULL: none so far */
uint64_t jsonl_streams(const struct jsonl_reader *in);                  /* headers so far */

#endif
