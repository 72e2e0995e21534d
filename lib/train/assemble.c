/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include "record/path.h"
#include "train/assemble_priv.h"
#include "train/folder.h"

static const char *const chat_token[] = { TOK_PAD, "<|im_start|>", TOK_END, "<img>", "</img>", "<IMG_CONTEXT>" };

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

/* ---- a fresh model ---- */

static int save_json(json_t *doc, const char *dir, const char *name)       /* takes doc */
{
    char *path = file_join(dir, name);
    int r = doc ? json_save(doc, path) : fail("%s: cannot be written as JSON", path);
    json_decref(doc);
    free(path);
    return r;
}

struct fresh {
    const struct assemble_fresh *f;
    const struct sight *sight;                 /* NULL: sees no images */
    json_t *doc;
    struct model_cfg c;
    struct chat_template *chat;                /* of one that sees images */
    struct means means;
};

/* What the family's template needs; without images ChatML's tokens are there. */
static int add_tokens(struct fresh *x)
{
    struct tokenizer *t = x->f->tok;
    const char *name = json_string_value(json_object_get(x->doc, "template"));
    if (!json_object_get(x->doc, "vision_config")) return means_add_steps(&x->means, t);
    if (!(x->sight = sight_of(x->doc)) || !(x->chat = chat_load(x->sight->chat ? x->sight->chat : name ? name : x->sight->family)))
        return fail_in("%s", x->f->config);
    int side = x->sight->kind == PRE_SPLIT ? assemble_grid(x->f->max_tiles) : 0;
    return means_add_chat(&x->means, t, x->chat, side) || means_add_steps(&x->means, t) ? -1 : 0;
}

static int end_token(const struct fresh *x)
{
    int id = x->chat ? chat_end_token(x->f->tok, x->chat) : tok_id(x->f->tok, TOK_END);
    return id >= 0 ? id : fail_in("%s", x->f->config);
}

/* config.json with the tokenizer's vocabulary and ids, and the images' settings. */
static int read_config(struct fresh *x)
{
    const struct tokenizer *t = x->f->tok;
    int end = end_token(x);
    if (end < 0) return -1;
    json_t *text = assemble_text(x->doc);
    json_object_set_new(text, "vocab_size", json_integer(tok_size(t)));
    json_object_set_new(text, "eos_token_id", json_integer(end));
    json_object_set_new(text, "pad_token_id", json_integer(tok_id(t, TOK_PAD)));
    json_object_set_new(text, "bos_token_id", json_null());
    if (x->sight) assemble_image_settings(x->doc, x->sight, t, x->chat, x->f->max_tiles);
    return assemble_parse(x->doc, x->f->config, &x->c);
}

static char *end_text(const struct fresh *x)
{
    size_t begin, end;
    if (!x->chat) return mem_str(TOK_END);
    (void)tok_find_special(x->f->tok, x->chat->asst_close, strlen(x->chat->asst_close), &begin, &end);
    return mem_strn(x->chat->asst_close, end);
}

static int put_settings(const struct fresh *x, const char *dir)
{
    const struct tokenizer *t = x->f->tok;
    char *end = end_text(x);
    json_t *gen = json_pack("{s:[i,i], s:i}", "eos_token_id", x->c.eos[0], tok_id(t, TOK_PAD), "pad_token_id", tok_id(t, TOK_PAD));
    json_t *tok = json_pack("{s:s, s:s, s:s, s:i, s:b, s:{s:s, s:s, s:s}}", "tokenizer_class", "PreTrainedTokenizerFast",
                            "eos_token", end, "pad_token", TOK_PAD, "model_max_length", x->c.text.max_pos,
                            "clean_up_tokenization_spaces", 0, "extra_special_tokens",
                            "start_image_token", "<img>", "end_image_token", "</img>", "context_image_token", "<IMG_CONTEXT>");
    int bad = save_json(gen, dir, "generation_config.json");
    free(end);
    if (save_json(tok, dir, "tokenizer_config.json") || bad) return -1;
    if (!x->sight) return 0;
    return (x->sight->kind == PRE_ANYRES && chat_save(x->chat, dir)) || assemble_put_processor(x->sight, &x->c, x->f->max_tiles, NULL, dir) ? -1 : 0;
}

static int write_fresh(const struct fresh *x, struct ops *o, const char *dir)
{
    struct model *m = model_new(&x->c, x->f->seed, o, DT_F32, 0);
    if (!m) return -1;
    int bad = means_apply(&x->means, m, x->f->tok) || assemble_put(m, x->f->tok, dir, DT_F32) || put_settings(x, dir);
    model_free(m);
    return bad ? -1 : 0;
}

static int write_folder(const struct fresh *x, struct ops *o, const char *out)
{
    struct dir_tmp d;
    if (dir_begin(&d, out)) return -1;
    if (!write_fresh(x, o, d.tmp)) return dir_commit(&d);
    dir_abandon(&d);
    return -1;
}

int assemble_fresh(const struct assemble_fresh *f, struct ops *o, const char *out)
{
    struct fresh x = { .f = f, .doc = json_file(f->config, CONFIG_MAX) };
    int bad = !x.doc || add_tokens(&x) || read_config(&x) || write_folder(&x, o, out);
    means_free(&x.means);
    chat_free(x.chat);
    cfg_free(&x.c);
    json_decref(x.doc);
    return bad ? -1 : 0;
}

/* ---- tokens for an existing model ---- */

static int write_added(const char *model, const struct tokenizer *t, const struct means *s, struct ops *o, const char *dir)
{
    enum dtype dt;
    if (assemble_dtype(model, &dt)) return -1;
    struct model *m = model_load(model, o, dt, 0);
    if (!m) return -1;
    int bad = means_apply(s, m, t) || assemble_put(m, t, dir, dt) || folder_copy_rest(model, dir, false);
    model_free(m);
    return bad;
}

int assemble_add(const char *model, struct ops *o, const char *out, int *added)
{
    struct tokenizer *t = tok_load(model);
    if (!t) return -1;
    struct means s = { 0 };
    struct dir_tmp d;
    int bad = means_add_steps(&s, t);
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
