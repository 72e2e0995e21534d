/* SPDX-License-Identifier: Apache-2.0 */
#include "text/emit.h"

#include <string.h>
#include "text/unicode.h"

int emit_flush(struct emitter *e)
{
    int bad = e->text.len ? tok_encode(e->t, e->text.p, e->text.len, e->inside ? TOK_INSIDE : 0, e->out) : 0;
    e->inside |= e->text.len > 0;
    buf_clear(&e->text);
    return bad;
}

void emit_text(struct emitter *e, const char *p, size_t n) { text_repair(p, n, &e->text); }

int emit_token(struct emitter *e, uint32_t id)
{
    if (emit_flush(e)) return -1;
    tok_ids_add(e->out, id, 0);
    e->inside = true;
    return 0;
}

int emit_template(struct emitter *e, const char *s, size_t n)
{
    size_t begin, end;
    int id;
    while ((id = tok_find_special(e->t, s, n, &begin, &end)) >= 0) {
        emit_text(e, s, begin);
        if (memmem(s, begin, "<|", 2)) break;
        if (emit_token(e, (uint32_t)id)) return -1;
        s += end, n -= end;
    }
    if (memmem(s, n, "<|", 2)) return fail("the tokenizer lacks a special token in \"%.*s\"", (int)mem_min(n, 200), s);
    emit_text(e, s, n);
    return 0;
}

int emit_layout(struct emitter *e, const char *s, int (*slot)(void *arg, const char *name, size_t n), void *arg)
{
    while (*s) {
        size_t n = strcspn(s, "{"), len;
        bool brace = s[n] && s[n + 1] == '{';
        if (emit_template(e, s, n + brace)) return -1;
        s += n + 2 * (size_t)brace;
        if (!*s || brace) continue;
        len = strcspn(s, "}");
        if (!s[len]) return fail("\"%.40s\": { without }", s);
        if (slot(arg, s + 1, len - 1)) return -1;
        s += len + 1;
    }
    return 0;
}

void emit_free(struct emitter *e) { buf_free(&e->text); }
