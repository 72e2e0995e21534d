/* SPDX-License-Identifier: Apache-2.0
 * A vision-language model out of a tower, a projector and a decoder.
 */
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "store/gguf.h"
#include "train/assemble_priv.h"
#include "train/folder.h"

/* ---- config.json ---- */

/* The member of the document that says what is wanted, or all of it. */
static json_t *inner(json_t *doc, const char *const name[2])
{
    for (int i = 0; i < 2; i++)
        if (json_is_object(json_object_get(doc, name[i]))) return json_object_get(doc, name[i]);
    return doc;
}

static void put_default(json_t *obj, const char *key, json_t *v)
{
    if (json_object_get(obj, key)) json_decref(v);
    else json_object_set_new(obj, key, v);
}

/* The same tower under the name, and with the defaults, of the family's own class. */
static void name_tower(json_t *v, const char *family)
{
    static const struct { const char *key; int value; } siglip[] = { { "hidden_size", 768 }, { "intermediate_size", 3072 },
        { "num_hidden_layers", 12 }, { "num_attention_heads", 12 }, { "image_size", 224 }, { "patch_size", 16 } };
    const char *type = json_string_value(json_object_get(v, "model_type"));
    if (!strcmp(family, "llava_next")) put_default(v, "model_type", json_string("clip_vision_model"));
    bool split = !strcmp(family, "idefics3") || !strcmp(family, "smolvlm");
    if (!split || !type || strncmp(type, "siglip", 6)) return;
    for (int i = 0; i < countof(siglip); i++) put_default(v, siglip[i].key, json_integer(siglip[i].value));
    put_default(v, "hidden_act", json_string("gelu_pytorch_tanh"));
    put_default(v, "layer_norm_eps", json_real(1e-6));
    json_object_set_new(v, "model_type", json_string(family[0] == 'i' ? "idefics3_vision" : "smolvlm_vision"));
}

static int take_tower(json_t *doc, const char *dir, const char *family)
{
    static const char *const name[2] = { "vision_config", "vision_config" };
    if (json_object_get(doc, "vision_config")) return 0;
    if (!dir) return fail("vision_config: absent, and no tower to take it from");
    char *path = file_join(dir, "config.json");
    json_t *from = json_file(path, CONFIG_MAX), *v = from ? json_deep_copy(inner(from, name)) : NULL;
    free(path);
    json_decref(from);
    if (!v) return -1;
    name_tower(v, family);
    json_object_set_new(doc, "vision_config", v);
    return 0;
}

/* The decoder's own words, and what the document says of it too. */
static int take_decoder(json_t *doc, const struct model_cfg *own, const char *family)
{
    static const char *const name[2] = { "text_config", "llm_config" };
    const char *key = !strcmp(family, "internvl_chat") ? "llm_config" : "text_config";
    json_t *from = json_parse(own->json, strlen(own->json), "config.json");
    if (!from) return -1;
    if (!json_object_get(doc, key)) json_object_set_new(doc, key, json_deep_copy(inner(from, name)));
    json_decref(from);
    json_object_set_new(doc, "tie_word_embeddings", json_boolean(own->text.tied));
    json_object_set_new(assemble_text(doc), "tie_word_embeddings", json_boolean(own->text.tied));
    return 0;
}

/* ---- the parts ---- */

struct join {
    const struct assemble_join *j;
    const struct sight *sight;
    json_t *doc;
    struct model_cfg own, c;                   /* the decoder's; the whole's, for now with the decoder's vocabulary */
    struct tokenizer *tok;
    struct chat_template *chat;
    struct means means;
};

/* The document without what only the tokenizer decides. */
static int read_parts(struct join *x)
{
    const struct assemble_join *j = x->j;
    if (gguf_is(j->decoder)) return fail("%s: a GGUF file is no folder (cos-update init --model makes one of it)", j->decoder);
    if (!(x->doc = json_file(j->config, CONFIG_MAX)) || cfg_load(j->decoder, &x->own) || !(x->tok = tok_load(j->decoder))) return -1;
    if (!(x->sight = sight_of(x->doc)) || take_tower(x->doc, j->tower, x->sight->family) || take_decoder(x->doc, &x->own, x->sight->family))
        return fail_in("%s", j->config);
    const char *name = json_string_value(json_object_get(x->doc, "template"));
    x->chat = chat_pick(j->decoder, name ? name : x->sight->family, x->tok);
    return x->chat ? 0 : fail_in("%s", j->config);
}

static int add_tokens(struct join *x)
{
    int side = x->sight->kind == PRE_SPLIT ? assemble_grid(x->j->max_tiles) : 0;
    return means_add_chat(&x->means, x->tok, x->chat, side) || means_add_steps(&x->means, x->tok) ? -1 : 0;
}

static int read_whole(struct join *x)
{
    int vocab = mem_max(tok_size(x->tok), x->own.text.vocab);
    json_object_del(x->doc, "vocab_size");
    json_object_set_new(assemble_text(x->doc), "vocab_size", json_integer(vocab));
    assemble_image_settings(x->doc, x->sight, x->tok, x->chat, x->j->max_tiles);
    if (assemble_parse(x->doc, x->j->config, &x->c)) return -1;
    x->c.text.vocab = x->own.text.vocab;
    return 0;
}

/* bf16 where everything that is given is. */
static int pick_dtype(const struct assemble_join *j, enum dtype *t)
{
    const char *const dir[] = { j->tower, j->projector, j->decoder };
    *t = DT_BF16;
    for (int i = 0; i < countof(dir); i++) {
        enum dtype one = DT_BF16;
        if (dir[i] && assemble_dtype(dir[i], &one)) return -1;
        if (one == DT_F32) *t = DT_F32;
    }
    return 0;
}

static int write_joined(const struct join *x, struct ops *o, const char *dir)
{
    const struct assemble_join *j = x->j;
    struct model_sources from = { j->tower, j->projector, j->decoder };
    enum dtype dt;
    if (pick_dtype(j, &dt)) return -1;
    struct model *m = model_join(&x->c, &from, j->seed, o, dt);
    if (!m) return -1;
    int bad = means_apply(&x->means, m, x->tok) || assemble_put(m, x->tok, dir, dt) || (x->sight->kind == PRE_ANYRES && chat_save(x->chat, dir))
           || assemble_put_processor(x->sight, &x->c, j->max_tiles, j->tower, dir) || folder_copy_rest(j->decoder, dir, false);
    model_free(m);
    return bad ? -1 : 0;
}

static int write_folder(const struct join *x, struct ops *o, const char *out)
{
    struct dir_tmp d;
    if (dir_begin(&d, out)) return -1;
    if (!write_joined(x, o, d.tmp)) return dir_commit(&d);
    dir_abandon(&d);
    return -1;
}

int assemble_joined(const struct assemble_join *j, struct ops *o, const char *out, int *added)
{
    struct join x = { .j = j };
    int bad = read_parts(&x) || add_tokens(&x) || read_whole(&x) || write_folder(&x, o, out);
    *added = x.means.count;
    means_free(&x.means);
    chat_free(x.chat);
    tok_free(x.tok);
    cfg_free(&x.c);
    cfg_free(&x.own);
    json_decref(x.doc);
    return bad ? -1 : 0;
}
