/* SPDX-License-Identifier: Apache-2.0
 * libsentencepiece seen from C: a model read from memory, its pieces, and encoding. The only C++ of the project is behind
 * this. Private to text/.
 */
#ifndef TEXT_SENTENCE_H
#define TEXT_SENTENCE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { SENTENCE_WHY = 160 };                   /* room of a message */

struct sentence;                               /* const after sentence_open: any number of threads may use it */
struct sentence *sentence_open(const void *model, size_t n, char why[SENTENCE_WHY]);     /* NULL: why says it */
void sentence_free(struct sentence *s);        /* NULL is fine */

/* kind: enum tok_type of tokenizer.h, TOK_NORMAL also for user-defined pieces. p is borrowed from s. */
struct sentence_unit { const char *p; size_t n; float score; int kind; };
int sentence_size(const struct sentence *s);
struct sentence_unit sentence_piece(const struct sentence *s, int id);

/* put(arg, id, begin) for each piece of the text; begin: its first byte in it. -1: why says it. */
int sentence_encode(const struct sentence *s, const char *text, size_t n, void (*put)(void *arg, uint32_t id, size_t begin), void *arg,
                    char why[SENTENCE_WHY]);

#ifdef __cplusplus
}
#endif
#endif
