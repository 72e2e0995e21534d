/* SPDX-License-Identifier: Apache-2.0 */
#include "text/normal.h"

#include <stdlib.h>
#include <string.h>

int normal_add(struct normal *s, enum normal_kind kind, enum text_form form, const char *find, const char *put)
{
    if (s->n == NORMAL_STEPS) return fail("more than %d normalizers", NORMAL_STEPS);
    if (kind == NORMAL_REPLACE && !find[0]) return fail("a normalizer replaces nothing");
    s->step[s->n++] = (struct normal_step){ kind, form, find ? mem_str(find) : NULL, put ? mem_str(put) : NULL };
    return 0;
}

void normal_free(struct normal *s)
{
    for (int i = 0; i < s->n; i++) {
        free(s->step[i].find);
        free(s->step[i].put);
    }
    *s = (struct normal){0};
}

/* As text_normalise: 1 when something was replaced. */
static int replace_all(const struct normal_step *s, const char *p, size_t n, struct buf *out, struct text_map *m)
{
    size_t nfind = strlen(s->find), nput = strlen(s->put), at = 0;
    for (const char *hit; (hit = memmem(p + at, n - at, s->find, nfind)); at = (size_t)(hit - p) + nfind) {
        size_t plain = (size_t)(hit - p) - at;
        if (plain) text_map_add(m, out->len, at, plain, false);
        buf_add(out, p + at, plain);
        text_map_add(m, out->len, at + plain, nfind, true);
        buf_add(out, s->put, nput);
    }
    if (!m->n) return 0;
    if (n > at) text_map_add(m, out->len, at, n - at, false);
    buf_add(out, p + at, n - at);
    return 1;
}

static int put_before(const struct normal_step *s, const char *p, size_t n, struct buf *out, struct text_map *m)
{
    size_t nput = strlen(s->put);
    if (!n || (s->kind == NORMAL_PREPEND_ONCE && n >= nput && !memcmp(p, s->put, nput))) return 0;
    text_map_add(m, 0, 0, 0, true);
    text_map_add(m, nput, 0, n, false);
    buf_add(out, s->put, nput);
    buf_add(out, p, n);
    return 1;
}

static int run_step(const struct normal_step *s, const char *p, size_t n, struct buf *out, struct text_map *m)
{
    if (s->kind == NORMAL_FORM) return text_normalise(s->form, p, n, out, m);
    return s->kind == NORMAL_REPLACE ? replace_all(s, p, n, out, m) : put_before(s, p, n, out, m);
}

int normal_run(const struct normal *s, const char *p, size_t n, struct arena *memory, struct normal_text *out)
{
    struct buf b = {0};
    int changed = 0;
    *out = (struct normal_text){ .p = p, .n = n };
    for (int i = 0; i < s->n && changed >= 0; i++) {
        buf_clear(&b);
        changed = run_step(&s->step[i], out->p, out->n, &b, &out->map[out->nmap]);
        if (changed > 0) {
            out->p = arena_dup(memory, b.p, b.len);
            out->n = b.len;
            out->nmap++;
        } else text_map_free(&out->map[out->nmap]);
    }
    buf_free(&b);
    if (changed >= 0) return 0;
    normal_text_free(out);
    return -1;
}

size_t normal_origin(struct normal_text *t, size_t offset)
{
    for (int i = t->nmap; i-- > 0;) offset = text_origin(&t->map[i], offset, &t->hint[i]);
    return offset;
}

void normal_text_free(struct normal_text *t)
{
    for (int i = 0; i < t->nmap; i++) text_map_free(&t->map[i]);
    t->nmap = 0;
}
