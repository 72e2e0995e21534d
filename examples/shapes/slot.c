/* SPDX-License-Identifier: Apache-2.0 */
#include "slot.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

const char *const attr_words[ATTRS] = { "shape", "colour" };
const char *const position_words[CELLS] = { "top left", "top", "top right", "left", "centre", "right",
                                            "bottom left", "bottom", "bottom right" };
static const char *const dir_words[DIRS] = { "left", "right", "above", "below" };
static const char *const dir_phrases[DIRS] = { "left of", "right of", "above", "below" };
static const char *const rank_words[RANKS] = { "highest", "lowest", "second highest", "second lowest" };
static const char *const cmp_words[3] = { "is less than", "equals", "is more than" };
static const char *const cmp_signs[3] = { "<", "=", ">" };

/* ---- values as one integer ---- */

int64_t sel_code(struct sel s) { return (s.size + 1) * 100 + (s.colour + 1) * 10 + s.shape + 1; }

struct sel sel_of(int64_t code)
{
    return (struct sel){ .size = (int)(code / 100) - 1, .colour = (int)(code / 10 % 10) - 1, .shape = (int)(code % 10) - 1 };
}

int64_t word_code(enum attr a, int value) { return (int64_t)a * 100 + value; }

static int64_t bars_add(int64_t code, int label, int64_t value) { return code | (value + 1) << (7 * label); }

int64_t bars_code(const struct world *w)
{
    int64_t code = 0;
    for (int i = 0; i < w->nbar; i++) code = bars_add(code, w->bar[i].label, w->bar[i].value);
    return code;
}

int64_t order_code(const int *label, int n)
{
    int64_t code = 0;
    for (int i = 0; i < n; i++) code = code * (LABELS + 1) + label[i] + 1;
    return code;
}

/* ---- writing appends the value; reading returns where it ends, NULL if the text is no such thing ---- */

static const char *word_end(const char *s, const char *word)
{
    size_t n = strlen(word);
    return strncmp(s, word, n) || isalnum((unsigned char)s[n]) ? NULL : s + n;
}

/* The longest word of the list at s: "top left" before "top". */
static const char *read_word(const char *s, const char *const *words, int n, int64_t *v)
{
    const char *best = NULL;
    for (int i = 0; i < n; i++) {
        const char *e = word_end(s, words[i]);
        if (e && (!best || e > best)) {
            best = e;
            *v = i;
        }
    }
    return best;
}

static const char *read_plural(const char *s, const char *const *words, int n, int64_t *v)
{
    for (int i = 0; i < n; i++) {
        size_t len = strlen(words[i]);
        if (strncmp(s, words[i], len)) continue;
        const char *e = s + len;
        if (e[0] == 'e' && e[1] == 's') e += 2;          /* crosses */
        else if (e[0] == 's') e++;
        if (isalnum((unsigned char)*e)) continue;
        *v = i;
        return e;
    }
    return NULL;
}

void plural_write(struct buf *out, const char *word)
{
    buf_str(out, word);
    buf_str(out, word[strlen(word) - 1] == 's' ? "es" : "s");
}

static void write_sel(struct buf *out, enum form f, int64_t v)
{
    struct sel s = sel_of(v);
    const char *noun = s.shape >= 0 ? shape_words[s.shape] : "object";
    if (s.size >= 0) buf_fmt(out, "%s ", size_words[s.size]);
    if (s.colour >= 0) buf_fmt(out, "%s ", colour_words[s.colour]);
    if (f == PLURAL) plural_write(out, noun);
    else buf_str(out, noun);
}

/* [size] [colour] noun; number is free. */
static const char *read_sel(const char *s, enum form f, int64_t *v)
{
    static const char *const object[] = { "object" };
    struct sel sel = SEL_ANY;
    int64_t x;
    const char *e;
    (void)f;
    if ((e = read_word(s, size_words, SIZES, &x)) && *e == ' ') s = e + 1, sel.size = (int)x;
    if ((e = read_word(s, colour_words, COLOURS, &x)) && *e == ' ') s = e + 1, sel.colour = (int)x;
    if ((e = read_plural(s, shape_words, SHAPES, &x))) sel.shape = (int)x;
    else if (!(e = read_plural(s, object, 1, &x))) return NULL;
    *v = sel_code(sel);
    return e;
}

static void write_list(struct buf *out, enum form f, int64_t v)
{
    const char *sep = "";
    (void)f;
    for (int i = 0; i < CELLS; i++)
        if (v >> i & 1) {
            buf_fmt(out, "%s%s", sep, position_words[i]);
            sep = ", ";
        }
}

static const char *read_list(const char *s, enum form f, int64_t *v)
{
    int64_t cell;
    (void)f;
    for (*v = 0; (s = read_word(s, position_words, CELLS, &cell)); s += 2) {
        if (*v >> cell & 1) return NULL;                 /* named twice */
        *v |= (int64_t)1 << cell;
        if (strncmp(s, ", ", 2)) return s;
    }
    return NULL;
}

static void write_number(struct buf *out, enum form f, int64_t v)
{
    (void)f;
    buf_fmt(out, "%lld", (long long)v);
}

static const char *read_number(const char *s, enum form f, int64_t *v)
{
    const char *b = s;
    (void)f;
    for (*v = 0; isdigit((unsigned char)*s) && s - b < 4; s++) *v = *v * 10 + (*s - '0');
    return s == b || isalnum((unsigned char)*s) ? NULL : s;
}

static void write_label(struct buf *out, enum form f, int64_t v)
{
    (void)f;
    buf_byte(out, (char)('A' + v));
}

static const char *read_label(const char *s, enum form f, int64_t *v)
{
    (void)f;
    if (*s < 'a' || *s >= 'a' + LABELS || isalnum((unsigned char)s[1])) return NULL;
    *v = *s - 'a';
    return s + 1;
}

static void write_word(struct buf *out, enum form f, int64_t v)
{
    if (v >= 100) buf_str(out, colour_words[v - 100]);
    else if (f == PLURAL) plural_write(out, shape_words[v]);
    else buf_str(out, shape_words[v]);
}

static const char *read_any_word(const char *s, enum form f, int64_t *v)
{
    const char *e = read_word(s, colour_words, COLOURS, v);
    (void)f;
    if (e) *v += 100;
    return e ? e : read_plural(s, shape_words, SHAPES, v);
}

static void write_bars(struct buf *out, enum form f, int64_t v)
{
    const char *sep = "";
    (void)f;
    for (int i = 0; i < LABELS; i++, v >>= 7)
        if (v & 127) {
            buf_fmt(out, "%s%c %d", sep, 'A' + i, (int)(v & 127) - 1);
            sep = ", ";
        }
}

static const char *read_bars(const char *s, enum form f, int64_t *v)
{
    int64_t label, x;
    for (*v = 0; (s = read_label(s, f, &label)) && *s == ' '; s += 2) {
        if (!(s = read_number(s + 1, f, &x)) || x > VALUE_MAX || *v >> (7 * label) & 127) return NULL;
        *v = bars_add(*v, (int)label, x);
        if (strncmp(s, ", ", 2)) return s;
    }
    return NULL;
}

static void write_order(struct buf *out, enum form f, int64_t v)
{
    (void)f;
    if (v > LABELS) {
        write_order(out, f, v / (LABELS + 1));
        buf_str(out, " > ");
    }
    buf_byte(out, (char)('A' + v % (LABELS + 1) - 1));
}

static const char *read_order(const char *s, enum form f, int64_t *v)
{
    int64_t label;
    int n = 0;
    for (*v = 0; n < LABELS && (s = read_label(s, f, &label)); s += 3, n++) {
        *v = *v * (LABELS + 1) + label + 1;
        if (strncmp(s, " > ", 3)) return s;
    }
    return NULL;
}

/* Slots that are one word of a list; first: the value of its first word. */
struct words { const char *const *plain, *const *other; int n, first; };
static const struct words the_position = { position_words, NULL, CELLS, 0 }, the_attr = { attr_words, NULL, ATTRS, 0 },
    the_dir = { dir_words, dir_phrases, DIRS, 0 }, the_rank = { rank_words, NULL, RANKS, 0 },
    the_colour = { colour_words, NULL, COLOURS, 0 }, the_cmp = { cmp_words, cmp_signs, 3, -1 };

static const struct slot_def slots[] = {
    { "a", S_A, PLURAL, write_sel, read_sel, NULL },      { "a1", S_A, PLAIN, write_sel, read_sel, NULL },
    { "b", S_B, PLURAL, write_sel, read_sel, NULL },      { "b1", S_B, PLAIN, write_sel, read_sel, NULL },
    { "c", S_C, PLURAL, write_sel, read_sel, NULL },      { "list", S_LIST, PLAIN, write_list, read_list, NULL },
    { "n", S_N, PLAIN, write_number, read_number, NULL }, { "x", S_X, PLAIN, write_number, read_number, NULL },
    { "y", S_Y, PLAIN, write_number, read_number, NULL }, { "r", S_R, PLAIN, write_number, read_number, NULL },
    { "k", S_K, PLAIN, write_number, read_number, NULL }, { "lo", S_LO, PLAIN, write_number, read_number, NULL },
    { "hi", S_HI, PLAIN, write_number, read_number, NULL }, { "lab", S_LAB, PLAIN, write_label, read_label, NULL },
    { "lab2", S_LAB2, PLAIN, write_label, read_label, NULL }, { "lab3", S_LAB3, PLAIN, write_label, read_label, NULL },
    { "word", S_WORD, PLAIN, write_word, read_any_word, NULL }, { "words", S_WORD, PLURAL, write_word, read_any_word, NULL },
    { "bars", S_BARS, PLAIN, write_bars, read_bars, NULL }, { "order", S_ORDER, PLAIN, write_order, read_order, NULL },
    { "pos", S_POS, PLAIN, NULL, NULL, &the_position },       { "attr", S_ATTR, PLAIN, NULL, NULL, &the_attr },
    { "attr2", S_ATTR2, PLAIN, NULL, NULL, &the_attr },       { "col", S_COL, PLAIN, NULL, NULL, &the_colour },
    { "dir", S_DIR, PLAIN, NULL, NULL, &the_dir },            { "dirof", S_DIR, OTHER, NULL, NULL, &the_dir },
    { "rank", S_RANK, PLAIN, NULL, NULL, &the_rank },         { "cmp", S_CMP, PLAIN, NULL, NULL, &the_cmp },
    { "sign", S_CMP, OTHER, NULL, NULL, &the_cmp },
};

const struct slot_def *slot_at(const char **text)
{
    const char *b = *text + 1, *e = strchr(b, '}');
    for (int i = 0; e && i < countof(slots); i++)
        if (strlen(slots[i].name) == (size_t)(e - b) && !strncmp(slots[i].name, b, (size_t)(e - b))) {
            *text = e + 1;
            return &slots[i];
        }
    assert(!"unknown slot in the grammar");
    return NULL;
}

void slot_write(const struct slot_def *d, int64_t v, struct buf *out)
{
    if (d->words) buf_str(out, (d->form == OTHER ? d->words->other : d->words->plain)[v - d->words->first]);
    else d->write(out, d->form, v);
}

const char *slot_read(const struct slot_def *d, const char *s, int64_t *v)
{
    if (!d->words) return d->read(s, d->form, v);
    s = read_word(s, d->form == OTHER ? d->words->other : d->words->plain, d->words->n, v);
    *v += d->words->first;
    return s;
}
