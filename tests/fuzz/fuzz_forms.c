/* SPDX-License-Identifier: Apache-2.0
 * The JSON of others, in every form that is read: what becomes a record meets the schema; what is written of it is read
 * again, and where nothing was dropped as the same record.
 */
#include "fuzz.h"
#include <string.h>
#include "record/export.h"
#include "record/import.h"
#include "record/jsonl.h"
#include "record/schema.h"

static const struct schemas *schemas;

static void broken(const struct form *f, const char *what, const struct record *a, const struct record *b)
{
    struct buf t = { 0 };
    jsonl_put(&a->root, &t);
    buf_byte(&t, '\n');
    if (b) jsonl_put(&b->root, &t);
    buf_byte(&t, 0);
    fprintf(stderr, "%s: %s: %s\n%s\n", f->name, what, err_msg(), t.p);
    abort();
}

static bool lossless(const struct export_account *a)
{
    uint64_t n = a->marked;
    for (int i = 0; i < FORM_FACTS; i++) n += a->lost[i];
    return !n;
}

static void there_and_back(const struct form *f, const struct record *a)
{
    struct record *row = rec_new(), *b = rec_new();
    struct export_account account = { 0 };
    struct buf text = { 0 };
    const char *why;
    if (!export_row(&(struct export_cfg){ .form = f, .threshold = 0.5 }, a, row, &account, &why)) {
        jsonl_put(&row->root, &text);
        rec_clear(row);
        if (import_parse(text.p, text.len, row)) broken(f, "no row", a, NULL);
        int bad = import_row(&(struct import_cfg){ .form = f }, row, b, &why);
        if (lossless(&account) && bad) broken(f, why, a, row);
        if (lossless(&account) && !val_equal(&a->root, &b->root)) broken(f, "another record", a, b);
    }
    buf_free(&text);
    rec_free(b);
    rec_free(row);
}

static void use(const struct record *row)
{
    struct record *a = rec_new();
    const char *why;
    for (int i = 0; i < FORMS; i++) {
        if (!forms[i].read || import_row(&(struct import_cfg){ .form = &forms[i] }, row, a, &why)) continue;
        if (!val_get(&a->root, "id")) val_set(&a->zone, &a->root, "id", val_of_cstr(&a->zone, "1"));
        if (schemas_check(schemas, a)) broken(&forms[i], "schema", a, NULL);
        if (forms[i].write) there_and_back(&forms[i], a);
    }
    rec_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (!schemas && !(schemas = schemas_new())) abort();
    FILE *f = fopen(fuzz_file(p, n, 0), "r");
    struct import_in *in = f ? import_open(f, "fuzz") : NULL;
    struct record *row = rec_new();
    struct slice text;
    uint64_t line;
    while (in && import_next(in, &text, &line) > 0) {
        rec_clear(row);
        if (import_parse(text.p, text.n, row)) break;
        use(row);
    }
    rec_free(row);
    import_close(in);
    if (f) fclose(f);
    return 0;
}
