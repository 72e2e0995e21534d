/* SPDX-License-Identifier: Apache-2.0
 * Templates from files, and the choice among them by what a model's folder holds.
 */
#include "text/template.h"

#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "store/gguf.h"
#include "store/json.h"

enum { FILE_MAX = 1 << 20, JINJA_MAX = 16 << 20, FIELDS = 16 };
#define OWN_FILE "cos_template.json"

/* The strings of a template, in one order, for copying and freeing. */
static void fields(struct chat_template *c, const char **at[FIELDS])
{
    const char **all[FIELDS] = { &c->name, &c->system, &c->bos, &c->sys_open, &c->sys_close, &c->user_open, &c->user_close, &c->asst_open,
                                 &c->asst_close, &c->img_open, &c->img_token, &c->img_close, &c->img_after, &c->no_image, &c->tile,
                                 &c->whole };
    memcpy(at, all, sizeof all);
}

static struct chat_template *copy(const struct chat_template *from)
{
    struct chat_template *c = mem_alloc(sizeof *c);
    const char **f[FIELDS];
    *c = *from;
    fields(c, f);
    for (int i = 0; i < FIELDS; i++)
        if (*f[i]) *f[i] = mem_str(*f[i]);
    return c;
}

void chat_free(struct chat_template *c)
{
    const char **f[FIELDS];
    if (!c) return;
    fields(c, f);
    for (int i = 0; i < FIELDS; i++) free((char *)*f[i]);
    free(c);
}

/* ---- files ---- */

/* "open{slot}close" */
static int split(const json_t *doc, const char *key, const char *slot, const char **open, const char **close)
{
    const char *s = NULL, *at;
    if (json_opt_str(doc, key, &s)) return -1;
    at = s ? strstr(s, slot) : NULL;
    if (!s) return fail("%s: want a text with %s", key, slot);
    if (!at) return fail("%s: \"%.60s\" lacks %s", key, s, slot);
    *open = mem_strn(s, (size_t)(at - s));
    *close = mem_str(at + strlen(slot));
    return 0;
}

static int text(const json_t *doc, const char *key, const char **out)
{
    const char *s = "";
    if (json_opt_str(doc, key, &s)) return -1;
    *out = mem_str(s);
    return 0;
}

static int check_keys(json_t *doc)
{
    static const char *const known[] = { "bos", "system", "system_turn", "user_turn", "answer_turn", "image", "image_token", "image_after", "no_image",
                                         "tile", "whole" };
    const char *key;
    json_t *v;
    json_object_foreach(doc, key, v) {
        int i = 0;
        while (i < countof(known) && strcmp(known[i], key)) i++;
        if (i == countof(known)) return fail("no key \"%.40s\" in a template", key);
    }
    return 0;
}

static int read_template(json_t *doc, struct chat_template *c)
{
    if (!json_is_object(doc)) return fail("want an object");
    if (check_keys(doc) || text(doc, "bos", &c->bos) || text(doc, "image_after", &c->img_after) || text(doc, "no_image", &c->no_image)
        || text(doc, "image_token", &c->img_token) || text(doc, "tile", &c->tile) || text(doc, "whole", &c->whole))
        return -1;
    if (!c->tile[0] != !c->whole[0]) return fail("tile, whole: want both or neither");
    if (split(doc, "user_turn", "{question}", &c->user_open, &c->user_close)
        || split(doc, "answer_turn", "{answer}", &c->asst_open, &c->asst_close))
        return -1;
    if (!c->asst_close[0]) return fail("answer_turn: nothing ends a response");
    if (json_object_get(doc, "image") && split(doc, "image", "{image}", &c->img_open, &c->img_close)) return -1;
    if (json_object_get(doc, "system")) {
        if (text(doc, "system", &c->system) || split(doc, "system_turn", "{system}", &c->sys_open, &c->sys_close)) return -1;
    }
    return 0;
}

static struct chat_template *load_file(const char *path)
{
    json_t *doc = json_file(path, FILE_MAX);
    if (!doc) return NULL;
    struct chat_template *c = mem_alloc(sizeof *c);
    c->name = mem_str(path);
    int bad = read_template(doc, c);
    json_decref(doc);
    if (!bad) return c;
    fail_in("%s", path);
    chat_free(c);
    return NULL;
}

struct chat_template *chat_load(const char *s)
{
    size_t n = strlen(s);
    if (strchr(s, '/') || (n > 5 && !strcmp(s + n - 5, ".json"))) return load_file(s);
    const struct chat_template *c = chat_find(s);
    return c ? copy(c) : NULL;
}

static json_t *joined(const char *open, const char *slot, const char *close)
{
    char *s = mem_fmt("%s%s%s", open ? open : "", slot, close ? close : "");
    json_t *v = json_string(s);
    free(s);
    return v;
}

int chat_save(const struct chat_template *c, const char *dir)
{
    json_t *doc = json_pack("{s:s, s:o, s:o, s:s, s:s, s:s, s:s, s:s}", "bos", c->bos, "user_turn", joined(c->user_open, "{question}", c->user_close),
                            "answer_turn", joined(c->asst_open, "{answer}", c->asst_close), "image_token", c->img_token, "image_after",
                            c->img_after, "no_image", c->no_image, "tile", c->tile, "whole", c->whole);
    if (!doc) return fail("chat template %s cannot be written as JSON", c->name);
    if (c->img_open) json_object_set_new(doc, "image", joined(c->img_open, "{image}", c->img_close));
    if (c->system) {
        json_object_set_new(doc, "system", json_string(c->system));
        json_object_set_new(doc, "system_turn", joined(c->sys_open, "{system}", c->sys_close));
    }
    char *path = file_join(dir, OWN_FILE);
    int bad = json_save(doc, path);
    json_decref(doc);
    free(path);
    return bad;
}

/* ---- a folder's ---- */

/* Appends the Jinja template in the member chat_template of a JSON file: a text, or a list whose "default" is one. */
static void jinja_of_json(const char *path, struct buf *out)
{
    json_t *doc = json_file(path, JINJA_MAX), *v = json_object_get(doc, "chat_template");
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *one = json_array_get(v, i);
        const char *name = json_string_value(json_object_get(one, "name")), *s = json_string_value(json_object_get(one, "template"));
        if (name && s && !strcmp(name, "default")) buf_str(out, s);
    }
    if (json_is_string(v)) buf_str(out, json_string_value(v));
    json_decref(doc);
}

static void jinja_of_gguf(const char *path, struct buf *out)
{
    struct gguf g;
    if (gguf_open(path, &g)) return;
    const char *s = json_string_value(json_object_get(g.meta, "tokenizer.chat_template"));
    if (s) buf_str(out, s);
    gguf_close(&g);
}

static void find_jinja(const char *dir, struct buf *out)
{
    static const char *const file[] = { "chat_template.jinja", "chat_template.json", "tokenizer_config.json" };
    if (gguf_is(dir)) jinja_of_gguf(dir, out);
    for (int i = 0; i < countof(file) && !out->len; i++) {
        char *path = file_join(dir, file[i]);
        if (!file_exists(path)) ;
        else if (i) jinja_of_json(path, out);
        else if (file_read(path, JINJA_MAX, out)) buf_clear(out);
        free(path);
    }
}

/* What tells templates apart, the more telling first; `text` for a decoder alone, `llava` with LLaVA-NeXT's tower. */
static const struct { const char *mark, *text, *llava; } marks[] = {
    { "<|start_header_id|>", "llama3", "llava_llama3" },
    { "ASSISTANT:", "vicuna", "llava_vicuna" },
    { "[INST]", "mistral", "llava_mistral" },
    { "named SmolLM", "smollm2", NULL },
    { "You are Qwen", "qwen2_5", "llava_qwen2" },
    { "Answer the questions.", NULL, "llava_chatml" },
    { "You are a helpful assistant", "qwen2", "llava_qwen2" },
    { "<|im_start|>", "chatml", "llava_qwen2" },
};

static const char *by_jinja(const char *jinja, bool llava)
{
    for (int i = 0; i < countof(marks); i++) {
        const char *name = llava ? marks[i].llava : marks[i].text;
        if (name && strstr(jinja, marks[i].mark)) return name;
    }
    return NULL;
}

static const char *by_tokens(const struct tokenizer *t, const char *family, bool llava)
{
    bool qwen = !strcmp(family, "qwen2");
    if (tok_id(t, "<|start_header_id|>") >= 0) return llava ? "llava_llama3" : "llama3";
    if (tok_id(t, "<|im_start|>") >= 0) return llava ? "llava_qwen2" : qwen ? "qwen2" : "chatml";
    if (tok_id(t, "</s>") >= 0) return llava ? "llava_mistral" : "mistral";
    return "plain";
}

struct chat_template *chat_pick(const char *dir, const char *name, const struct tokenizer *tok)
{
    static const char *const several[] = { "llama", "qwen2", "mistral", "llava_next" };
    char *own = file_join(dir, OWN_FILE);
    struct chat_template *c = file_exists(own) ? load_file(own) : NULL;
    bool found = c || file_exists(own);
    free(own);
    if (found) return c;
    int i = 0;
    while (i < countof(several) && strcmp(several[i], name)) i++;
    if (i == countof(several)) return chat_load(name);
    struct buf jinja = {0};
    bool llava = !strcmp(name, "llava_next");
    find_jinja(dir, &jinja);
    const char *best = jinja.len ? by_jinja(jinja.p, llava) : NULL;
    buf_free(&jinja);
    return chat_load(best ? best : by_tokens(tok, name, llava));
}
