/* SPDX-License-Identifier: Apache-2.0
 * tokenizer.model into a tokenizer: SentencePiece's pieces and its own encoder, with the added tokens of the JSON files
 * beside it, as the tokenizers of the original repositories (Python, "slow") use them: the text between two added tokens is
 * encoded by itself.
 */
#include "text/tokenizer_priv.h"

#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "store/json.h"

enum { MODEL_MAX = 256 << 20, BESIDE_MAX = 16 << 20, ADDED_MAX = 1 << 16, CONTENT_MAX = 4096 };

/* ---- the model ---- */

static int add_special(struct tokenizer *t, const struct sentence_unit *p, int id)
{
    struct added a = { .content = (char *)p->p, .n = p->n, .id = (uint32_t)id, .special = true };
    return p->n ? tokenizer_add(t, &a) : 0;
}

static int read_pieces(struct tokenizer *t)
{
    int n = sentence_size(t->sentence);
    t->bpe.chars = true;
    t->bpe.unk = -1;
    for (int i = 0; i < n; i++) {
        struct sentence_unit p = sentence_piece(t->sentence, i);
        if (memchr(p.p, 0, p.n)) return fail("piece %d holds a NUL", i);
        if (bpe_token_add(&t->bpe, p.p, p.n, i)) return -1;
    }
    bpe_index(&t->bpe);
    for (int i = 0; i < n; i++) {
        struct sentence_unit p = sentence_piece(t->sentence, i);
        if ((p.kind == TOK_UNKNOWN || p.kind == TOK_CONTROL) && add_special(t, &p, i)) return -1;
    }
    bpe_unspell(&t->bpe, true, true);
    return bpe_finish(&t->bpe);
}

/* Whether the model puts a blank in front of a text shows in how it encodes one. */
struct probe { const struct sentence *s; bool first, blank; };
static void probe_piece(void *arg, uint32_t id, size_t begin)
{
    struct probe *v = arg;
    struct sentence_unit p = sentence_piece(v->s, (int)id);
    (void)begin;
    if (v->first) v->blank = p.n >= 3 && !memcmp(p.p, "\xE2\x96\x81", 3);
    v->first = false;
}

static int probe_lead(struct tokenizer *t)
{
    char why[SENTENCE_WHY];
    struct probe v = { t->sentence, true, false };
    if (sentence_encode(t->sentence, "a", 1, probe_piece, &v, why)) return fail("%s", why);
    t->lead = v.blank ? LEAD_ALWAYS : LEAD_NEVER;
    t->drop_lead = v.blank;
    return 0;
}

/* ---- the files beside ---- */

/* An object in a file of the folder: 1; 0: there is no such file. The caller json_decref's *doc, NULL without an object. */
static int beside(const char *dir, const char *name, json_t **doc)
{
    char *path = file_join(dir, name);
    int found = file_exists(path);
    *doc = found ? json_file(path, BESIDE_MAX) : NULL;
    if (*doc && !json_is_object(*doc)) found = fail("%s: want an object", path);
    else if (found && !*doc) found = -1;
    if (found < 0) {
        json_decref(*doc);
        *doc = NULL;
    }
    free(path);
    return found;
}

static int add_one(struct tokenizer *t, const char *content, int64_t id, const json_t *flags, bool special)
{
    struct added a = { .content = (char *)content, .n = strlen(content), .id = (uint32_t)id, .special = special };
    if (id < 0 || id >= BPE_MAX_ID) return fail("token \"%.80s\": id %lld, must be below %d", content, (long long)id, BPE_MAX_ID);
    if (!a.n || a.n > CONTENT_MAX) return fail("token %lld: %zu bytes, want 1 to %d", (long long)id, a.n, CONTENT_MAX);
    if (t->nadded >= ADDED_MAX) return fail("more than %d added tokens", ADDED_MAX);
    if (flags && (json_opt_bool(flags, "special", &a.special) || json_opt_bool(flags, "single_word", &a.single_word)
                  || json_opt_bool(flags, "lstrip", &a.lstrip) || json_opt_bool(flags, "rstrip", &a.rstrip)))
        return fail_in("token %lld", (long long)id);
    return tokenizer_is_added(t, content, a.n) ? tokenizer_change(t, &a) : tokenizer_add(t, &a);
}

/* tokenizer_config.json: added_tokens_decoder has {"id": {content and flags}}. *listed: it has. */
static int read_config(struct tokenizer *t, const json_t *doc, bool *listed)
{
    json_t *list = json_object_get(doc, "added_tokens_decoder"), *v;
    const char *key, *content;
    bool legacy = true, prefix = true;
    if (json_opt_bool(doc, "legacy", &legacy) || json_opt_bool(doc, "add_prefix_space", &prefix)) return -1;
    if (!legacy || !prefix) return fail("\"%s\": false needs a tokenizer.json", legacy ? "add_prefix_space" : "legacy");
    *listed = json_is_object(list);
    json_object_foreach(list, key, v) {
        char *end;
        long long id = strtoll(key, &end, 10);
        if (!*key || *end) return fail("added_tokens_decoder: \"%.40s\" is no id", key);
        if (json_get_str(v, "content", &content) || add_one(t, content, id, v, false)) return fail_in("added_tokens_decoder");
    }
    return 0;
}

static bool names(const json_t *v, const char *s)
{
    if (json_is_object(v)) v = json_object_get(v, "content");
    if (json_is_string(v)) return !strcmp(json_string_value(v), s);
    for (size_t i = 0; i < json_array_size(v); i++)
        if (!json_is_array(json_array_get(v, i)) && names(json_array_get(v, i), s)) return true;
    return false;
}

/* special_tokens_map.json: {"bos_token": name, ..., "additional_special_tokens": [name]}; NULL is fine */
static bool is_special(json_t *map, const char *s)
{
    const char *key;
    json_t *v;
    json_object_foreach(map, key, v)
        if (names(v, s)) return true;
    return false;
}

/* added_tokens.json: {"content": id}; what tokenizer_config.json listed is known. */
static int read_added(struct tokenizer *t, json_t *doc, json_t *map)
{
    const char *key;
    json_t *v;
    json_object_foreach(doc, key, v) {
        if (!json_is_integer(v)) return fail("\"%.40s\": the id is not a whole number", key);
        int64_t id = json_integer_value(v);
        if (tokenizer_is_added(t, key, strlen(key)) && tok_id(t, key) == id) continue;
        if (add_one(t, key, id, NULL, is_special(map, key))) return -1;
    }
    return 0;
}

static int read_beside(struct tokenizer *t, const char *dir)
{
    json_t *added = NULL, *map = NULL;
    bool listed = false;
    int bad = beside(dir, "tokenizer_config.json", &t->config) < 0;
    if (!bad && t->config && read_config(t, t->config, &listed)) bad = fail_in("tokenizer_config.json");
    if (!bad && !listed) bad = beside(dir, "special_tokens_map.json", &map) < 0;
    if (!bad) bad = beside(dir, "added_tokens.json", &added) < 0;
    if (!bad && added && read_added(t, added, map)) bad = fail_in("added_tokens.json");
    json_decref(map);
    json_decref(added);
    return bad ? -1 : 0;
}

static int read_model(struct tokenizer *t, const char *path, const char *dir)
{
    char why[SENTENCE_WHY];
    struct buf b = {0};
    if (file_read(path, MODEL_MAX, &b)) return buf_free(&b), -1;
    t->source = b.p ? b.p : mem_str("");
    t->nsource = b.len;
    if (!(t->sentence = sentence_open(t->source, t->nsource, why))) return fail("%s: %s", path, why);
    if (read_pieces(t) || probe_lead(t)) return fail_in("%s", path);
    if (dir && read_beside(t, dir)) return fail_in("%s", dir);
    return tokenizer_ready(t);
}

struct tokenizer *sentence_tokenizer(const char *path, const char *dir)
{
    struct tokenizer *t = mem_alloc(sizeof *t);
    if (!read_model(t, path, dir)) return t;
    tok_free(t);
    return NULL;
}

/* ---- writing ---- */

static json_t *flags_of(const struct added *a)
{
    return json_pack("{s:s%, s:b, s:b, s:b, s:b, s:b}", "content", a->content, a->n, "lstrip", a->lstrip, "normalized", 0, "rstrip",
                     a->rstrip, "single_word", a->single_word, "special", a->special);
}

static int save_as(const json_t *doc, const char *dir, const char *name)
{
    char *path = file_join(dir, name);
    int bad = json_save(doc, path);
    free(path);
    return bad;
}

int sentence_save(const struct tokenizer *t, const char *dir)
{
    json_t *config = t->config ? json_deep_copy(t->config) : json_object(), *decoder = json_object(), *added = json_object();
    for (int i = 0; i < t->nadded; i++) {
        const struct added *a = &t->added[i];
        char key[16];
        snprintf(key, sizeof key, "%u", a->id);
        json_object_set_new(decoder, key, flags_of(a));
        if (a->id >= t->bpe.size) json_object_set_new(added, a->content, json_integer(a->id));
    }
    json_object_set_new(config, "added_tokens_decoder", decoder);
    char *path = file_join(dir, "tokenizer.model");
    int bad = file_write(path, t->source, t->nsource) || save_as(config, dir, "tokenizer_config.json") || save_as(added, dir, "added_tokens.json");
    free(path);
    json_decref(config);
    json_decref(added);
    return bad ? -1 : 0;
}
