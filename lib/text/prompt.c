/* SPDX-License-Identifier: Apache-2.0 */
#include "text/prompt.h"

#include <string.h>

#define CHATML "<|im_start|>system\n", "<|im_end|>\n", "<|im_start|>user\n", "<|im_end|>\n", "<|im_start|>assistant\n", "<|im_end|>\n"
#define IMG "<img>", "<IMG_CONTEXT>", "</img>", "\n"
#define VISION "<|vision_start|>", "<|image_pad|>", "<|vision_end|>", ""

static const struct chat_template templates[] = {
    { "internvl", NULL, CHATML, IMG },             /* InternVLForConditionalGeneration in transformers: no system turn */
    { "internvl2_5", "你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。",
      CHATML, IMG },                               /* the original InternVL 2.5 code */
    { "chatml", NULL, CHATML, IMG },
    { "qwen2", "You are a helpful assistant.", CHATML, IMG },
    { "qwen2_vl", "You are a helpful assistant.", CHATML, VISION },
    { "qwen2_5_vl", "You are a helpful assistant.", CHATML, VISION },
    { "llama", NULL, CHATML, IMG },                /* decoders of that family trained here */
    { "llama3", NULL, "<|start_header_id|>system<|end_header_id|>\n\n", "<|eot_id|>",
      "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n", "<|eot_id|>",
      "<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>", IMG },
    { "plain", NULL, "", "\n", "", "\n", "", "<|endoftext|>", IMG },   /* the fewest tokens, for models made from scratch */
};

const struct chat_template *chat_find(const char *name)
{
    struct buf known = {0};
    for (int i = 0; i < countof(templates); i++) {
        if (!strcmp(templates[i].name, name)) {
            buf_free(&known);
            return &templates[i];
        }
        buf_fmt(&known, "%s%s", i ? ", " : "", templates[i].name);
    }
    fail("no chat template \"%.40s\" (there are %s)", name, known.p);
    buf_free(&known);
    return NULL;
}

int chat_end_token(const struct tokenizer *t, const struct chat_template *c)
{
    size_t begin, end;
    int id = tok_find_special(t, c->asst_close, strlen(c->asst_close), &begin, &end);
    return id >= 0 && begin == 0 ? id : fail("the tokenizer lacks the end token of chat template %s", c->name);
}

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

/* Text waits until a special token comes: what stands between two of them is tokenized as one. */
struct emitter { const struct tokenizer *t; struct buf text; struct tok_ids *out; };

static int flush(struct emitter *e)
{
    int status = e->text.len ? tok_encode(e->t, e->text.p, e->text.len, 0, e->out) : 0;
    buf_clear(&e->text);
    return status;
}

static int emit_token(struct emitter *e, uint32_t id)
{
    if (flush(e)) return -1;
    tok_ids_add(e->out, id, 0);
    return 0;
}

/* A piece of the template: its special tokens are tokens. Names in <|...|> must be. */
static int emit_template(struct emitter *e, const char *s)
{
    size_t n = strlen(s), begin, end;
    int id;
    while ((id = tok_find_special(e->t, s, n, &begin, &end)) >= 0) {
        buf_add(&e->text, s, begin);
        if (memmem(s, begin, "<|", 2)) break;
        if (emit_token(e, (uint32_t)id)) return -1;
        s += end, n -= end;
    }
    if (memmem(s, n, "<|", 2)) return fail("the tokenizer lacks a special token in \"%s\" of the chat template", s);
    buf_add(&e->text, s, n);
    return 0;
}

static int emit_image(struct emitter *e, const struct chat_template *c, int places, size_t *pos)
{
    const char *name[3] = { c->img_open, c->img_token, c->img_close };
    int id[3];
    for (int i = 0; i < 3; i++) {
        id[i] = tok_id(e->t, name[i]);
        if (id[i] < 0 || !tok_is_special(e->t, (uint32_t)id[i])) return fail("the tokenizer lacks the special token %s", name[i]);
    }
    if (emit_token(e, (uint32_t)id[0])) return -1;
    *pos = e->out->n;
    for (int i = 0; i < places; i++) tok_ids_add(e->out, (uint32_t)id[1], 0);
    return emit_token(e, (uint32_t)id[2]);
}

static int emit_user(struct emitter *e, const struct chat_template *c, const struct prompt_in *in, size_t *pos)
{
    struct buf text = {0};
    prompt_question(in, &text);
    struct slice s = { text.p ? text.p : "", text.len };
    int marks = in->nimage ? prompt_images(s) : 0, k = 0, status = 0;
    if (marks > in->nimage) status = fail("the question has %d image marks, the record %d images", marks, in->nimage);
    for (; !status && k < in->nimage - marks; k++) {
        status = emit_image(e, c, in->image_tokens[k], &pos[k]);
        buf_str(&e->text, c->img_after);
    }
    for (; !status && k < in->nimage; k++) {
        const char *p = memmem(s.p, s.n, image_mark, MARK);
        buf_add(&e->text, s.p, (size_t)(p - s.p));
        s.n -= (size_t)(p - s.p) + MARK;
        s.p = p + MARK;
        status = emit_image(e, c, in->image_tokens[k], &pos[k]);
    }
    buf_add(&e->text, s.p, s.n);
    buf_free(&text);
    return status;
}

static int emit_prompt(struct emitter *e, const struct chat_template *c, const struct prompt_in *in, size_t *pos)
{
    if (c->system) {
        if (emit_template(e, c->sys_open)) return -1;
        buf_str(&e->text, c->system);
        if (emit_template(e, c->sys_close)) return -1;
    }
    if (emit_template(e, c->user_open) || emit_user(e, c, in, pos)) return -1;
    return emit_template(e, c->user_close) || emit_template(e, c->asst_open) || flush(e) ? -1 : 0;
}

int prompt_encode(const struct tokenizer *t, const struct chat_template *c, const struct prompt_in *in,
                  struct tok_ids *out, size_t *image_pos)
{
    struct emitter e = { .t = t, .out = out };
    size_t first = out->n;
    int status = emit_prompt(&e, c, in, image_pos);
    if (status) out->n = first;
    buf_free(&e.text);
    return status;
}
