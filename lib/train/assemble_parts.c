/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "store/gguf.h"
#include "store/safetensors.h"
#include "train/assemble_priv.h"

/* ---- new tokens ---- */

void means_free(struct means *s)
{
    for (int i = 0; i < s->count; i++) tok_ids_free(&s->ids[i]);
    free(s->ids);
    *s = (struct means){ 0 };
}

static int add_one(struct means *s, struct tokenizer *t, const char *text, const char *description)
{
    struct tok_ids ids = { 0 };
    if (tok_id(t, text) >= 0) return 0;
    if (tok_encode(t, description, strlen(description), TOK_NO_ADDED, &ids) || tok_add(t, &text, 1) != 1) {
        tok_ids_free(&ids);
        return fail("token %s cannot be added", text);
    }
    s->ids = mem_grow(s->ids, (size_t)s->count + 1, sizeof *s->ids);
    s->ids[s->count++] = ids;
    return 0;
}

int means_add_steps(struct means *s, struct tokenizer *t)
{
    for (int i = 0; i < STEP_TOKENS; i++)
        if (add_one(s, t, step_tokens[i].text, step_tokens[i].description)) return -1;
    return 0;
}

/* The token's words: "<|vision_start|>" is "vision start". */
static int add_by_words(struct means *s, struct tokenizer *t, const char *text)
{
    struct buf words = { 0 };
    for (const char *p = text; *p; p++) {
        if (isalnum((unsigned char)*p)) buf_byte(&words, *p);
        else if (words.len && words.p[words.len - 1] != ' ') buf_byte(&words, ' ');
    }
    while (words.len && words.p[words.len - 1] == ' ') words.p[--words.len] = 0;
    int bad = add_one(s, t, text, words.len ? words.p : text);
    buf_free(&words);
    return bad;
}

/* Whatever stands in angle brackets is a token: "<|im_start|>user\n" has one. */
static int add_marks(struct means *s, struct tokenizer *t, const char *text)
{
    for (const char *p = text ? strchr(text, '<') : NULL; p; p = strchr(p + 1, '<')) {
        size_t n = strcspn(p, "> \n");
        if (p[n] != '>') continue;
        char *mark = mem_strn(p, n + 1);
        int bad = add_by_words(s, t, mark);
        free(mark);
        if (bad) return -1;
    }
    return 0;
}

static int add_tags(struct means *s, struct tokenizer *t, const struct chat_template *c, int side)
{
    struct buf tag = { 0 };
    int bad = 0;
    for (int i = 0; i < side * side && !bad; i++) {
        buf_clear(&tag);
        chat_tile_tag(c, i / side, i % side, &tag);
        bad = add_by_words(s, t, tag.p);
    }
    buf_free(&tag);
    return bad;
}

int means_add_chat(struct means *s, struct tokenizer *t, const struct chat_template *c, int side)
{
    const char *const mark[] = { c->bos, c->system ? c->sys_open : "", c->system ? c->sys_close : "", c->user_open, c->user_close, c->asst_open,
                                 c->asst_close, c->img_open, c->img_token, c->img_close, c->whole };
    for (int i = 0; i < countof(mark); i++)
        if (add_marks(s, t, mark[i])) return -1;
    return c->tile && *c->tile ? add_tags(s, t, c, side) : 0;
}

int means_apply(const struct means *s, struct model *m, const struct tokenizer *t)
{
    if (!s->count) return 0;
    const int **of = mem_array((size_t)s->count, sizeof(int *));
    int *n = mem_array((size_t)s->count, sizeof *n);
    for (int i = 0; i < s->count; i++) {
        of[i] = (const int *)s->ids[i].id;
        n[i] = (int)s->ids[i].n;
    }
    int bad = model_add_tokens(m, tok_size(t), of, n, s->count);
    free(of);
    free(n);
    return bad;
}

/* ---- folders ---- */

int assemble_put(const struct model *m, const struct tokenizer *t, const char *dir, enum dtype save)
{
    return model_save(m, dir, save) || tok_save(t, dir) ? -1 : 0;
}

int assemble_dtype(const char *dir, enum dtype *t)
{
    struct safetensors st;
    *t = DT_F32;
    if (gguf_is(dir)) return 0;
    if (st_open_dir(dir, &st)) return -1;
    *t = DT_BF16;
    for (int i = 0; i < st.n; i++)
        if (st.v[i].t != ST_BF16) *t = DT_F32;
    st_close(&st);
    return 0;
}
