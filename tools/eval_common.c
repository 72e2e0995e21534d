/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "eval.h"

/* ---- what is read of a path ---- */

int eval_judge(struct record *r, int match, bool *right, bool *unparsed)
{
    if (match != EVAL_SCORED) {
        bool parsed = false;
        const char *why = answer_check(r, (enum answer_match)(match - 1), right, &parsed);
        *unparsed = !parsed;
        return why ? fail("%s", why) : 0;
    }
    const val *path = val_get(&r->root, "path"), *answer = path ? val_get(path, "answer") : NULL;
    if (!path || path->type != MSGPACK_OBJECT_MAP) return fail("no path");
    if (!val_bool(val_get(path, "correct"), right)) return fail("no path.correct (cos-score answer sets it; or give --match)");
    if (!val_bool(val_get(path, "unparsed"), unparsed)) *unparsed = !answer || answer->type == MSGPACK_OBJECT_NIL;
    return *right && *unparsed ? fail("path.correct without an answer") : 0;
}

double eval_tokens(const val *path)
{
    const uint32_t *p;
    size_t n;
    return val_u32s(val_get(path, "tokens"), &p, &n) ? (double)n : NAN;
}

double eval_steps(const val *path) { return val_len(val_get(path, "steps")); }

static double characters(const val *v)
{
    const char *s;
    size_t n;
    double k = 0;
    if (!val_str(v, &s, &n)) return 0;
    for (size_t i = 0; i < n; i++) k += ((unsigned char)s[i] & 0xc0) != 0x80;
    return k;
}

double eval_chars(const val *path)
{
    const val *steps = val_get(path, "steps");
    double k = characters(val_get(path, "answer"));
    for (int i = 0; i < val_len(steps); i++) {
        const val *s = val_at(steps, i);
        k += characters(val_get(s, "name")) + characters(val_get(s, "thought")) + characters(val_get(s, "reflection"));
    }
    return k;
}

bool eval_id(const struct record *r, struct slice *id) { return val_str(val_get(&r->root, "id"), &id->p, &id->n); }

struct slice eval_row(const val *root, const char *key, char space[32])
{
    const val *v = val_path(root, key);
    struct slice s;
    int64_t i;
    if (val_str(v, &s.p, &s.n)) return s;
    if (!val_i64(v, &i)) return (struct slice){ "(none)", 6 };
    return (struct slice){ space, (size_t)snprintf(space, 32, "%" PRId64, i) };
}

/* ---- columns ---- */

double *columns_add(struct columns *c, int question)
{
    size_t k = (size_t)c->k;
    if (c->n == c->cap) {
        c->cap = c->cap ? 2 * c->cap : 1024;
        c->x = mem_grow(c->x, (size_t)c->cap * k, sizeof *c->x);
        c->question = mem_grow(c->question, (size_t)c->cap, sizeof *c->question);
    }
    c->question[c->n] = question;
    double *row = c->x + (size_t)c->n++ * k;
    memset(row, 0, k * sizeof *row);
    return row;
}

void columns_free(struct columns *c)
{
    free(c->x);
    free(c->question);
    c->x = NULL;
    c->question = NULL;
    c->n = c->cap = 0;
}

/* Sums of a question and how many there are, so that a resample costs one pass over the questions. */
struct sums { int k, questions; double *sum, *n; };

static void means(const void *arg, const double *weight, double *out)
{
    const struct sums *s = arg;
    for (int j = 0; j < s->k; j++) {
        double sum = 0, n = 0;
        for (int q = 0; q < s->questions; q++) {
            size_t at = (size_t)j * (size_t)s->questions + (size_t)q;
            sum += weight[q] * s->sum[at];
            n += weight[q] * s->n[at];
        }
        out[j] = n > 0 ? sum / n : NAN;
    }
}

void columns_means(const struct columns *c, int questions, const struct boot *b, struct estimate *out, uint64_t *count)
{
    size_t room = (size_t)c->k * (size_t)mem_max(questions, 1);
    struct sums s = { c->k, questions, mem_array(room, sizeof(double)), mem_array(room, sizeof(double)) };
    memset(count, 0, (size_t)c->k * sizeof *count);
    for (int i = 0; i < c->n; i++)
        for (int j = 0; j < c->k; j++) {
            double x = c->x[(size_t)i * (size_t)c->k + (size_t)j];
            size_t at = (size_t)j * (size_t)questions + (size_t)c->question[i];
            if (isnan(x)) continue;
            s.sum[at] += x;
            s.n[at]++;
            count[j]++;
        }
    boot_estimate(means, &s, questions, c->k, b, out);
    free(s.sum);
    free(s.n);
}

/* ---- tables ---- */

void eval_put_json_text(FILE *f, struct slice s)
{
    fputc('"', f);
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20) fprintf(f, "\\u%04x", c);
        else fprintf(f, c == '"' || c == '\\' ? "\\%c" : "%c", c);
    }
    fputc('"', f);
}

static struct slice word(const char *s) { return (struct slice){ s, strlen(s) }; }

void table_begin(struct table *t, FILE *f, bool json, const char *name, const char *const *column, int columns)
{
    *t = (struct table){ f, json, column, columns, 0, 0 };
    if (json) {
        fputs("{\"table\":", f);
        eval_put_json_text(f, word(name));
        fputs(",\"rows\":[", f);
        return;
    }
    for (int i = 0; i < columns; i++) fprintf(f, "%s%s", i ? "\t" : "", column[i]);
    fputc('\n', f);
}

static void cell_begin(struct table *t)
{
    if (!t->json) {
        if (t->at) fputc('\t', t->f);
        return;
    }
    if (t->at == 0) fputs(t->cells ? ",{" : "{", t->f);
    else fputc(',', t->f);
    eval_put_json_text(t->f, word(t->column[t->at]));
    fputc(':', t->f);
}

static void cell_end(struct table *t)
{
    t->cells++;
    if (++t->at < t->columns) return;
    t->at = 0;
    fputc(t->json ? '}' : '\n', t->f);
}

void table_text(struct table *t, struct slice s)
{
    cell_begin(t);
    if (t->json) eval_put_json_text(t->f, s);
    else for (size_t k = 0; k < s.n; k++) fputc(s.p[k] == '\t' || s.p[k] == '\n' ? ' ' : s.p[k], t->f);
    cell_end(t);
}

void table_word(struct table *t, const char *s) { table_text(t, word(s)); }

void table_count(struct table *t, uint64_t n)
{
    cell_begin(t);
    fprintf(t->f, "%" PRIu64, n);
    cell_end(t);
}

void table_real(struct table *t, double x, int decimals)
{
    cell_begin(t);
    if (isfinite(x)) fprintf(t->f, "%.*f", decimals + (t->json ? 2 : 0), x);
    else fputs(t->json ? "null" : "-", t->f);
    cell_end(t);
}

void table_end(struct table *t)
{
    if (t->json) fputs("]}\n", t->f);
}

void table_estimate(struct table *t, const struct estimate *e, int decimals, const char *how)
{
    bool some = isfinite(e->i.low) && isfinite(e->i.high);
    table_real(t, e->value, decimals);
    table_real(t, some ? e->i.low : NAN, decimals);
    table_real(t, some ? e->i.high : NAN, decimals);
    table_word(t, some ? how : "-");
}

void table_share(struct table *t, double share, uint64_t n, int decimals)
{
    struct estimate e = { share, stat_wilson((uint64_t)llround(share * (double)n), n, STAT_Z95) };
    table_estimate(t, &e, decimals, "Wilson");
}

void table_rate(struct table *t, const struct estimate *e, uint64_t questions, int decimals, const char *how)
{
    if (questions >= 2 && (e->value <= 0 || e->value >= 1)) {
        struct estimate w = { e->value, stat_wilson(e->value > 0 ? questions : 0, questions, STAT_Z95) };
        table_estimate(t, &w, decimals, "Wilson over questions");
    } else {
        table_estimate(t, e, decimals, how);
    }
}

const char *eval_boot_name(const struct boot *b)
{
    static char name[96];
    snprintf(name, sizeof name, "bootstrap by question, %d resamples, seed %" PRIu64, b->resamples, b->seed);
    return name;
}
