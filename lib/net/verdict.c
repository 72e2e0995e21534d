/* SPDX-License-Identifier: Apache-2.0 */
#include "net/verdict.h"

#include <string.h>
#include <strings.h>
#include "text/steps.h"

/* Takes the next line that is not blank off the text, trimmed. */
static bool next_line(struct slice *text, struct slice *line)
{
    while (text->n) {
        const char *nl = memchr(text->p, '\n', text->n);
        size_t n = nl ? (size_t)(nl - text->p) : text->n;
        *line = slice_trim((struct slice){ text->p, n });
        text->p += n + (nl != NULL);
        text->n -= n + (nl != NULL);
        if (line->n) return true;
    }
    return false;
}

static bool take(struct slice *s, const char *word)            /* whatever the case */
{
    size_t k = strlen(word);
    if (s->n < k || strncasecmp(s->p, word, k)) return false;
    s->p += k;
    s->n -= k;
    return true;
}

/* Behind the last "Verdicts:". */
static bool find(struct slice reply, struct slice *verdicts)
{
    bool found = false;
    for (struct slice line; next_line(&reply, &line);)
        if (take(&line, "verdicts:") && !line.n) *verdicts = reply, found = true;
    return found;
}

static bool take_number(struct slice *s, int *x)
{
    const char *from = s->p;
    for (*x = 0; s->n && s->p[0] >= '0' && s->p[0] <= '9' && s->p - from < 6; s->p++, s->n--) *x = 10 * *x + (s->p[0] - '0');
    return s->p > from;
}

/* ": Good - why", to the line's end. */
static bool take_verdict(struct slice s, struct verdict_line *v)
{
    static const char *const words[] = { ": bad", ": neutral", ": good" };
    int i = 0;
    while (i < countof(words) && !take(&s, words[i])) i++;
    if (i == countof(words)) return false;
    bool said = take(&s, " - ");
    *v = (struct verdict_line){ (enum verdict)i, slice_trim(s) };
    return said ? v->why.n > 0 : s.n == 0;
}

const char *verdicts_read(struct slice reply, int nstep, struct arena *a, struct verdicts *out)
{
    struct slice text, line;
    int n = 0, k = 0;
    *out = (struct verdicts){ .step = arena_alloc(a, (size_t)nstep * sizeof *out->step) };
    if (!find(reply, &text)) return "no verdicts";
    while (next_line(&text, &line)) {
        struct verdict_line v;
        bool answer = take(&line, "answer");
        if (!answer && (!take(&line, "step ") || !take_number(&line, &k))) return "malformed verdict";
        if (!take_verdict(line, &v)) return "malformed verdict";
        if (out->has_answer || (!answer && n == nstep)) return "too many verdicts";
        if (answer ? n < nstep : k != n + 1) return answer ? "verdicts missing" : "verdicts out of order";
        if (answer) out->answer = v, out->has_answer = true;
        else out->step[n++] = v;
    }
    return n < nstep ? "verdicts missing" : NULL;
}
