/* SPDX-License-Identifier: Apache-2.0 */
#include "train/assemble.h"

#include <stdlib.h>
#include <string.h>
#include "media/preprocess.h"
#include "record/path.h"
#include "store/gguf.h"
#include "store/json.h"
#include "store/safetensors.h"
#include "text/prompt.h"
#include "text/steps.h"
#include "train/folder.h"

#define TOK_END  "<|im_end|>"
#define TOK_PAD  "<|endoftext|>"
#define TOK_IMG  "<IMG_CONTEXT>"
static const char *const chat_token[] = { TOK_PAD, "<|im_start|>", TOK_END, "<img>", "</img>", TOK_IMG };

enum { CONFIG_MAX = 1 << 22 };

/* ---- the tokenizer of a fresh model ---- */

static int learn_text(struct tok_trainer *tr, const val *v)
{
    const char *s;
    size_t n;
    return val_str(v, &s, &n) ? tok_trainer_add(tr, s, n) : 0;
}

static int learn_path(struct tok_trainer *tr, const val *path)
{
    const val *steps = val_get(path, "steps");
    static const char *const part[] = { "name", "thought", "reflection" };
    for (int i = 0; i < val_len(steps); i++)
        for (int k = 0; k < countof(part); k++)
            if (learn_text(tr, val_get(val_at(steps, i), part[k]))) return -1;
    return learn_text(tr, val_get(path, "answer"));
}

int assemble_learn(struct tok_trainer *tr, const struct record *r)
{
    const val *choices = val_get(&r->root, "choices");
    for (int i = 0; i < val_len(choices); i++)
        if (learn_text(tr, val_at(choices, i))) return -1;
    static const char *const path[] = { "path", "chosen", "rejected" };
    for (int i = 0; i < countof(path); i++)
        if (learn_path(tr, val_get(&r->root, path[i]))) return -1;
    return learn_text(tr, val_get(&r->root, "question")) || learn_text(tr, val_get(&r->root, "answer")) ? -1 : 0;
}

struct tokenizer *assemble_learned(struct tok_trainer *tr, int vocab)
{
    return tok_trainer_end(tr, vocab - STEP_TOKENS, chat_token, countof(chat_token));
}

struct tokenizer *assemble_read(const char *path)
{
    struct tokenizer *t = tok_load(path);
    if (t && tok_add(t, chat_token, countof(chat_token)) >= 0) return t;
    tok_free(t);
    return NULL;
}

/* ---- the 17 tokens ---- */

struct means { struct tok_ids ids[STEP_TOKENS]; const int *of[STEP_TOKENS]; int n[STEP_TOKENS], id[STEP_TOKENS], count; };

static void means_free(struct means *s)
{
    for (int i = 0; i < STEP_TOKENS; i++) tok_ids_free(&s->ids[i]);
}

/* Adds the tokens that lack, and lists the ids of their descriptions. */
static int add_tokens(struct tokenizer *t, struct means *s)
{
    const char *text[STEP_TOKENS];
    for (int i = 0; i < STEP_TOKENS; i++) {
        if (tok_id(t, step_tokens[i].text) >= 0) continue;
        const char *d = step_tokens[i].description;
        struct tok_ids *ids = &s->ids[s->count];
        if (tok_encode(t, d, strlen(d), TOK_NO_ADDED, ids)) return -1;
        s->of[s->count] = (const int *)ids->id;
        s->n[s->count] = (int)ids->n;
        text[s->count++] = step_tokens[i].text;
    }
    if (tok_add(t, text, s->count) != s->count) return fail("the tokens of the step format cannot be added");
    for (int i = 0; i < s->count; i++) s->id[i] = tok_id(t, text[i]);
    return 0;
}

static int put_folder(struct model *m, const struct tokenizer *t, const char *dir, enum dtype save)
{
    return model_save(m, dir, save) || tok_save(t, dir) ? -1 : 0;
}

/* ---- a fresh model ---- */

static int save_json(json_t *doc, const char *dir, const char *name)       /* takes doc */
{
    char *path = file_join(dir, name);
    int r = doc ? json_save(doc, path) : fail("%s: cannot be written as JSON", path);
    json_decref(doc);
    free(path);
    return r;
}

/* config.json with the tokenizer's vocabulary and ids. */
static int read_config(const char *path, const struct tokenizer *t, struct model_cfg *c)
{
    json_t *doc = json_file(path, CONFIG_MAX);
    if (!doc) return -1;
    json_t *text = json_object_get(doc, "text_config");
    if (!json_is_object(text)) text = doc;
    json_object_set_new(text, "vocab_size", json_integer(tok_size(t)));
    json_object_set_new(text, "eos_token_id", json_integer(tok_id(t, TOK_END)));
    json_object_set_new(text, "pad_token_id", json_integer(tok_id(t, TOK_PAD)));
    json_object_set_new(text, "bos_token_id", json_null());
    if (json_object_get(doc, "vision_config")) json_object_set_new(doc, "image_token_id", json_integer(tok_id(t, TOK_IMG)));
    char *s = json_dumps(doc, 0);
    json_decref(doc);
    int bad = !s ? fail("%s: not JSON that can be written", path) : cfg_parse(s, strlen(s), path, c);
    free(s);
    if (bad || !c->has_vision || !strcmp(c->family, "internvl")) return bad;
    cfg_free(c);
    return fail("%s: a fresh model that sees images is of family internvl", path);      /* whose image settings we write */
}

static int put_settings(const struct assemble_fresh *f, const struct model_cfg *c, const char *dir)
{
    json_t *gen = json_pack("{s:[i,i], s:i}", "eos_token_id", tok_id(f->tok, TOK_END), tok_id(f->tok, TOK_PAD),
                            "pad_token_id", tok_id(f->tok, TOK_PAD));
    json_t *tok = json_pack("{s:s, s:s, s:s, s:i, s:b, s:{s:s, s:s, s:s}}", "tokenizer_class", "PreTrainedTokenizerFast",
                            "eos_token", TOK_END, "pad_token", TOK_PAD, "model_max_length", c->text.max_pos,
                            "clean_up_tokenization_spaces", 0, "extra_special_tokens",
                            "start_image_token", "<img>", "end_image_token", "</img>", "context_image_token", TOK_IMG);
    int bad = save_json(gen, dir, "generation_config.json");
    if (save_json(tok, dir, "tokenizer_config.json") || bad) return -1;
    if (!c->has_vision) return 0;
    struct pre_cfg pre = pre_default();
    pre.h = pre.w = c->vision.image;
    pre.max_tiles = f->max_tiles;
    pre.min_tiles = 1;
    pre.tiling = f->max_tiles > 1;
    char *path = file_join(dir, "preprocessor_config.json");
    int r = pre_save(&pre, path);
    free(path);
    return r;
}

static int make_fresh(const struct assemble_fresh *f, const struct model_cfg *c, struct means *s, struct ops *o, const char *dir)
{
    struct model *m = model_new(c, f->seed, o, DT_F32, 0);
    if (!m) return -1;
    int bad = s->count && model_add_tokens(m, tok_size(f->tok), s->of, s->n, s->count);
    if (!bad) bad = put_folder(m, f->tok, dir, DT_F32) || put_settings(f, c, dir);
    model_free(m);
    return bad;
}

int assemble_fresh(const struct assemble_fresh *f, struct ops *o, const char *out)
{
    struct model_cfg c;
    struct means s = { 0 };
    struct dir_tmp d;
    if (read_config(f->config, f->tok, &c)) return -1;
    int bad = add_tokens(f->tok, &s) || dir_begin(&d, out);
    if (!bad) {
        bad = make_fresh(f, &c, &s, o, d.tmp);
        if (bad) dir_abandon(&d);
        else bad = dir_commit(&d);
    }
    means_free(&s);
    cfg_free(&c);
    return bad ? -1 : 0;
}

/* ---- tokens for an existing model ---- */

static int dtype_of(const char *dir, enum dtype *t)        /* bf16 only where every weight is */
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

static int write_added(const char *model, const struct tokenizer *t, struct means *s, struct ops *o, const char *dir)
{
    enum dtype dt;
    if (dtype_of(model, &dt)) return -1;
    struct model *m = model_load(model, o, dt, 0);
    if (!m) return -1;
    int bad = model_add_tokens(m, tok_size(t), s->of, s->n, s->count) || put_folder(m, t, dir, dt)
           || folder_copy_rest(model, dir, false);
    model_free(m);
    return bad;
}

int assemble_add(const char *model, struct ops *o, const char *out, int *added)
{
    struct tokenizer *t = tok_load(model);
    if (!t) return -1;
    struct means s = { 0 };
    struct dir_tmp d;
    int bad = add_tokens(t, &s);
    *added = s.count;
    if (!bad && !s.count) bad = fail("%s has all %d tokens of the step format already", model, STEP_TOKENS);
    if (!bad) bad = dir_begin(&d, out);
    if (!bad) {
        bad = write_added(model, t, &s, o, d.tmp);
        if (bad) dir_abandon(&d);
        else bad = dir_commit(&d);
    }
    means_free(&s);
    tok_free(t);
    return bad ? -1 : 0;
}
