/* SPDX-License-Identifier: Apache-2.0
 * What the benchmarks' scorers take from Python: text, numbers and the random generator, to the last digit.
 *
 *     float(s)      white space around it is dropped; a sign; digits, with single underscores between them; ".5", "5.",
 *                   exponents; "inf", "infinity", "nan" in any case. No thousands commas, no "$", no "%". Too large: inf
 *     int(s)        the same with digits alone: "2.0" is none
 *     round(x, n)   the exact binary value, correctly rounded, ties to even: 2.675 -> 2.67, 0.125 -> 0.12
 *     str(x)        the fewest digits that read back to x, with ".0" or, below 1e-4 and from 1e16 on, an exponent
 *
 * Texts are valid UTF-8 (records hold no others). White space, lower case and digits are Unicode's. What is made is in the
 * arena.
 */
#ifndef BENCH_PY_H
#define BENCH_PY_H

#include <stdbool.h>
#include <stdint.h>
#include "base/mem.h"

/* ---- text ---- */

struct slice py_text(const char *s);                                /* of a C string */
bool   py_same(struct slice a, struct slice b);
bool   py_starts(struct slice s, const char *with);
bool   py_ends(struct slice s, const char *with);
/* Offset of the first, the last occurrence; -1: none. The empty text occurs at the beginning and at the end. */
long   py_find(struct slice s, struct slice what);
long   py_rfind(struct slice s, struct slice what);
long   py_count(struct slice s, struct slice what);                 /* not overlapping; what is not empty */
struct slice py_strip(struct slice s);                              /* without white space at both ends */
struct slice py_strip_chars(struct slice s, const char *set);       /* without the ASCII characters of the set */
bool   py_is_space(uint32_t c);
size_t py_length(struct slice s);                                   /* code points */
struct slice py_lower(struct arena *a, struct slice s);
struct slice py_title(struct arena *a, struct slice s);             /* "it's 2x" -> "It'S 2X" */
struct slice py_replace(struct arena *a, struct slice s, const char *chars, char with);   /* each of the ASCII characters */
struct slice py_without(struct arena *a, struct slice s, char c);
/* The next piece between runs of white space; false at the end. *s becomes what is left. */
bool   py_word(struct slice *s, struct slice *word);
/* The text of a list, "['a', 2014]": takes the brackets off; false: it is none. Then each item as str() of it, with quotes
 * and escapes undone; false behind the last, or where there is none (then *rest is not empty). */
bool   py_list(struct slice *s);
bool   py_list_item(struct arena *a, struct slice *rest, struct slice *item);
/* Unit costs, over code points. */
size_t py_levenshtein(struct slice a, struct slice b);

/* ---- numbers ---- */

bool   py_float(struct slice s, double *x);
bool   py_int(struct arena *a, struct slice s, struct slice *text); /* text: str(int(s)), of any size */
/* str(int(x)), towards zero; false for infinities and NaN. */
bool   py_truncate(struct arena *a, double x, struct slice *text);
double py_round(double x, int decimals);                            /* decimals >= 0 */
struct slice py_float_text(struct arena *a, double x);

/* ---- random.Random: MT19937 seeded by init_by_array of the seed's 32-bit words ---- */

enum { PY_RANDOM_WORDS = 624 };
struct py_random { uint32_t w[PY_RANDOM_WORDS]; int at; };
void     py_seed(struct py_random *r, uint64_t seed);
uint32_t py_random32(struct py_random *r);
/* random.choice among n >= 1: bits(n) bits of an output until they are below n. */
int      py_choice(struct py_random *r, int n);

#endif
