/* SPDX-License-Identifier: Apache-2.0
 * Models' outputs in a file of their own, found by id. */
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/names.h"
#include "bench/read_priv.h"
#include "record/import.h"
#include "store/json.h"

enum { OUTPUTS_BYTES = 1 << 30 };

struct bench_outputs {
    struct names ids;
    struct bench_output *out;                  /* ids.n */
    bool *used;
    size_t cap, unused;
    struct arena texts;
};

static struct bench_output *add(struct bench_outputs *o, const char *id, size_t n)
{
    size_t known = o->ids.n, i = names_index(&o->ids, (struct slice){ id, n });
    if (i == o->cap) {
        o->cap = o->cap ? 2 * o->cap : 1024;
        o->out = mem_grow(o->out, o->cap, sizeof *o->out);
        o->used = mem_grow(o->used, o->cap, sizeof *o->used);
    }
    if (i == known) {
        o->out[i] = (struct bench_output){ { NULL, 0 }, { NULL, 0 } };
        o->used[i] = false;
        o->unused++;
    }
    return &o->out[i];
}

static struct slice keep(struct bench_outputs *o, const char *s, size_t n) { return (struct slice){ arena_str(&o->texts, s, n), n }; }

/* ---- an object of texts; LLaVA's outputs and results ---- */

/* parsed: the texts are answers, parsed already. */
static int add_texts(struct bench_outputs *o, const json_t *map, bool parsed)
{
    const char *id;
    json_t *v;
    json_object_foreach((json_t *)map, id, v) {
        if (!json_is_string(v)) return fail("%s: want a text", id);
        struct bench_output *out = add(o, id, strlen(id));
        out->response = keep(o, json_string_value(v), json_string_length(v));
        if (parsed) out->stored = out->response;
    }
    return 0;
}

/* The index of a choice; below zero: none was found. */
static int add_indices(struct bench_outputs *o, const json_t *map)
{
    const char *id;
    json_t *v;
    json_object_foreach((json_t *)map, id, v) {
        if (!json_is_integer(v) || json_integer_value(v) >= 26) return fail("results: %s: want the index of a choice", id);
        char letter = (char)('A' + json_integer_value(v));
        if (json_integer_value(v) >= 0) add(o, id, strlen(id))->stored = keep(o, &letter, 1);
        else add(o, id, strlen(id));
    }
    return 0;
}

static int add_object(struct bench_outputs *o, const json_t *doc)
{
    const json_t *outputs = json_object_get(doc, "outputs"), *results = json_object_get(doc, "results");
    if (!json_is_object(outputs) || !json_is_object(results)) return add_texts(o, doc, true);
    return add_texts(o, outputs, false) || add_indices(o, results) ? -1 : 0;
}

/* ---- rows ---- */

static int add_rows(struct bench_outputs *o, FILE *f, const char *path)
{
    struct bench_rows *in = bench_rows_open(READ_MATHVISTA, f, path);
    struct record *row = rec_new();
    uint64_t line;
    int got;
    while ((got = bench_rows_next(in, row, &line)) > 0) {
        struct slice id, text;
        const val *extracted = val_get(&row->root, "extraction");
        char number[32];
        if (!row_id(&row->root, number, &id)) got = fail("%s: line %llu: no id", path, (unsigned long long)line);
        else if (!row_response(&row->root, &text)) got = fail("%s: line %llu: no response", path, (unsigned long long)line);
        if (got < 0) break;
        struct bench_output *out = add(o, id.p, id.n);
        if (out->response.p) continue;         /* of repeated ids the first */
        out->response = keep(o, text.p, text.n);
        if (val_str(extracted, &text.p, &text.n)) out->stored = keep(o, text.p, text.n);
    }
    rec_free(row);
    bench_rows_close(in);
    return got;
}

/* One object, and not rows of which the first is one? */
static bool is_object(const char *path, json_t **doc)
{
    *doc = json_file(path, OUTPUTS_BYTES);
    return json_is_object(*doc) && !json_is_object(json_object_iter_value(json_object_iter(*doc))) && !json_object_get(*doc, "response") &&
           !json_object_get(*doc, "prediction");
}

static int load(struct bench_outputs *o, const char *path)
{
    json_t *doc;
    int bad;
    if (is_object(path, &doc)) {
        bad = add_object(o, doc) ? fail_in("%s", path) : 0;
    } else {
        FILE *f = fopen(path, "r");
        bad = f ? add_rows(o, f, path) : fail_errno("%s", path);
        if (f) fclose(f);
    }
    json_decref(doc);
    return bad;
}

struct bench_outputs *bench_outputs_load(const char *path)
{
    struct bench_outputs *o = mem_alloc(sizeof *o);
    if (!load(o, path)) return o;
    bench_outputs_free(o);
    return NULL;
}

void bench_outputs_free(struct bench_outputs *o)
{
    if (!o) return;
    names_free(&o->ids);
    arena_free(&o->texts);
    free(o->out);
    free(o->used);
    free(o);
}

const struct bench_output *outputs_find(struct bench_outputs *o, struct slice id)
{
    long i = names_find(&o->ids, id);
    if (i < 0) return NULL;
    o->unused -= !o->used[i];
    o->used[i] = true;
    return &o->out[i];
}

size_t bench_outputs_unused(const struct bench_outputs *o) { return o->unused; }
