/* SPDX-License-Identifier: Apache-2.0
 * Memory: allocation that cannot fail quietly, growable bytes, arenas.
 * Small host allocations abort with one line when memory is out (nothing sensible can follow); sizes that come
 * from input must be bounded by the caller before they get here, and large ones use mem_try.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

void *mem_alloc(size_t n);                       /* zeroed; caller frees with free() */
void *mem_array(size_t n, size_t size);          /* n * size zeroed bytes, overflow checked */
void *mem_grow(void *p, size_t n, size_t size);  /* realloc to n * size bytes */
char *mem_str(const char *s);                    /* strdup */
char *mem_strn(const char *s, size_t n);
char *mem_fmt(const char *fmt, ...) PRINTF_LIKE(1, 2);
void *mem_try(size_t n, const char *what);       /* zeroed, 64-byte aligned, freed with free(); NULL + fail() */

/* Growable bytes. Always followed by a NUL that is not counted. Zero-initialise; buf_free when done. */
struct buf { char *p; size_t len, cap; };
void  buf_need(struct buf *b, size_t more);      /* room for `more` bytes behind len */
void  buf_add(struct buf *b, const void *p, size_t n);
void  buf_str(struct buf *b, const char *s);
void  buf_byte(struct buf *b, char c);
void  buf_fmt(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void  buf_clear(struct buf *b);                  /* len = 0, memory kept */
void  buf_free(struct buf *b);

/* Bump allocation, freed in one go. Zero-initialise. Pointers stay valid until arena_reset / arena_free. */
struct arena { struct arena_block *head; size_t block; };
void *arena_alloc(struct arena *a, size_t n);    /* zeroed, 16-byte aligned */
void *arena_dup(struct arena *a, const void *p, size_t n);
char *arena_str(struct arena *a, const char *s, size_t n);   /* NUL added */
void  arena_reset(struct arena *a);              /* keeps one block */
void  arena_free(struct arena *a);

/* A piece of text owned by someone else; not NUL-terminated. */
struct slice { const char *p; size_t n; };
/* A range of indices, end excluded. */
struct span { int begin, end; };

#define countof(a) ((int)(sizeof(a) / sizeof((a)[0])))
#define mem_min(a, b) ((a) < (b) ? (a) : (b))
#define mem_max(a, b) ((a) > (b) ? (a) : (b))

#endif
