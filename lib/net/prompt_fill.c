/* SPDX-License-Identifier: Apache-2.0
 * A prompt file and a record to messages. */
#include <stdlib.h>
#include <string.h>
#include "net/chat.h"
#include "net/prompt_priv.h"
#include "record/answer.h"
#include "record/path.h"
#include "text/prompt.h"

enum { IMAGES_MAX = 256, CHOICES_MAX = 256, MESSAGES_MAX = 256 << 20 };

struct place { size_t at; int image; };        /* before the byte `at` of the message's text */
struct filler {
    const struct prompt_file *p;
    const struct record *r;
    struct media_source *media;
    const val *images;
    struct slice question;
    int nimage, marks;                         /* images; those of them that have a mark in the question */
    bool set_images, set_question;             /* it is done: an image goes out once */
    struct buf text;                           /* of the running message */
    struct place place[IMAGES_MAX];
    int nplace;
    struct record *scratch;                    /* for numbers as text */
    struct arena a;
    const char *why;
};

static int cannot(struct filler *f, const char *why)
{
    f->why = why;
    return fail("%s", why);
}

/* ---- fields ---- */

static void add(struct filler *f, struct slice s) { buf_add(&f->text, s.p, s.n); }
static void add_image(struct filler *f, int image) { f->place[f->nplace++] = (struct place){ f->text.len, image }; }

static int put_images(struct filler *f)
{
    for (int i = 0; i < f->nimage - f->marks && !f->set_images; i++) add_image(f, i);
    f->set_images = true;
    return 0;
}

static int put_question(struct filler *f)
{
    static const char mark[] = "<image>";
    struct slice s = f->question;
    if (!s.p) return cannot(f, "no question");
    for (int k = 0; k < f->marks && !f->set_question; k++) {
        const char *at = memmem(s.p, s.n, mark, strlen(mark));
        buf_add(&f->text, s.p, (size_t)(at - s.p));
        s.n -= (size_t)(at - s.p) + strlen(mark);
        s.p = at + strlen(mark);
        add_image(f, f->nimage - f->marks + k);
    }
    buf_add(&f->text, s.p, s.n);
    f->set_question = true;
    return 0;
}

static int put_choices(struct filler *f)
{
    const val *list = val_get(&f->r->root, "choices");
    struct slice choice[CHOICES_MAX];
    struct buf b = {0};
    int n = val_len(list);
    if (n > CHOICES_MAX) return cannot(f, "too many choices");
    for (int i = 0; i < n; i++)
        if (!val_str(val_at(list, i), &choice[i].p, &choice[i].n)) return cannot(f, "a choice is not text");
    prompt_question(&(struct prompt_in){ .question = { "", 0 }, .choice = choice, .nchoice = n }, &b);
    if (b.len) buf_add(&f->text, b.p + 1, b.len - 1);      /* without the line break that parts them from the question */
    buf_free(&b);
    return 0;
}

static int put_steps(struct filler *f, bool count, bool optional)
{
    struct chain c;
    const val *path = val_get(&f->r->root, "path");
    if (!path) return optional ? 0 : cannot(f, "no path");
    if (path_to_chain(path, &f->a, &c)) return f->why = "malformed path", -1;
    if (!c.nstep && !optional) return cannot(f, "no step");
    if (count) return buf_fmt(&f->text, "%d", c.nstep), 0;
    for (int i = 0; i < c.nstep; i++) {
        buf_fmt(&f->text, "%sStep %d:%s", i ? "\n\n" : "", i + 1, c.step[i].name.n ? " " : "");
        add(f, c.step[i].name);
        buf_str(&f->text, "\nThought: ");
        add(f, c.step[i].thought);
        if (c.step[i].reflection.n) buf_str(&f->text, "\nReflection: ");
        add(f, c.step[i].reflection);
    }
    return 0;
}

static int put_key(struct filler *f, const struct prompt_piece *x)
{
    struct slice s;
    const val *v = val_path(&f->r->root, x->key);
    if (v && v->type != MSGPACK_OBJECT_NIL) {
        if (!answer_text(&f->scratch->zone, v, &s)) return f->why = "a field of the prompt is no text", fail("%s: neither text nor number", x->key);
        buf_add(&f->text, s.p, s.n);
        return 0;
    }
    if (x->optional) return 0;
    f->why = strcmp(x->key, "answer") ? "a field of the prompt is missing" : "no right answer";
    return fail("no %s", x->key);
}

static int put_piece(struct filler *f, const struct prompt_piece *x)
{
    switch (x->field) {
    case FIELD_IMAGES: return put_images(f);
    case FIELD_QUESTION: return put_question(f);
    case FIELD_CHOICES: return put_choices(f);
    case FIELD_STEPS: return put_steps(f, false, x->optional);
    case FIELD_STEP_COUNT: return put_steps(f, true, x->optional);
    case FIELD_KEY: return put_key(f, x);
    default: buf_add(&f->text, x->text.p, x->text.n); return 0;
    }
}

/* ---- messages ---- */

/* A line. *made: something came of its fields. */
static int put_line(struct filler *f, const struct prompt_line *l, bool *made)
{
    *made = false;
    for (int k = l->begin; k < l->end; k++) {
        const struct prompt_piece *x = &f->p->piece[k];
        size_t n = f->text.len;
        int places = f->nplace;
        if (put_piece(f, x)) return -1;
        *made |= x->field != FIELD_NONE && (f->text.len > n || f->nplace > places);
    }
    return 0;
}

static int put_text(struct filler *f, const struct prompt_message *m)
{
    bool line_break = false, made;
    buf_clear(&f->text);
    f->nplace = 0;
    for (int i = m->begin; i < m->end; i++) {
        const struct prompt_line *l = &f->p->line[i];
        size_t start = f->text.len;
        if (line_break) buf_byte(&f->text, '\n');
        size_t before = f->text.len;
        if (put_line(f, l, &made)) return -1;
        bool left_out = l->optional && !l->needed && !made;
        if (left_out) f->text.len = start;
        else line_break = !made || f->text.len > before;       /* a line of images alone needs none */
    }
    return 0;
}

static int put_image(struct filler *f, int k, struct buf *out)
{
    struct buf b = {0};
    const val *v = val_at(f->images, k);
    struct slice ref;
    const uint8_t *data;
    size_t n;
    int bad = 0;
    buf_str(out, "{\"type\":\"image_url\",\"image_url\":{\"url\":");
    if (val_bin(val_get(v, "data"), &data, &n)) bad = chat_put_image(data, n, out);
    else if (!val_str(val_get(v, "ref"), &ref.p, &ref.n)) bad = fail("neither \"ref\" nor \"data\"");
    else if (!(bad = media_get(f->media, ref.p, ref.n, &b)) && chat_put_image(b.p, b.len, out)) bad = fail_in("%.*s", (int)ref.n, ref.p);
    buf_str(out, "}}");
    buf_free(&b);
    f->why = bad ? "unreadable image" : out->len > MESSAGES_MAX ? "request too large" : NULL;
    if (bad) return fail_in("image %d", k + 1);
    return f->why ? fail("%s", f->why) : 0;
}

static bool blank(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!strchr(" \t\r\n", s.p[i])) return false;
    return true;
}

static void put_part(const struct filler *f, size_t from, size_t to, bool *first, struct buf *out)
{
    struct slice s = { f->text.p + from, to - from };
    if (!s.n || blank(s)) return;
    buf_str(out, *first ? "{\"type\":\"text\",\"text\":" : ",{\"type\":\"text\",\"text\":");
    chat_put_text(s, out);
    buf_byte(out, '}');
    *first = false;
}

static int put_content(struct filler *f, struct buf *out)
{
    size_t from = 0;
    bool first = true;
    if (!f->nplace) return chat_put_text((struct slice){ f->text.p ? f->text.p : "", f->text.len }, out), 0;
    buf_byte(out, '[');
    for (int i = 0; i < f->nplace; i++) {
        put_part(f, from, f->place[i].at, &first, out);
        from = f->place[i].at;
        if (!first) buf_byte(out, ',');
        first = false;
        if (put_image(f, f->place[i].image, out)) return -1;
    }
    put_part(f, from, f->text.len, &first, out);
    buf_byte(out, ']');
    return 0;
}

static int put_messages(struct filler *f, struct buf *out)
{
    buf_byte(out, '[');
    for (int i = 0; i < f->p->nmessage; i++) {
        buf_fmt(out, "%s{\"role\":\"%s\",\"content\":", i ? "," : "", f->p->message[i].role);
        if (put_text(f, &f->p->message[i]) || put_content(f, out)) return -1;
        buf_byte(out, '}');
    }
    buf_byte(out, ']');
    return 0;
}

static bool is_list(const val *v) { return !v || v->type == MSGPACK_OBJECT_NIL || v->type == MSGPACK_OBJECT_ARRAY; }

static int look(struct filler *f)
{
    const val *root = &f->r->root;
    if (!val_str(val_get(root, "question"), &f->question.p, &f->question.n)) f->question = (struct slice){ NULL, 0 };
    f->images = val_get(root, "images");
    if (!is_list(f->images)) return cannot(f, "images are not a list");
    if (!is_list(val_get(root, "choices"))) return cannot(f, "choices are not a list");
    if (!f->p->images) return 0;
    f->nimage = val_len(f->images);
    if (f->nimage > IMAGES_MAX) return cannot(f, "too many images");
    f->marks = f->nimage && f->question.p ? prompt_images(f->question) : 0;
    return f->marks > f->nimage ? cannot(f, "image marks and images differ") : 0;
}

int prompt_file_fill(const struct prompt_file *p, const struct record *r, struct media_source *media, struct buf *out, const char **why)
{
    struct filler f = { .p = p, .r = r, .media = media, .scratch = rec_new() };
    size_t start = out->len;
    int bad = look(&f) || put_messages(&f, out) ? -1 : 0;
    *why = f.why;
    if (bad) out->len = start;
    rec_free(f.scratch);
    arena_free(&f.a);
    buf_free(&f.text);
    return bad;
}
