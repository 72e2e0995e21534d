/* SPDX-License-Identifier: Apache-2.0
 * The file: sections, lines, and pieces of lines. */
#include "net/prompt_priv.h"

#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "record/utf8.h"

enum { FILE_MAX = 1 << 20 };

const char prompt_file_plain[] = "[user]\n{images}\n{question}\n{choices}\n";

/* ---- fields ---- */

static enum prompt_field field_of(struct slice name)
{
    static const struct { const char *name; enum prompt_field field; } known[] = {
        { "images", FIELD_IMAGES }, { "question", FIELD_QUESTION }, { "choices", FIELD_CHOICES }, { "steps", FIELD_STEPS },
        { "step_count", FIELD_STEP_COUNT } };
    for (int i = 0; i < countof(known); i++)
        if (strlen(known[i].name) == name.n && !memcmp(known[i].name, name.p, name.n)) return known[i].field;
    return FIELD_KEY;
}

static void add_piece(struct prompt_file *p, struct prompt_piece x)
{
    p->piece = mem_grow(p->piece, (size_t)p->npiece + 1, sizeof *p->piece);
    p->piece[p->npiece++] = x;
    p->line[p->nline - 1].end = p->npiece;
}

static void add_text(struct prompt_file *p, const char *from, const char *to)
{
    if (to == from) return;
    add_piece(p, (struct prompt_piece){ .field = FIELD_NONE, .text = { from, (size_t)(to - from) } });
}

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

/* The field whose brace is at s; NULL after fail(), else behind it. */
static const char *add_field(struct prompt_file *p, const char *s, const char *end)
{
    const char *e = s + 1;
    while (e < end && name_char(*e)) e++;
    struct slice name = { s + 1, (size_t)(e - s - 1) };
    bool optional = e < end && *e == '?';
    e += optional;
    if (!name.n || e == end || *e != '}') return fail_null("a brace that begins no field (\"{{\" is a brace)");
    struct prompt_piece x = { .field = field_of(name), .text = name, .optional = optional };
    x.optional |= x.field == FIELD_IMAGES || x.field == FIELD_CHOICES;
    x.key = mem_strn(name.p, name.n);
    p->images |= x.field == FIELD_IMAGES;
    struct prompt_line *l = &p->line[p->nline - 1];
    l->optional |= x.optional;
    l->needed |= !x.optional;
    add_piece(p, x);
    return e + 1;
}

/* ---- lines ---- */

static int add_line(struct prompt_file *p, struct slice s)
{
    const char *from = s.p, *end = s.p + s.n;
    p->line = mem_grow(p->line, (size_t)p->nline + 1, sizeof *p->line);
    p->line[p->nline++] = (struct prompt_line){ .begin = p->npiece, .end = p->npiece };
    p->message[p->nmessage - 1].end = p->nline;
    for (const char *at = from; at < end;) {
        if (*at != '{') { at++; continue; }
        add_text(p, from, at);
        if (end - at > 1 && at[1] == '{') {
            from = at + 1;
            at += 2;
        } else if (!(from = at = add_field(p, at, end))) return -1;
    }
    add_text(p, from, end);
    return 0;
}

static const char *role_of(struct slice line)
{
    static const char *const roles[] = { "system", "user", "assistant" };
    while (line.n && strchr(" \t", line.p[line.n - 1])) line.n--;
    for (int i = 0; i < countof(roles); i++) {
        size_t k = strlen(roles[i]);
        if (line.n == k + 2 && line.p[0] == '[' && line.p[k + 1] == ']' && !memcmp(line.p + 1, roles[i], k)) return roles[i];
    }
    return NULL;
}

static bool is_blank(const struct prompt_line *l) { return l->begin == l->end; }

/* Blank lines at the ends of a message stand there for the eye. */
static void trim(const struct prompt_file *p, struct prompt_message *m)
{
    while (m->begin < m->end && is_blank(&p->line[m->begin])) m->begin++;
    while (m->begin < m->end && is_blank(&p->line[m->end - 1])) m->end--;
}

static int parse(struct prompt_file *p, const char *name)
{
    const char *s = p->text.p, *end = s + p->text.len;
    bool asks = false;
    for (int number = 1; s < end; number++) {
        const char *nl = memchr(s, '\n', (size_t)(end - s)), *e = nl ? nl : end;
        struct slice line = { s, (size_t)(e - s) };
        if (line.n && line.p[line.n - 1] == '\r') line.n--;
        const char *role = role_of(line);
        if (role) {
            p->message = mem_grow(p->message, (size_t)p->nmessage + 1, sizeof *p->message);
            p->message[p->nmessage++] = (struct prompt_message){ role, p->nline, p->nline };
            asks |= role[0] == 'u';
        } else if (p->nmessage && add_line(p, line)) return fail_in("%s: line %d", name, number);
        s = nl ? nl + 1 : end;
    }
    for (int i = 0; i < p->nmessage; i++) trim(p, &p->message[i]);
    return asks ? 0 : fail("%s: no [user] section", name);
}

struct prompt_file *prompt_file_parse(const char *text, size_t n, const char *name)
{
    if (utf8_good(text, n) != n) return fail_null("%s: not UTF-8", name);
    struct prompt_file *p = mem_alloc(sizeof *p);
    buf_add(&p->text, text, n);
    if (!parse(p, name)) return p;
    prompt_file_free(p);
    return NULL;
}

struct prompt_file *prompt_file_load(const char *path)
{
    struct buf b = {0};
    struct prompt_file *p = file_read(path, FILE_MAX, &b) ? NULL : prompt_file_parse(b.p ? b.p : "", b.len, path);
    buf_free(&b);
    return p;
}

void prompt_file_free(struct prompt_file *p)
{
    if (!p) return;
    for (int i = 0; i < p->npiece; i++) free(p->piece[i].key);
    free(p->piece);
    free(p->line);
    free(p->message);
    buf_free(&p->text);
    free(p);
}
