/* SPDX-License-Identifier: Apache-2.0
 * The normalizer, pre-tokenizer and decoder of a tokenizer.json. What is not understood is refused.
 */
#include "text/tokenizer_priv.h"

#include <string.h>
#include "store/json.h"

enum { STAGES_MAX = 32, DEPTH_MAX = 4 };
#define BLANK_MARK "\xE2\x96\x81"                /* U+2581, SentencePiece's blank */

static const char *type_of(const json_t *v)
{
    const char *type = json_string_value(json_object_get(v, "type"));
    return type ? type : "(no type)";
}

/* ---- normalizer ---- */

static int read_replace(const json_t *v, const char **find, const char **put)
{
    json_t *pattern;
    if (json_get_object(v, "pattern", &pattern) || json_get_str(v, "content", put)) return -1;
    return json_get_str(pattern, "String", find) ? fail_in("Replace: pattern") : 0;
}

static int read_normalizer(struct tokenizer *t, const json_t *v, int depth)
{
    static const struct { const char *type; enum text_form form; } known[] = {
        { "NFC", FORM_NFC }, { "NFD", FORM_NFD }, { "NFKC", FORM_NFKC }, { "NFKD", FORM_NFKD } };
    const char *type = type_of(v), *find, *put;
    if (depth > DEPTH_MAX) return fail("too deep");
    if (!strcmp(type, "Sequence")) {
        json_t *list;
        if (json_get_array(v, "normalizers", &list)) return -1;
        for (size_t i = 0; i < json_array_size(list); i++)
            if (read_normalizer(t, json_array_get(list, i), depth + 1)) return -1;
        return 0;
    }
    if (!strcmp(type, "Replace"))
        return read_replace(v, &find, &put) ? -1 : normal_add(&t->normal, NORMAL_REPLACE, FORM_NONE, find, put);
    if (!strcmp(type, "Prepend")) {
        if (json_get_str(v, "prepend", &put)) return -1;
        if (!strcmp(put, BLANK_MARK)) t->lead = LEAD_ALWAYS;
        return normal_add(&t->normal, NORMAL_PREPEND, FORM_NONE, NULL, put);
    }
    for (int i = 0; i < countof(known); i++)
        if (!strcmp(type, known[i].type)) return normal_add(&t->normal, NORMAL_FORM, known[i].form, NULL, NULL);
    return fail("type %s is not supported (NFC, NFD, NFKC, NFKD, Replace, Prepend, Sequence are)", type);
}

int stages_normalizer(struct tokenizer *t, const json_t *v)
{
    return !v || json_is_null(v) ? 0 : read_normalizer(t, v, 0);
}

/* ---- pre-tokenizer ---- */

static int read_byte_level(struct splitter *s, const json_t *v)
{
    bool space = true, regex = true;
    if (json_opt_bool(v, "add_prefix_space", &space) || json_opt_bool(v, "use_regex", &regex)) return -1;
    if (space) splitter_add_space(s);
    return regex ? splitter_add(s, split_gpt2, strlen(split_gpt2), SPLIT_ISOLATED, false) : 0;
}

/* Escapes a plain string into a pattern that matches it. */
static void quote(const char *s, struct buf *out)
{
    for (; *s; s++) {
        if (strchr("\\^$.[]|()?*+{}-#&~ ", *s)) buf_byte(out, '\\');
        buf_byte(out, *s);
    }
}

static int read_split(struct splitter *s, const json_t *v)
{
    static const char *const how[] = { [SPLIT_ISOLATED] = "Isolated", [SPLIT_REMOVED] = "Removed",
        [SPLIT_PREVIOUS] = "MergedWithPrevious", [SPLIT_NEXT] = "MergedWithNext", [SPLIT_CONTIGUOUS] = "Contiguous" };
    const char *behaviour, *pattern = NULL;
    json_t *p;
    bool invert = false;
    int k = 0;
    if (json_get_object(v, "pattern", &p) || json_get_str(v, "behavior", &behaviour)
        || json_opt_bool(v, "invert", &invert) || json_opt_str(p, "Regex", &pattern))
        return -1;
    while (k < countof(how) && strcmp(how[k], behaviour)) k++;
    if (k == countof(how)) return fail("behavior %s is not known", behaviour);
    if (pattern) return splitter_add(s, pattern, strlen(pattern), (enum split_how)k, invert);
    if (json_get_str(p, "String", &pattern)) return -1;
    struct buf quoted = {0};
    quote(pattern, &quoted);
    int status = splitter_add(s, quoted.p ? quoted.p : "", quoted.len, (enum split_how)k, invert);
    buf_free(&quoted);
    return status;
}

static int read_digits(struct splitter *s, const json_t *v)
{
    bool single = false;
    if (json_opt_bool(v, "individual_digits", &single)) return -1;
    return splitter_add(s, "\\p{N}", 5, single ? SPLIT_ISOLATED : SPLIT_CONTIGUOUS, false);
}

/* Where Metaspace puts its blank: "prepend_scheme", or in older files "add_prefix_space". */
static int read_scheme(const json_t *v, enum text_lead *lead)
{
    static const char *const name[] = { [LEAD_NEVER] = "never", [LEAD_FIRST] = "first", [LEAD_ALWAYS] = "always" };
    bool space = true;
    const char *scheme = NULL;
    if (json_opt_bool(v, "add_prefix_space", &space) || json_opt_str(v, "prepend_scheme", &scheme)) return -1;
    *lead = space ? LEAD_ALWAYS : LEAD_NEVER;
    if (!scheme) return 0;
    for (int i = 0; i < countof(name); i++)
        if (!strcmp(scheme, name[i])) return *lead = (enum text_lead)i, 0;
    return fail("prepend_scheme \"%.40s\" is not known", scheme);
}

static int is_blank_mark(const json_t *v)
{
    const char *mark = BLANK_MARK;
    if (json_opt_str(v, "replacement", &mark)) return -1;
    return strcmp(mark, BLANK_MARK) ? fail("replacement \"%.40s\" is not supported (U+2581 is)", mark) : 0;
}

static int read_metaspace(struct tokenizer *t, const json_t *v)
{
    bool split = true;
    if (t->split.n || t->meta[0].n) return fail("Metaspace behind another stage is not supported");
    if (is_blank_mark(v) || json_opt_bool(v, "split", &split) || read_scheme(v, &t->lead)) return -1;
    for (int inside = 0; inside < 2; inside++) {
        if (normal_add(&t->meta[inside], NORMAL_REPLACE, FORM_NONE, " ", BLANK_MARK)) return -1;
        bool lead = t->lead == LEAD_ALWAYS || (t->lead == LEAD_FIRST && !inside);
        if (lead && normal_add(&t->meta[inside], NORMAL_PREPEND_ONCE, FORM_NONE, NULL, BLANK_MARK)) return -1;
    }
    return split ? splitter_add(&t->split, BLANK_MARK, strlen(BLANK_MARK), SPLIT_NEXT, false) : 0;
}

/* ByteLevel spells bytes as other characters, so nothing may cut behind it: *bytes says it has been. */
static int read_pre_tokenizer(struct tokenizer *t, const json_t *v, bool *bytes, int depth)
{
    const char *type = type_of(v);
    if (*bytes) return fail("%s behind ByteLevel is not supported", type);
    if (t->split.n >= STAGES_MAX || depth > DEPTH_MAX) return fail("too many stages");
    if (!strcmp(type, "ByteLevel")) return *bytes = true, read_byte_level(&t->split, v);
    if (!strcmp(type, "Split")) return read_split(&t->split, v);
    if (!strcmp(type, "Digits")) return read_digits(&t->split, v);
    if (!strcmp(type, "Metaspace")) return read_metaspace(t, v);
    if (strcmp(type, "Sequence"))
        return fail("type %s is not supported (ByteLevel, Split, Digits, Metaspace, Sequence are)", type);
    json_t *list;
    if (json_get_array(v, "pretokenizers", &list)) return -1;
    for (size_t i = 0; i < json_array_size(list); i++)
        if (read_pre_tokenizer(t, json_array_get(list, i), bytes, depth + 1)) return -1;
    return 0;
}

int stages_pre_tokenizer(struct tokenizer *t, const json_t *v)
{
    bool bytes = false;
    if (v && !json_is_null(v) && read_pre_tokenizer(t, v, &bytes, 0)) return -1;
    t->bpe.chars = !bytes;
    if (!bytes) return 0;
    for (int i = 0; i < t->normal.n; i++)
        if (t->normal.step[i].kind != NORMAL_FORM || t->normal.n > 1) return fail("ByteLevel behind such a normalizer is not supported");
    return t->meta[0].n ? fail("ByteLevel behind Metaspace is not supported") : 0;
}

/* ---- decoder ---- */

struct undo { bool blank, bytes, strip; };

static int read_strip(const json_t *v, struct undo *u)
{
    const char *content;
    int start, stop;
    if (json_get_str(v, "content", &content) || json_get_int(v, "start", 0, 1, &start) || json_get_int(v, "stop", 0, 0, &stop))
        return fail_in("Strip");
    if (strcmp(content, " ")) return fail("Strip of \"%.40s\" is not supported", content);
    u->strip = start;
    return 0;
}

static int read_decoder(const json_t *v, struct undo *u, int depth)
{
    const char *type = type_of(v), *find, *put;
    enum text_lead lead;
    if (depth > DEPTH_MAX) return fail("too deep");
    if (!strcmp(type, "ByteFallback")) return u->bytes = true, 0;
    if (!strcmp(type, "Fuse")) return 0;
    if (!strcmp(type, "Strip")) return read_strip(v, u);
    if (!strcmp(type, "Metaspace")) {
        if (is_blank_mark(v) || read_scheme(v, &lead)) return -1;
        u->blank = true;
        u->strip = lead != LEAD_NEVER;
        return 0;
    }
    if (!strcmp(type, "Replace")) {
        if (read_replace(v, &find, &put)) return -1;
        u->blank = !strcmp(find, BLANK_MARK) && !strcmp(put, " ");
        return u->blank ? 0 : fail("Replace of \"%.40s\" is not supported", find);
    }
    if (strcmp(type, "Sequence"))
        return fail("type %s is not supported here (Replace, ByteFallback, Fuse, Strip, Metaspace, Sequence are)", type);
    json_t *list;
    if (json_get_array(v, "decoders", &list)) return -1;
    for (size_t i = 0; i < json_array_size(list); i++)
        if (read_decoder(json_array_get(list, i), u, depth + 1)) return -1;
    return 0;
}

static int check_byte_decoder(const json_t *v)
{
    const char *type = type_of(v);
    if (strcmp(type, "Sequence")) return strcmp(type, "ByteLevel") ? fail("type %s is not supported (ByteLevel is)", type) : 0;
    const json_t *list = json_object_get(v, "decoders");
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(type_of(json_array_get(list, i)), "ByteLevel")) return fail("only ByteLevel is supported");
    return 0;
}

int stages_decoder(struct tokenizer *t, const json_t *v)
{
    struct undo u = {0};
    bool none = !v || json_is_null(v);
    if (!t->bpe.chars) return none ? 0 : check_byte_decoder(v);
    if (none) return fail("none; without one tokens cannot be put together");
    if (read_decoder(v, &u, 0)) return -1;
    bpe_unspell(&t->bpe, u.blank, u.bytes);
    t->drop_lead = u.strip && t->lead != LEAD_NEVER;
    return 0;
}
