/* SPDX-License-Identifier: Apache-2.0 */
#include "text/prompt.h"

#include <string.h>
#include "text/emit.h"

/* ---- the question's text ---- */

static const char image_mark[] = "<image>";
enum { MARK = sizeof image_mark - 1 };

void prompt_question(const struct prompt_in *in, struct buf *out)
{
    buf_add(out, in->question.p, in->question.n);
    for (int i = 0; i < in->nchoice; i++) {
        if (in->nchoice <= 26) buf_fmt(out, "\n%c. ", 'A' + i);
        else buf_fmt(out, "\n%d. ", i + 1);
        buf_add(out, in->choice[i].p, in->choice[i].n);
    }
}

bool prompt_without_choices(struct slice *question, const struct slice *choice, int n)
{
    struct prompt_in in = { .choice = choice, .nchoice = n };
    struct buf b = {0};
    prompt_question(&in, &b);
    bool cut = n && question->n > b.len && !memcmp(question->p + question->n - b.len, b.p, b.len);
    if (cut) question->n -= b.len;
    buf_free(&b);
    return cut;
}

int prompt_images(struct slice s)
{
    int n = 0;
    for (const char *p; (p = memmem(s.p, s.n, image_mark, MARK)); n++) {
        s.n -= (size_t)(p - s.p) + MARK;
        s.p = p + MARK;
    }
    return n;
}

/* ---- tokens ---- */

struct prompter {
    struct emitter e;
    const struct chat_template *c;
    const struct prompt_in *in;
    struct slice text;                         /* the question as it stands, with its choices */
    int marks, image;                          /* image marks in it; images emitted */
    struct span *place;
};

/* id: what opens an image, stands for a feature, closes an image. */
static int emit_places(struct prompter *p, const int *id, const char *tag, int n, struct span *place)
{
    if (id[0] >= 0 && emit_token(&p->e, (uint32_t)id[0])) return -1;
    if (emit_template(&p->e, tag, strlen(tag)) || emit_flush(&p->e)) return -1;
    if (place->begin < 0) place->begin = (int)p->e.out->n;
    for (int i = 0; i < n; i++) tok_ids_add(p->e.out, (uint32_t)id[1], 0);
    place->end = (int)p->e.out->n;
    p->e.inside = true;
    return 0;
}

/* The tiles line by line, and behind an empty line the whole; of an image that was not cut only that. */
static int emit_tiles(struct prompter *p, const struct prompt_image *im, const int *id, struct span *place)
{
    int n = im->cols * im->rows, each = n > 1 ? im->tokens / (n + 1) : im->tokens, bad = 0;
    struct buf tag = {0};
    for (int i = 0; i < n && n > 1 && !bad; i++) {
        buf_clear(&tag);
        chat_tile_tag(p->c, i / im->cols, i % im->cols, &tag);
        bad = emit_places(p, id, tag.p, each, place);
        if (i % im->cols == im->cols - 1) emit_text(&p->e, "\n", 1);
    }
    buf_free(&tag);
    if (!bad && n > 1) emit_text(&p->e, "\n", 1);
    return bad || emit_places(p, id, p->c->whole, each, place) ? -1 : 0;
}

static int emit_image(struct prompter *p)
{
    const char *name[3] = { p->c->img_open, p->c->img_token, p->c->img_close };
    int id[3], k = p->image++;
    for (int i = 0; i < 3; i++) {
        if (!name[i] || !name[i][0]) {
            id[i] = -1;
            if (i == 1) return fail("chat template %s has no image token", p->c->name);
            continue;
        }
        id[i] = tok_id(p->e.t, name[i]);
        if (id[i] < 0 || !tok_is_special(p->e.t, (uint32_t)id[i])) return fail("the tokenizer lacks the special token %s", name[i]);
    }
    p->place[k] = (struct span){ -1, -1 };
    const struct prompt_image *im = &p->in->image[k];
    if (p->c->tile[0] ? emit_tiles(p, im, id, &p->place[k]) : emit_places(p, id, "", im->tokens, &p->place[k])) return -1;
    return id[2] >= 0 ? emit_token(&p->e, (uint32_t)id[2]) : 0;
}

/* Images without a mark. */
static int emit_images(struct prompter *p)
{
    int n = p->in->nimage - p->marks;
    if (!n && !(p->marks && (p->text.n >= MARK && !memcmp(p->text.p, image_mark, MARK)))) emit_text(&p->e, p->c->no_image, strlen(p->c->no_image));
    for (; n > 0; n--) {
        if (emit_image(p)) return -1;
        emit_text(&p->e, p->c->img_after, strlen(p->c->img_after));
    }
    return 0;
}

static int emit_question(struct prompter *p)
{
    struct slice s = p->text;
    for (int k = 0; k < p->marks; k++) {
        const char *at = memmem(s.p, s.n, image_mark, MARK);
        emit_text(&p->e, s.p, (size_t)(at - s.p));
        s.n -= (size_t)(at - s.p) + MARK;
        s.p = at + MARK;
        if (emit_image(p)) return -1;
    }
    emit_text(&p->e, s.p, s.n);
    return 0;
}

static int emit_str(struct prompter *p, const char *s) { return emit_template(&p->e, s, strlen(s)); }

static int emit_system(struct prompter *p)
{
    const char *text = p->in->system ? p->in->system : p->c->system;
    if (!text) return 0;
    if (!p->c->sys_open) return fail("chat template %s has no system turn", p->c->name);
    if (emit_str(p, p->c->sys_open)) return -1;
    emit_text(&p->e, text, strlen(text));
    return emit_str(p, p->c->sys_close);
}

static int emit_bos(struct prompter *p)
{
    int id = p->c->bos[0] ? tok_id(p->e.t, p->c->bos) : -1;
    if (!p->c->bos[0]) return 0;
    if (id < 0) return fail("the tokenizer lacks %s, which chat template %s begins with", p->c->bos, p->c->name);
    if (emit_token(&p->e, (uint32_t)id)) return -1;
    p->e.inside = false;                       /* the tokenizer puts it there, it is no text */
    return 0;
}

static int emit_slot(void *arg, const char *name, size_t n)
{
    struct prompter *p = arg;
    const struct { const char *name; int (*emit)(struct prompter *); } whole[] = {
        { "bos", emit_bos }, { "system", emit_system }, { "images", emit_images }, { "question", emit_question } };
    for (int i = 0; i < countof(whole); i++)
        if (!strncmp(whole[i].name, name, n) && !whole[i].name[n]) return whole[i].emit(p);
    const char *turn = chat_turn(p->c, name, n);
    return turn ? emit_str(p, turn) : fail("a prompt has no {%.*s}", (int)n, name);
}

static int emit_prompt(struct prompter *p)
{
    p->marks = p->in->nimage ? prompt_images(p->text) : 0;
    if (p->marks > p->in->nimage) return fail("the question has %d image marks, the record %d images", p->marks, p->in->nimage);
    if (emit_layout(&p->e, p->in->layout ? p->in->layout : PROMPT_CHAT, emit_slot, p)) return -1;
    if (p->image != p->in->nimage) return fail("the layout of the prompt has no place for images");
    if (!p->in->tail) return emit_flush(&p->e);
    buf_add(p->in->tail, p->e.text.p, p->e.text.len);
    return 0;
}

int prompt_encode(const struct tokenizer *t, const struct chat_template *c, const struct prompt_in *in,
                  struct tok_ids *out, struct span *place)
{
    struct buf text = {0};
    size_t first = out->n;
    prompt_question(in, &text);
    struct prompter p = { .e = { .t = t, .out = out }, .c = c, .in = in, .text = { text.p ? text.p : "", text.len }, .place = place };
    int status = emit_prompt(&p);
    if (status) out->n = first;
    emit_free(&p.e);
    buf_free(&text);
    return status;
}
