/* SPDX-License-Identifier: Apache-2.0
 * Pre-tokenizers: a text is cut into words before byte-pair encoding. Patterns are Oniguruma's as tokenizer.json holds
 * them, run by PCRE2. Private to text/.
 */
#ifndef TEXT_SPLIT_H
#define TEXT_SPLIT_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdbool.h>
#include "base/mem.h"

extern const char split_gpt2[];                        /* the pattern of GPT-2, ByteLevel's own */

/* What becomes of the pieces a pattern matches, as `tokenizers` names it. */
enum split_how { SPLIT_ISOLATED, SPLIT_REMOVED, SPLIT_PREVIOUS, SPLIT_NEXT, SPLIT_CONTIGUOUS };

struct split_stage {
    pcre2_code *code;                                  /* NULL: the stage only puts a space in front */
    char *pattern;                                     /* as given, for the digest; "" for a space */
    enum split_how how;
    bool invert;                                       /* the pattern describes what stands between matches */
};
struct splitter { struct split_stage *stage; int n; };

MUST_USE int splitter_add(struct splitter *s, const char *pattern, size_t n, enum split_how how, bool invert);
void splitter_add_space(struct splitter *s);           /* add_prefix_space */
void splitter_free(struct splitter *s);

/* Words of a text: p has n bytes, the first of which (behind `lead` made-up ones) is byte `at` of the text. */
struct word { const char *p; size_t n, at; uint8_t lead; };
struct split_work {
    struct word *word, *next;
    size_t n, nnext, cap, next_cap;
    pcre2_match_data *match;
    pcre2_match_context *limits;
};
void split_work_free(struct split_work *w);

/* Leaves the words in w->word[0..w->n). Strings live in text or in the arena. text is valid UTF-8. */
MUST_USE int split_text(const struct splitter *s, struct split_work *w, struct arena *a, const char *text, size_t n);

#endif
