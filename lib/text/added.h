/* SPDX-License-Identifier: Apache-2.0
 * Added tokens: pieces of text that become one token before anything else is done, and finding them. Private to text/.
 */
#ifndef TEXT_ADDED_H
#define TEXT_ADDED_H

#include <stdbool.h>
#include <stdint.h>
#include "base/mem.h"

struct added {
    char *content;
    size_t n;
    uint32_t id;
    bool special;
    bool single_word;                          /* only between non-word characters */
    bool lstrip, rstrip;                       /* swallows white space on that side */
    bool normalized;                           /* looked for in the normalised text, else in the raw one */
    char *pattern;                             /* what is looked for: content, normalised if `normalized` is set */
    size_t npattern;
};

/* A trie of the patterns with normalized == the flag it was built for. */
struct finder { struct finder_node *node; uint32_t n, cap; bool first[256]; };
void finder_build(struct finder *f, const struct added *a, int n, bool normalized);
void finder_free(struct finder *f);

enum { FIND_NO_SPECIAL = 1 };                  /* special tokens are matched but not reported, as `tokenizers` has it */
/* The next added token at or behind *at: its index with [*begin, *end), *at moved behind it; -1 if there is none.
 * Leftmost, then longest. `from` is where the text not yet given away starts. */
int finder_next(const struct finder *f, const struct added *a, const char *s, size_t n, int flags, size_t from,
                size_t *at, size_t *begin, size_t *end);

#endif
