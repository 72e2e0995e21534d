/* SPDX-License-Identifier: Apache-2.0 */
#include "train/folder.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "store/gguf.h"
#include "store/json.h"
#include "text/tokenizer.h"
#include "train/state.h"

static bool ends_in(const char *name, const char *tail)
{
    size_t n = strlen(name), k = strlen(tail);
    return n >= k && !strcmp(name + n - k, tail);
}

static bool is_weights(const char *name)
{
    static const char *const tail[] = { ".safetensors", ".index.json", ".bin", ".pt", ".pth", ".gguf", ".msgpack", ".h5", ".onnx" };
    for (int i = 0; i < countof(tail); i++)
        if (ends_in(name, tail[i])) return true;
    return false;
}

static int copy_one(const char *from, const char *to, const char *name, bool replace)
{
    char *a = file_join(from, name), *b = file_join(to, name);
    struct stat st;
    int r = !replace && file_exists(b) ? 0 : stat(a, &st) ? fail_errno("%s", a) : S_ISREG(st.st_mode) ? file_copy(a, b) : 0;
    free(a);
    free(b);
    return r;
}

/* ---- from a GGUF file ---- */

static int save_json(json_t *doc, const char *dir, const char *name)       /* takes doc */
{
    char *path = file_join(dir, name);
    int r = json_save(doc, path);
    json_decref(doc);
    free(path);
    return r;
}

/* The text of the token whose id stands under `key`, as a member of the tokenizer's settings. */
static void name_token(const struct gguf *g, const char *key, json_t *settings, const char *name)
{
    const json_t *id = json_object_get(g->meta, key), *tokens = json_object_get(g->meta, "tokenizer.ggml.tokens");
    json_t *token = json_is_integer(id) && json_integer_value(id) >= 0 ? json_array_get(tokens, (size_t)json_integer_value(id)) : NULL;
    if (json_is_string(token)) json_object_set(settings, name, token);
}

static int save_settings(const struct gguf *g, const struct model_cfg *c, const char *to)
{
    static const char *const token[][2] = { { "tokenizer.ggml.bos_token_id", "bos_token" }, { "tokenizer.ggml.eos_token_id", "eos_token" },
        { "tokenizer.ggml.unknown_token_id", "unk_token" }, { "tokenizer.ggml.padding_token_id", "pad_token" } };
    json_t *settings = json_pack("{s:s, s:i, s:b}", "tokenizer_class", "PreTrainedTokenizerFast", "model_max_length", c->text.max_pos,
                                 "clean_up_tokenization_spaces", 0);
    json_t *chat = json_object_get(g->meta, "tokenizer.chat_template"), *eos = json_array();
    for (int i = 0; i < countof(token); i++) name_token(g, token[i][0], settings, token[i][1]);
    if (json_is_string(chat)) json_object_set(settings, "chat_template", chat);
    for (int i = 0; i < c->neos; i++) json_array_append_new(eos, json_integer(c->eos[i]));
    int bad = save_json(settings, to, "tokenizer_config.json");
    return save_json(json_pack("{s:o}", "eos_token_id", eos), to, "generation_config.json") || bad ? -1 : 0;
}

static int copy_tokenizer(const char *from, const char *to)
{
    struct tokenizer *t = tok_load(from);
    int bad = t ? tok_save(t, to) : -1;
    tok_free(t);
    return bad;
}

static int copy_of_gguf(const char *from, const char *to, bool tokenizer)
{
    struct gguf g;
    struct model_cfg c;
    if (tokenizer && copy_tokenizer(from, to)) return -1;
    if (cfg_load(from, &c)) return -1;
    int bad = gguf_open(from, &g);
    if (!bad) {
        bad = save_settings(&g, &c, to);
        gguf_close(&g);
    }
    cfg_free(&c);
    return bad;
}

int folder_copy_rest(const char *from, const char *to, bool tokenizer)
{
    if (gguf_is(from)) return copy_of_gguf(from, to, tokenizer);
    DIR *d = opendir(from);
    if (!d) return fail_errno("%s", from);
    int bad = 0;
    for (struct dirent *e; !bad && (e = readdir(d));) {
        const char *s = e->d_name;
        if (s[0] == '.' || is_weights(s) || !strcmp(s, "config.json") || !strcmp(s, TRAINING_JSON)) continue;
        bad = copy_one(from, to, s, tokenizer);
    }
    closedir(d);
    return bad;
}
