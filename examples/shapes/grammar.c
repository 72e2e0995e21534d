/* SPDX-License-Identifier: Apache-2.0 */
#include "grammar.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

const char *const task_source[TASKS] = {
    "scene/count", "scene/more", "scene/compare", "scene/total", "scene/relate", "scene/odd",
    "chart/read", "chart/read", "chart/diff", "chart/sum", "chart/mean", "chart/rank",
};
const char *const attr_words[ATTRS] = { "shape", "colour" };
const char *const position_words[CELLS] = { "top left", "top", "top right", "left", "centre", "right",
                                            "bottom left", "bottom", "bottom right" };
static const char *const dir_words[DIRS] = { "left", "right", "above", "below" };
static const char *const dir_phrases[DIRS] = { "left of", "right of", "above", "below" };
static const char *const rank_words[RANKS] = { "highest", "lowest", "second highest", "second lowest" };
static const char *const cmp_words[3] = { "is less than", "equals", "is more than" };
static const char *const cmp_signs[3] = { "<", "=", ">" };

/* A rule can hold only under its condition; reading it asserts the condition. */
enum when { ALWAYS, NONE_FOUND, SOME_FOUND, EQUAL, UNEQUAL, ON_LINE, OFF_LINE };

/* The language. {slot} is written and read by the slot table below: {a} "red circles", {a1} "red circle". */
static const struct rule { enum part part; int kind; const char *text; enum when when; } rules[] = {
    { QUESTION, T_COUNT, "How many {a} are there?", ALWAYS },
    { QUESTION, T_COUNT, "What is the number of {a}?", ALWAYS },
    { QUESTION, T_MORE, "How many more {a} than {b} are there?", ALWAYS },
    { QUESTION, T_COMPARE, "Are there more {a} or {b}?", ALWAYS },
    { QUESTION, T_COMPARE, "Which are more, {a} or {b}?", ALWAYS },
    { QUESTION, T_TOTAL, "How many {a}, {b} and {c} are there in all?", ALWAYS },
    { QUESTION, T_TOTAL, "How many {a} and {b} are there in all?", ALWAYS },
    { QUESTION, T_RELATE, "What {attr} is {dirof} the {a1}?", ALWAYS },
    { QUESTION, T_ODD, "One object differs in {attr2}. What is its {attr}?", ALWAYS },
    { QUESTION, T_READ, "What is the value of bar {lab}?", ALWAYS },
    { QUESTION, T_READ_COLOUR, "What is the value of the {col} bar?", ALWAYS },
    { QUESTION, T_DIFF, "How much higher is {lab} than {lab2}?", ALWAYS },
    { QUESTION, T_DIFF, "By how much is {lab} above {lab2}?", ALWAYS },
    { QUESTION, T_SUM, "What is the sum of {lab}, {lab2} and {lab3}?", ALWAYS },
    { QUESTION, T_SUM, "What is the sum of {lab} and {lab2}?", ALWAYS },
    { QUESTION, T_MEAN, "What is the average of {lab}, {lab2} and {lab3}?", ALWAYS },
    { QUESTION, T_MEAN, "What is the average of {lab} and {lab2}?", ALWAYS },
    { QUESTION, T_RANK, "Which bar is the {rank}?", ALWAYS },

    { NAME, K_FIND, "find {a}", ALWAYS },
    { NAME, K_FIND, "look for {a}", ALWAYS },
    { THOUGHT, K_FIND, "{a}: {list}", SOME_FOUND },
    { THOUGHT, K_FIND, "{a} at {list}", SOME_FOUND },
    { THOUGHT, K_FIND, "no {a}", NONE_FOUND },
    { THOUGHT, K_FIND, "{a}: none", NONE_FOUND },
    { REFLECTION, K_FIND, "{n} in the image", ALWAYS },
    { REFLECTION, K_FIND, "that makes {n}", ALWAYS },
    { REFLECTION, K_FIND, "{n} seen", ALWAYS },

    { NAME, K_KEEP, "keep {a}", ALWAYS },
    { NAME, K_KEEP, "of these, {a}", ALWAYS },
    { THOUGHT, K_KEEP, "{a}: {list}", SOME_FOUND },
    { THOUGHT, K_KEEP, "{a} at {list}", SOME_FOUND },
    { THOUGHT, K_KEEP, "no {a}", NONE_FOUND },
    { THOUGHT, K_KEEP, "{a}: none", NONE_FOUND },
    { REFLECTION, K_KEEP, "{n} left", ALWAYS },
    { REFLECTION, K_KEEP, "{n} of them", ALWAYS },

    { NAME, K_LOCATE, "locate the {a1}", ALWAYS },
    { NAME, K_LOCATE, "find the {a1}", ALWAYS },
    { THOUGHT, K_LOCATE, "it is at the {pos}", ALWAYS },
    { THOUGHT, K_LOCATE, "{a1}: {pos}", ALWAYS },
    { REFLECTION, K_LOCATE, "the only {a1}", ALWAYS },
    { REFLECTION, K_LOCATE, "no other {a1}", ALWAYS },

    { NAME, K_LOOK, "look {dir}", ALWAYS },
    { NAME, K_LOOK, "what is {dirof} it", ALWAYS },
    { THOUGHT, K_LOOK, "{dirof} it: {b1}", ALWAYS },
    { THOUGHT, K_LOOK, "there is the {b1}", ALWAYS },
    { REFLECTION, K_LOOK, "it is at the {pos}", ALWAYS },
    { REFLECTION, K_LOOK, "seen at the {pos}", ALWAYS },

    { NAME, K_TELL, "tell its {attr}", ALWAYS },
    { NAME, K_TELL, "name the {attr}", ALWAYS },
    { THOUGHT, K_TELL, "its {attr} is {word}", ALWAYS },
    { THOUGHT, K_TELL, "{attr}: {word}", ALWAYS },
    { REFLECTION, K_TELL, "the one at the {pos}", ALWAYS },
    { REFLECTION, K_TELL, "seen at the {pos}", ALWAYS },

    { NAME, K_COMMON, "find the common {attr}", ALWAYS },
    { NAME, K_COMMON, "compare the {attr}s", ALWAYS },
    { THOUGHT, K_COMMON, "most are {words}", ALWAYS },
    { THOUGHT, K_COMMON, "common {attr}: {word}", ALWAYS },
    { REFLECTION, K_COMMON, "{n} of them", ALWAYS },
    { REFLECTION, K_COMMON, "{n} are alike", ALWAYS },

    { NAME, K_ODD, "find the odd one", ALWAYS },
    { NAME, K_ODD, "spot the odd {attr}", ALWAYS },
    { THOUGHT, K_ODD, "one is {word}", ALWAYS },
    { THOUGHT, K_ODD, "odd {attr}: {word}", ALWAYS },
    { REFLECTION, K_ODD, "it is at the {pos}", ALWAYS },
    { REFLECTION, K_ODD, "seen at the {pos}", ALWAYS },

    { NAME, K_ADD, "add", ALWAYS },
    { NAME, K_ADD, "add up", ALWAYS },
    { THOUGHT, K_ADD, "{x} + {y} = {r}", ALWAYS },
    { THOUGHT, K_ADD, "{x} and {y} make {r}", ALWAYS },
    { REFLECTION, K_ADD, "sum {r}", ALWAYS },
    { REFLECTION, K_ADD, "{r} together", ALWAYS },

    { NAME, K_SUB, "subtract", ALWAYS },
    { NAME, K_SUB, "take the difference", ALWAYS },
    { THOUGHT, K_SUB, "{x} - {y} = {r}", ALWAYS },
    { THOUGHT, K_SUB, "{x} minus {y} is {r}", ALWAYS },
    { REFLECTION, K_SUB, "difference {r}", ALWAYS },
    { REFLECTION, K_SUB, "{r} more", ALWAYS },

    { NAME, K_DIV, "divide", ALWAYS },
    { NAME, K_DIV, "share by {y}", ALWAYS },
    { THOUGHT, K_DIV, "{x} / {y} = {r}", ALWAYS },
    { THOUGHT, K_DIV, "{x} by {y} is {r}", ALWAYS },
    { REFLECTION, K_DIV, "average {r}", ALWAYS },
    { REFLECTION, K_DIV, "{r} each", ALWAYS },

    { NAME, K_CMP, "compare", ALWAYS },
    { NAME, K_CMP, "compare the numbers", ALWAYS },
    { THOUGHT, K_CMP, "{x} {cmp} {y}", ALWAYS },
    { THOUGHT, K_CMP, "{x} {sign} {y}", ALWAYS },
    { REFLECTION, K_CMP, "more {a}", UNEQUAL },
    { REFLECTION, K_CMP, "the {a} win", UNEQUAL },
    { REFLECTION, K_CMP, "the same number", EQUAL },
    { REFLECTION, K_CMP, "a tie", EQUAL },

    { NAME, K_BAR, "find bar {lab}", ALWAYS },
    { NAME, K_BAR, "locate {lab}", ALWAYS },
    { THOUGHT, K_BAR, "bar {lab} is {col}", ALWAYS },
    { THOUGHT, K_BAR, "the {col} one is {lab}", ALWAYS },
    { REFLECTION, K_BAR, "number {k} from the left", ALWAYS },
    { REFLECTION, K_BAR, "bar number {k}", ALWAYS },

    { NAME, K_TINT, "find the {col} bar", ALWAYS },
    { NAME, K_TINT, "locate {col}", ALWAYS },
    { THOUGHT, K_TINT, "bar {lab} is {col}", ALWAYS },
    { THOUGHT, K_TINT, "the {col} one is {lab}", ALWAYS },
    { REFLECTION, K_TINT, "number {k} from the left", ALWAYS },
    { REFLECTION, K_TINT, "bar number {k}", ALWAYS },

    { NAME, K_READ, "read {lab}", ALWAYS },
    { NAME, K_READ, "read bar {lab}", ALWAYS },
    { THOUGHT, K_READ, "{lab} = {x}", ALWAYS },
    { THOUGHT, K_READ, "{lab} reaches {x}", ALWAYS },
    { REFLECTION, K_READ, "on the line at {lo}", ON_LINE },
    { REFLECTION, K_READ, "its top is at {lo}", ON_LINE },
    { REFLECTION, K_READ, "between {lo} and {hi}", OFF_LINE },
    { REFLECTION, K_READ, "above {lo}, below {hi}", OFF_LINE },

    { NAME, K_SCAN, "read all bars", ALWAYS },
    { NAME, K_SCAN, "read every bar", ALWAYS },
    { THOUGHT, K_SCAN, "{bars}", ALWAYS },
    { THOUGHT, K_SCAN, "values: {bars}", ALWAYS },
    { REFLECTION, K_SCAN, "{n} bars", ALWAYS },
    { REFLECTION, K_SCAN, "all {n} bars", ALWAYS },

    { NAME, K_SORT, "sort", ALWAYS },
    { NAME, K_SORT, "order the bars", ALWAYS },
    { THOUGHT, K_SORT, "{order}", ALWAYS },
    { THOUGHT, K_SORT, "from the top: {order}", ALWAYS },
    { REFLECTION, K_SORT, "{lab} on top", ALWAYS },
    { REFLECTION, K_SORT, "{lab} leads", ALWAYS },

    { NAME, K_PICK, "take the {rank}", ALWAYS },
    { NAME, K_PICK, "pick the {rank}", ALWAYS },
    { THOUGHT, K_PICK, "the {rank} is {lab}", ALWAYS },
    { THOUGHT, K_PICK, "it is {lab}", ALWAYS },
    { REFLECTION, K_PICK, "{lab} has {x}", ALWAYS },
    { REFLECTION, K_PICK, "with {x}", ALWAYS },
};

/* ---- claims ---- */

void claim_set(struct claim *c, enum slot s, int64_t v)
{
    c->has |= 1u << s;
    c->v[s] = v;
}

bool claim_has(const struct claim *c, enum slot s) { return c->has >> s & 1; }

bool claim_agrees(const struct claim *part, const struct claim *whole)
{
    for (int s = 0; s < SLOTS; s++)
        if (claim_has(part, (enum slot)s) && (!claim_has(whole, (enum slot)s) || part->v[s] != whole->v[s])) return false;
    return true;
}

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

static bool when_holds(enum when w, const struct claim *c)
{
    switch (w) {
    case NONE_FOUND: return c->v[S_LIST] == 0;
    case SOME_FOUND: return c->v[S_LIST] != 0;
    case EQUAL:      return c->v[S_CMP] == 0;
    case UNEQUAL:    return c->v[S_CMP] != 0;
    case ON_LINE:    return c->v[S_LO] == c->v[S_HI];
    case OFF_LINE:   return c->v[S_LO] != c->v[S_HI];
    default:         return true;
    }
}

static void when_assert(enum when w, struct claim *c)
{
    if (w == NONE_FOUND) claim_set(c, S_LIST, 0);
    if (w == EQUAL) claim_set(c, S_CMP, 0);
    if (w == ON_LINE) claim_set(c, S_HI, c->v[S_LO]);
}

/* ---- slots: writing appends the value; reading returns where it ends, NULL if the text is no such thing ---- */

enum form { PLAIN, PLURAL, OTHER };            /* OTHER: the slot's second wording */

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

/* Slots that are one word of a list. */
struct words { const char *const *plain, *const *other; int n, first; };
static const struct words the_position = { position_words, NULL, CELLS, 0 }, the_attr = { attr_words, NULL, ATTRS, 0 },
    the_dir = { dir_words, dir_phrases, DIRS, 0 }, the_rank = { rank_words, NULL, RANKS, 0 },
    the_colour = { colour_words, NULL, COLOURS, 0 }, the_cmp = { cmp_words, cmp_signs, 3, -1 };

static const char *read_listed(const struct words *w, const char *s, enum form f, int64_t *v)
{
    const char *e = read_word(s, f == OTHER ? w->other : w->plain, w->n, v);
    *v += w->first;
    return e;
}

static const struct slot_def {
    const char *name;
    enum slot slot;
    enum form form;
    void (*write)(struct buf *, enum form, int64_t);
    const char *(*read)(const char *, enum form, int64_t *);
    const struct words *words;                 /* instead of the two */
} slots[] = {
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

/* The slot whose "{name}" stands at *text; *text goes behind it. */
static const struct slot_def *slot_at(const char **text)
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

/* ---- the two directions ---- */

static bool rule_fits(const struct rule *r, enum part p, const struct claim *c)
{
    unsigned said = 0;
    if (r->part != p || r->kind != c->kind || !when_holds(r->when, c)) return false;
    for (const char *t = r->text; *t;) {
        if (*t != '{') t++;
        else said |= 1u << slot_at(&t)->slot;
    }
    return !(said & ~c->has) && (p != QUESTION || said == c->has);     /* a question leaves nothing out */
}

static void write_rule(const struct rule *r, const struct claim *c, struct buf *out)
{
    for (const char *t = r->text; *t;) {
        if (*t != '{') {
            buf_byte(out, *t++);
            continue;
        }
        const struct slot_def *d = slot_at(&t);
        int64_t v = c->v[d->slot];
        if (d->words) buf_str(out, (d->form == OTHER ? d->words->other : d->words->plain)[v - d->words->first]);
        else d->write(out, d->form, v);
    }
}

int grammar_choices(enum part p, const struct claim *c)
{
    int n = 0;
    for (int i = 0; i < countof(rules); i++) n += rule_fits(&rules[i], p, c);
    return n;
}

void grammar_write(enum part p, const struct claim *c, struct rng *r, struct buf *out)
{
    int n = grammar_choices(p, c), pick;
    assert(n > 0);
    pick = r ? rand_in(r, 0, n - 1) : 0;
    for (int i = 0; i < countof(rules); i++)
        if (rule_fits(&rules[i], p, c) && pick-- == 0) {
            write_rule(&rules[i], c, out);
            return;
        }
}

static bool read_slot(const struct slot_def *d, const char **s, struct claim *c)
{
    int64_t v = 0;
    *s = d->words ? read_listed(d->words, *s, d->form, &v) : d->read(*s, d->form, &v);
    if (!*s || (claim_has(c, d->slot) && c->v[d->slot] != v)) return false;
    claim_set(c, d->slot, v);
    return true;
}

static bool read_rule(const struct rule *r, const char *s, struct claim *c)
{
    *c = (struct claim){ .kind = r->kind };
    for (const char *t = r->text; *t;) {
        if (*t == '{') {
            if (!read_slot(slot_at(&t), &s, c)) return false;
        } else if (!t[1] && (*t == '?' || *t == '.') && !*s) {
            t++;                                         /* the final mark is free */
        } else if (tolower((unsigned char)*t++) != *s++) {
            return false;
        }
    }
    if (*s) return false;
    when_assert(r->when, c);
    return true;
}

enum { PHRASE_MAX = 400 };

/* Lower case, single spaces, no white space or full stop at the ends. */
static bool plain_text(const char *s, size_t n, char out[PHRASE_MAX + 1])
{
    size_t k = 0;
    if (n > PHRASE_MAX) return false;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (!c) return false;
        if (!isspace(c)) out[k++] = (char)tolower(c);
        else if (k && out[k - 1] != ' ') out[k++] = ' ';
    }
    while (k && strchr(" .?", out[k - 1])) k--;
    out[k] = 0;
    return true;
}

bool grammar_read(enum part p, int kind, const char *s, size_t n, struct claim *c)
{
    char text[PHRASE_MAX + 1];
    if (!plain_text(s, n, text)) return false;
    for (int i = 0; i < countof(rules); i++)
        if (rules[i].part == p && (kind < 0 || kind == rules[i].kind) && read_rule(&rules[i], text, c)) return true;
    return false;
}
