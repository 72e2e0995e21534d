/* SPDX-License-Identifier: Apache-2.0 */
#include "base/opt.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

static bool is_end(const struct opt *o) { return !o->letter && !o->name && o->kind != OPT_GROUP; }

static void shown_name(const struct opt *o, char *s, size_t n)
{
    if (o->name) snprintf(s, n, "--%s", o->name);
    else snprintf(s, n, "-%c", o->letter);
}

static int bad(const struct opt *o, const char *value, const char *want)
{
    char name[64];
    shown_name(o, name, sizeof name);
    return fail_kind(ERR_USAGE, "%s: '%s' is not %s", name, value, want);
}

static int in_range(const struct opt *o, double v, const char *value)
{
    if (o->lo == 0 && o->hi == 0) return 0;
    if (v >= o->lo && v <= o->hi) return 0;
    char want[96];
    snprintf(want, sizeof want, "within %.15g and %.15g", o->lo, o->hi);
    return bad(o, value, want);
}

static int parse_choice(const struct opt *o, const char *value)
{
    size_t n = strlen(value);
    int i = 0;
    for (const char *s = o->arg; s; i++) {
        const char *e = strchr(s, '|');
        size_t len = e ? (size_t)(e - s) : strlen(s);
        if (len == n && !memcmp(s, value, n)) { *(int *)o->to = i; return 0; }
        s = e ? e + 1 : NULL;
    }
    char want[256];
    snprintf(want, sizeof want, "one of %s", o->arg);
    return bad(o, value, want);
}

static int parse_number(const struct opt *o, const char *value)
{
    char *end;
    errno = 0;
    if (o->kind == OPT_FLOAT) {
        double v = strtod(value, &end);
        if (end == value || *end || errno || v != v) return bad(o, value, "a number");
        if (in_range(o, v, value)) return -1;
        *(double *)o->to = v;
    } else if (o->kind == OPT_U64) {
        uint64_t v = strtoull(value, &end, 0);
        if (end == value || *end || errno || value[0] == '-') return bad(o, value, "a whole number >= 0");
        *(uint64_t *)o->to = v;
    } else {
        long v = strtol(value, &end, 10);
        if (end == value || *end || errno || v != (int)v) return bad(o, value, "a whole number");
        if (in_range(o, (double)v, value)) return -1;
        *(int *)o->to = (int)v;
    }
    return 0;
}

static int set(const struct opt *o, const char *value)
{
    switch (o->kind) {
    case OPT_STR: *(const char **)o->to = value; return 0;
    case OPT_CHOICE: return parse_choice(o, value);
    case OPT_LIST: {
        struct opt_list *l = o->to;
        if (l->n == OPT_LIST_MAX) return bad(o, value, "accepted: given too often");
        l->v[l->n++] = value;
        return 0;
    }
    default: return parse_number(o, value);
    }
}

static const struct opt *find_long(const struct opt *opts, const char *s, size_t n)
{
    for (const struct opt *o = opts; !is_end(o); o++)
        if (o->name && strlen(o->name) == n && !memcmp(o->name, s, n)) return o;
    return NULL;
}

static int parse_long(const struct opt *opts, int argc, char **argv, int i)
{
    const char *s = argv[i] + 2, *eq = strchr(s, '=');
    size_t n = eq ? (size_t)(eq - s) : strlen(s);
    const struct opt *o = find_long(opts, s, n);
    if (!o) return fail_kind(ERR_USAGE, "unknown option --%.*s", (int)n, s);
    if (o->kind == OPT_FLAG) {
        if (eq) return fail_kind(ERR_USAGE, "--%s takes no value", o->name);
        *(bool *)o->to = true;
        return i + 1;
    }
    if (!eq && i + 1 >= argc) return fail_kind(ERR_USAGE, "--%s needs a value", o->name);
    if (set(o, eq ? eq + 1 : argv[i + 1])) return -1;
    return i + (eq ? 1 : 2);
}

static int parse_short(const struct opt *opts, int argc, char **argv, int i)
{
    for (const char *s = argv[i] + 1; *s; s++) {
        const struct opt *o = opts;
        while (!is_end(o) && o->letter != *s) o++;
        if (is_end(o)) return fail_kind(ERR_USAGE, "unknown option -%c", *s);
        if (o->kind == OPT_FLAG) { *(bool *)o->to = true; continue; }
        if (!s[1] && i + 1 >= argc) return fail_kind(ERR_USAGE, "-%c needs a value", *s);
        if (set(o, s[1] ? s + 1 : argv[i + 1])) return -1;
        return i + (s[1] ? 1 : 2);
    }
    return i + 1;
}

int opt_parse(const struct opt *opts, int argc, char **argv)
{
    int i = 1;
    while (i < argc && argv[i][0] == '-' && argv[i][1]) {
        if (!strcmp(argv[i], "--")) return i + 1;
        i = argv[i][1] == '-' ? parse_long(opts, argc, argv, i) : parse_short(opts, argc, argv, i);
        if (i < 0) return -1;
    }
    return i;
}

static void show_default(const struct opt *o, FILE *out)
{
    switch (o->kind) {
    case OPT_INT: fprintf(out, " [%d]", *(int *)o->to); break;
    case OPT_U64: fprintf(out, " [%" PRIu64 "]", *(uint64_t *)o->to); break;
    case OPT_FLOAT: fprintf(out, " [%g]", *(double *)o->to); break;
    case OPT_STR: if (*(const char **)o->to) fprintf(out, " [%s]", *(const char **)o->to); break;
    case OPT_CHOICE: {
        const char *s = o->arg;
        for (int i = *(int *)o->to; i > 0 && s; i--) s = strchr(s, '|') ? strchr(s, '|') + 1 : NULL;
        if (s) fprintf(out, " [%.*s]", (int)strcspn(s, "|"), s);
        break;
    }
    default: break;
    }
}

static void print_wrapped(const char *s, int indent, FILE *out)   /* the help may hold line breaks */
{
    for (; *s; s++) {
        fputc(*s, out);
        if (*s == '\n') fprintf(out, "%*s", indent, "");
    }
}

/* The value's name; a long list of words goes on in further lines. Returns the characters of the first. */
static int print_arg(const char *arg, FILE *out)
{
    enum { WIDTH = 100, INDENT = 10 };
    int first = 0, column = 0, lines = 0;
    for (const char *word = arg; *word;) {
        int n = (int)strcspn(word, "|");
        n += word[n] == '|';
        if (column && column + n > WIDTH) {
            fprintf(out, "\n%*s", INDENT, "");
            if (!lines++) first = column;
            column = 0;
        }
        fprintf(out, "%.*s", n, word);
        column += n;
        word += n;
    }
    return lines ? mem_max(first, WIDTH) : column;
}

void opt_help(const struct opt *opts, FILE *out)
{
    enum { COL = 28 };
    for (const struct opt *o = opts; !is_end(o); o++) {
        if (o->kind == OPT_GROUP) { fprintf(out, "\n%s:\n", o->help); continue; }
        int n = fprintf(out, "  %s%c%s%s%s%s", o->letter ? "-" : "    ", o->letter ? o->letter : '-', o->letter && o->name ? ", --" : "",
                        !o->letter ? "-" : "", o->name ? o->name : "", o->arg ? " " : "");
        if (o->arg) n += print_arg(o->arg, out);
        if (n >= COL) { fprintf(out, "\n"); n = 0; }
        fprintf(out, "%*s", COL - n, "");
        print_wrapped(o->help, COL, out);
        show_default(o, out);
        fputc('\n', out);
    }
}
