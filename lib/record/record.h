/* SPDX-License-Identifier: Apache-2.0
 * The record stream (msgpack). A stream is  header, record*, trailer  and streams may follow one another (cat).
 *
 *   header   {"cos": 1, "kind": "header", "provenance": [{"program","version","args":[..],"seed","model"}, ..]}
 *   record   one map; sample | path | pair by its keys (a pair has "chosen" and "rejected", a path has "path")
 *   trailer  {"cos": 1, "kind": "trailer", "count": n}
 *
 * Values are msgpack-c objects in the record's zone; unknown keys stay where they are. Strings are valid UTF-8,
 * map keys are strings, nesting is at most REC_DEPTH. Numeric arrays (tokens, log-probabilities) are ext types:
 * EXT_U32 and EXT_F32, little-endian, length a multiple of 4.
 *
 *     struct rec_reader *in = rec_reader_new(stdin, "stdin");  struct rec_writer *out = rec_writer_new(stdout, "stdout");
 *     struct rec_prov me = { .program = "cos-select", ... };
 *     struct record *r = rec_new();
 *     while ((s = rec_read(in, r)) > 0) { ...; if (rec_write(out, r)) break; }
 *     if (s == 0) rec_writer_close(out);
 *
 * A record whose bytes were read is checked before msgpack-c sees it, so counts that a hostile stream declares allocate
 * nothing. float32 scalars are widened to float64. The top-level key "cos" is reserved.
 */
#ifndef RECORD_RECORD_H
#define RECORD_RECORD_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "base/names.h"

enum { REC_VERSION = 1, REC_DEPTH = 32, EXT_U32 = 1, EXT_F32 = 2 };
enum { REC_MAX = 256 << 20 };                  /* bytes of one packed record, inline images included */
enum rec_kind { REC_SAMPLE, REC_PATH, REC_PAIR };

typedef msgpack_object val;                    /* borrowed from a record's zone unless said otherwise */

struct record {
    msgpack_zone zone;                         /* owns every value below */
    val root;                                  /* a map */
    uint64_t number;                           /* 1.. in the input, counted over all streams */
    uint32_t stream;                           /* for programs with several inputs: under whose provenance it was read; 0: none */
};
struct record *rec_new(void);
void rec_free(struct record *r);
void rec_clear(struct record *r);              /* an empty map, number and stream 0, memory reused */
struct record *rec_copy(const struct record *r);           /* deep copy; caller frees */
enum rec_kind rec_kind_of(const struct record *r);
const char *rec_label(const struct record *r, char *buf, size_t n);   /* "record 17 (id chart/5)" for messages */

/* ---- reading values: NULL / false / default when absent or of another type ---- */
val        *val_get(const val *map, const char *key);       /* the value, changeable in place */
val        *val_path(const val *map, const char *dotted);   /* "path.answer_score"; "path.steps" */
bool        val_str(const val *v, const char **s, size_t *n);          /* not NUL-terminated */
bool        val_is_str(const val *v, const char *s);
bool        val_f64(const val *v, double *x);               /* any number */
bool        val_i64(const val *v, int64_t *x);              /* integers, and floats with an integer value */
bool        val_bool(const val *v, bool *b);
bool        val_bin(const val *v, const uint8_t **p, size_t *n);
int         val_len(const val *array);                      /* 0 if not an array */
val        *val_at(const val *array, int i);
bool        val_u32s(const val *v, const uint32_t **p, size_t *n);     /* EXT_U32; n numbers, aligned */
bool        val_f32s(const val *v, const float **p, size_t *n);        /* EXT_F32 */
bool        val_equal(const val *a, const val *b);          /* the order of map keys does not count; nan equals nan */

/* ---- building values in a zone ---- */
val val_nil(void);
val val_of_bool(bool b);
val val_of_i64(int64_t x);
val val_of_f64(double x);
val val_of_str(msgpack_zone *z, const char *s, size_t n);   /* copied; made valid UTF-8 (U+FFFD) if it is not */
val val_of_cstr(msgpack_zone *z, const char *s);
val val_of_bin(msgpack_zone *z, const void *p, size_t n);
val val_of_u32s(msgpack_zone *z, const uint32_t *p, size_t n);
val val_of_f32s(msgpack_zone *z, const float *p, size_t n);
val val_map(void);                                          /* empty */
val val_array(msgpack_zone *z, int n);                      /* n nils */
val val_copy(msgpack_zone *z, const val *v);                /* deep */
val *val_set(msgpack_zone *z, val *map, const char *key, val v);   /* replaces or appends; returns the stored value */
val *val_set_map(msgpack_zone *z, val *map, const char *key);      /* the map under key, made when absent */
/* Values on their way to an array of unknown length. Zero-initialise. */
struct val_list { val *p; uint32_t n, room; };
void val_push(msgpack_zone *z, struct val_list *l, val v);
val  val_of_list(const struct val_list *l);                  /* shares the list's memory */
/* A map found and filled by a hash of its keys: val_get and val_set go through all of them. Between open and close the map
 * is changed through the index alone. */
struct val_index { val *map; struct names names; uint32_t room; };
void val_index_open(struct val_index *x, val *map);
void val_index_close(struct val_index *x);
val *val_index_get(const struct val_index *x, struct slice key);
void val_index_set(struct val_index *x, msgpack_zone *z, struct slice key, val v);      /* replaces or appends */
bool val_remove(val *map, const char *key);

/* ---- provenance ---- */
struct rec_prov { const char *program, *version, *model; int argc; char **argv; uint64_t seed; bool has_seed; };

/* ---- streams ---- */
struct rec_reader;
struct rec_reader *rec_reader_new(FILE *f, const char *name);          /* does not own f */
void rec_reader_free(struct rec_reader *in);
/* 1: a record in r (its old content is gone). 0: clean end (every stream had its trailer and the counts agree;
 * empty input with no header at all is broken, not clean). -1: broken; message with name, record number, byte offset. */
MUST_USE int rec_read(struct rec_reader *in, struct record *r);
/* Reads ahead to the first header so that provenance is known before the first record. 0 or -1. */
MUST_USE int rec_read_header(struct rec_reader *in);
const val *rec_reader_header(const struct rec_reader *in);             /* newest header seen; NULL before */
uint64_t rec_reader_count(const struct rec_reader *in);                /* records read so far */
uint64_t rec_reader_streams(const struct rec_reader *in);              /* headers read so far: grows when a new one begins */
bool rec_reader_cut(const struct rec_reader *in);                      /* the last failure: the input ended too early, all before is whole */

struct rec_writer;
struct rec_writer *rec_writer_new(FILE *f, const char *name);          /* does not own f */
/* Writes the header: the provenance chain of `in` (NULL: none) with `me` added (NULL: no provenance at all).
 * Called by the first rec_write with (NULL, NULL) if not before. Called again, it ends the running stream with its
 * trailer and starts another behind it, so that every record stands under its own provenance. */
MUST_USE int rec_write_header(struct rec_writer *out, const struct rec_reader *in, const struct rec_prov *me);
/* The same with the header (NULL or a map) that stood above the records. */
MUST_USE int rec_write_header_after(struct rec_writer *out, const val *header, const struct rec_prov *me);
val rec_header(msgpack_zone *z, const val *header, const struct rec_prov *me);            /* what those two write */
val rec_trailer(msgpack_zone *z, uint64_t count);
MUST_USE int rec_write(struct rec_writer *out, const struct record *r);
/* Hands on what waits to be written: for programs that are to wait themselves. */
MUST_USE int rec_writer_flush(struct rec_writer *out);
MUST_USE int rec_writer_close(struct rec_writer *out);                 /* trailer, flush, ferror; frees */
void rec_writer_abandon(struct rec_writer *out);                       /* no trailer: the reader will notice; frees */
uint64_t rec_writer_count(const struct rec_writer *out);

/* One packed record on its own, for threads that encode or decode outside the stream lock. */
MUST_USE int rec_pack(const struct record *r, struct buf *out);                           /* appends; -1: too deep or too large */
MUST_USE int rec_unpack(struct record *r, const void *p, size_t n);                       /* exactly one map; copies p */
MUST_USE int rec_check_packed(const void *p, size_t n);                                   /* would rec_unpack accept it? */
MUST_USE int rec_write_packed(struct rec_writer *out, const void *p, size_t n);           /* a packed record */
/* Appends the bytes of the next record to out: 1, 0, -1 as rec_read. Finds the record's end and no more, so that the
 * caller's threads can rec_unpack or rec_check_packed it. */
MUST_USE int rec_read_packed(struct rec_reader *in, struct buf *out, uint64_t *number);

#endif
