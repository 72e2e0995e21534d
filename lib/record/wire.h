/* SPDX-License-Identifier: Apache-2.0
 * Private to lib/record: msgpack one token at a time. msgpack-c makes the objects; this finds where a record ends,
 * checks what msgpack-c does not (UTF-8, string keys, no key twice, known ext types) before it allocates for counts
 * that a hostile stream declares, and writes tokens in their shortest form.
 */
#ifndef RECORD_WIRE_H
#define RECORD_WIRE_H

#include <stdbool.h>
#include <string.h>
#include <sys/types.h>
#include "record/record.h"

enum wire_type { W_NIL, W_BOOL, W_INT, W_UINT, W_F32, W_F64, W_STR, W_BIN, W_EXT, W_ARRAY, W_MAP };

struct wire_token {
    enum wire_type type;
    union { bool b; int64_t i; uint64_t u; double f; } x;   /* W_INT: below zero; W_UINT: the others */
    const uint8_t *p;                                       /* body of str, bin, ext */
    uint32_t n;                                             /* its bytes; items of an array, pairs of a map */
    int8_t ext;
    size_t size;                                            /* bytes with the body; of containers the head alone */
};
/* 1: a token. 0: more bytes are needed, t->size in all as far as is known. -1: no such byte in msgpack. */
int wire_next(const uint8_t *p, size_t n, struct wire_token *t);

/* Where does the record starting at p end? Zero-initialise; call again with more bytes after a 0. */
struct wire_extent { uint64_t left[REC_DEPTH]; int depth; size_t at; size_t need; };
MUST_USE int wire_extent(struct wire_extent *e, const uint8_t *p, size_t n);     /* 1: e->at bytes; 0: more; -1: fail */

/* Checks one whole record of n bytes. found: which of the types that need work after unpacking occur. */
enum { WIRE_HAS_EXT = 1, WIRE_HAS_F32 = 2, WIRE_CONTROL = 4 /* in: header or trailer, "cos" is allowed */ };
MUST_USE int wire_check(const uint8_t *p, size_t n, int flags, int *found);
bool wire_is_control(const uint8_t *p, size_t n);           /* is "cos" the first key? */
MUST_USE int rec_unpack_control(struct record *r, const void *p, size_t n);   /* rec_unpack of a header or trailer */

/* read(2) where there is a descriptor: it returns what is there, so a slow program upstream is seen at once; else fread.
 * Bytes, 0 at the end, -1 with errno. */
ssize_t wire_read(FILE *f, void *p, size_t n);

/* Eight bytes of JSON text without a control character, a quote or a backslash? (SWAR: a zero byte of x has its top
 * bit set in (x - 01..) & ~x; a byte below 0x20 likewise for x - 20..) */
static inline bool wire_plain8(const char *s)
{
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    uint64_t w;
    memcpy(&w, s, 8);
    uint64_t quote = w ^ ones * '"', back = w ^ ones * '\\';
    return !((((w - ones * 0x20) & ~w) | ((quote - ones) & ~quote) | ((back - ones) & ~back)) & tops);
}

void wire_put_nil(struct buf *b);
void wire_put_bool(struct buf *b, bool x);
void wire_put_i64(struct buf *b, int64_t x);
void wire_put_u64(struct buf *b, uint64_t x);
void wire_put_f64(struct buf *b, double x);
void wire_put_f32(struct buf *b, float x);
void wire_put_str(struct buf *b, const char *s, uint32_t n);
void wire_put_bin(struct buf *b, const void *p, uint32_t n);
void wire_put_ext(struct buf *b, int8_t type, const void *p, uint32_t n);
void wire_put_array(struct buf *b, uint32_t n);
void wire_put_map(struct buf *b, uint32_t n);

#endif
