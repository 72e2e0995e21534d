/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/bench_priv.h"

#include <strings.h>
#include "text/steps.h"

bool extract_markers(struct slice response, bool brackets_too, struct slice *out)
{
    struct slice s;
    if (!answer_find(response.p, response.n, &s)) return false;
    s = py_strip(s);
    *out = brackets_too ? py_strip_chars(py_strip_chars(s, "("), ")") : s;
    return true;
}

/* Is the word at s, whatever the case? */
static bool at_word(struct slice s, const char *word, size_t n) { return s.n >= n && !strncasecmp(s.p, word, n); }

struct slice extract_final(struct slice response)
{
    static const struct { const char *word; size_t n; } cue[] = { { "final answer:", 13 }, { "answer:", 7 } };
    for (size_t i = 0; i < response.n; i++) {
        struct slice rest = { response.p + i, response.n - i };
        for (int k = 0; k < countof(cue); k++) {
            if (!at_word(rest, cue[k].word, cue[k].n)) continue;
            rest = py_strip((struct slice){ rest.p + cue[k].n, rest.n - cue[k].n });
            long end = py_find(rest, py_text("\n"));
            return py_strip((struct slice){ rest.p, end < 0 ? rest.n : (size_t)end });
        }
    }
    return response;
}
