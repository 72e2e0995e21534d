/* SPDX-License-Identifier: Apache-2.0 */
#include "text/prm_form.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "text/emit.h"

/* ---- the text of a path ---- */

struct writer { struct emitter e; const struct prm_form *f; const struct chain *c; int step; };     /* step: of which; -1: none */

static void emit_slice(struct writer *w, struct slice s) { emit_text(&w->e, s.p, s.n); }

static void emit_step(struct writer *w, const struct step *s)
{
    const struct slice part[3] = { s->name, s->thought, s->reflection };
    bool first = true;
    for (int i = 0; i < 3; i++) {
        struct slice t = slice_trim(part[i]);
        if (!t.n) continue;
        if (!first) emit_text(&w->e, "\n", 1);
        emit_slice(w, t);
        first = false;
    }
}

static bool is(const char *name, const char *s, size_t n) { return strlen(name) == n && !memcmp(name, s, n); }

static int emit_slot(void *arg, const char *name, size_t n)
{
    struct writer *w = arg;
    const struct step *s = w->step >= 0 ? &w->c->step[w->step] : NULL;
    const char *turn = chat_turn(w->f->chat, name, n);
    char number[16];
    if (turn) return emit_template(&w->e, turn, strlen(turn));
    if (!s && is("answer", name, n)) return emit_slice(w, w->c->answer), 0;
    if (!s) return fail("PRM style %s: no {%.*s} here", w->f->style.name, (int)n, name);
    if (is("step", name, n)) return emit_step(w, s), 0;
    if (is("name", name, n)) return emit_slice(w, s->name), 0;
    if (is("thought", name, n)) return emit_slice(w, s->thought), 0;
    if (is("reflection", name, n)) return emit_slice(w, s->reflection), 0;
    if (!is("k", name, n)) return fail("PRM style %s: no {%.*s} here", w->f->style.name, (int)n, name);
    emit_text(&w->e, number, (size_t)snprintf(number, sizeof number, "%d", w->step + 1));
    return 0;
}

static int emit_part(struct writer *w, const char *layout, int step)
{
    w->step = step;
    return emit_layout(&w->e, layout, emit_slot, w);
}

static int emit_path(struct writer *w)
{
    const struct prm_style *s = &w->f->style;
    int n = w->c->nstep;
    if (n && emit_part(w, s->begin, -1)) return -1;
    for (int i = 0; i < n; i++)
        if ((i && emit_part(w, s->next, -1)) || emit_part(w, s->step, i)) return -1;
    if (w->c->has_answer && ((n && emit_part(w, s->close, -1)) || emit_part(w, s->answer, -1))) return -1;
    return emit_flush(&w->e);
}

/* ---- tags ---- */

bool prm_form_tag(const struct prm_form *f, const uint32_t *id, int i)
{
    return i + 1 >= f->ntag && !memcmp(id + i + 1 - f->ntag, f->tag, (size_t)f->ntag * sizeof *f->tag);
}

static int find_ends(const struct prm_form *f, int want, struct prm_ids *out)
{
    out->n = 0;
    out->end = mem_grow(out->end, (size_t)want + 1, sizeof *out->end);
    for (int i = 0; i < (int)out->ids.n; i++) {
        if (!prm_form_tag(f, out->ids.id, i)) continue;
        if (out->n == want) return fail("the text of a step holds the tag %s of PRM style %s", f->style.tag, f->style.name);
        out->end[out->n++] = i + 1;
    }
    if (out->n < want) return fail("a tag %s of PRM style %s is no token of its own", f->style.tag, f->style.name);
    out->ids.n = want ? (size_t)out->end[want - 1] : 0;
    return 0;
}

int prm_form_encode(const struct prm_form *f, struct slice tail, const struct chain *c, struct prm_ids *out)
{
    struct writer w = { .e = { .t = f->tok, .out = &out->ids, .inside = true }, .f = f, .c = c };
    out->ids.n = 0;
    emit_text(&w.e, tail.p, tail.n);
    int bad = emit_path(&w) || (out->ids.n >= INT32_MAX && fail("the path has more tokens than can be counted"));
    emit_free(&w.e);
    return bad ? -1 : find_ends(f, c->nstep + c->has_answer, out);
}

void prm_ids_free(struct prm_ids *r)
{
    tok_ids_free(&r->ids);
    free(r->end);
    *r = (struct prm_ids){0};
}

struct span prm_ids_step(const struct prm_ids *r, int i) { return (struct span){ i ? r->end[i - 1] : 0, r->end[i] }; }

/* ---- a style and a tokenizer ---- */

/* The tag's tokens: a template's marks as they are written, a word as one token. */
static int find_tag(struct prm_form *f)
{
    const struct chain none = {0};
    struct tok_ids ids = {0};
    struct writer w = { .e = { .t = f->tok, .out = &ids, .inside = true }, .f = f, .c = &none };
    int id = tok_id(f->tok, f->style.tag), bad = 0;
    if (id >= 0) tok_ids_add(&ids, (uint32_t)id, 0);
    else if (strchr(f->style.tag, '{')) bad = emit_part(&w, f->style.tag, -1) || emit_flush(&w.e);
    else bad = fail("the tokenizer lacks the tag %s of PRM style %s", f->style.tag, f->style.name);
    if (!bad && (!ids.n || ids.n > PRM_TAG_MAX))
        bad = fail("the tag of PRM style %s has %zu tokens, want 1 to %d", f->style.name, ids.n, PRM_TAG_MAX);
    if (!bad) memcpy(f->tag, ids.id, (f->ntag = (int)ids.n, ids.n * sizeof *ids.id));
    emit_free(&w.e);
    tok_ids_free(&ids);
    return bad;
}

/* A token by its spelling; "▁x" is " x" in a vocabulary of bytes. */
static int find_token(const struct prm_form *f, const char *spelt, int *out)
{
    static const char mark[] = "\xE2\x96\x81";
    *out = tok_id(f->tok, spelt);
    if (*out < 0 && !strncmp(spelt, mark, 3)) {
        char *blank = mem_fmt(" %s", spelt + 3);
        *out = tok_id(f->tok, blank);
        free(blank);
    }
    return *out < 0 ? fail("the tokenizer lacks the token %s of PRM style %s", spelt, f->style.name) : 0;
}

struct prm_form *prm_form_new(struct prm_style *style, const struct chat_template *chat, const struct tokenizer *tok)
{
    struct prm_form *f = mem_alloc(sizeof *f);
    *f = (struct prm_form){ .style = *style, .chat = chat, .tok = tok };
    *style = (struct prm_style){0};
    if (!find_tag(f) && !find_token(f, f->style.good, &f->good) && !find_token(f, f->style.bad, &f->bad)) return f;
    prm_form_free(f);
    return NULL;
}

void prm_form_free(struct prm_form *f)
{
    if (!f) return;
    prm_style_free(&f->style);
    free(f);
}
