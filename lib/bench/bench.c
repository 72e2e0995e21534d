/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/bench.h"

#include <string.h>
#include "bench/bench_priv.h"

const char *const bench_protocol_words[BENCH_PROTOCOLS] = { "official", "cos", "vlmevalkit", "llava" };

static const struct bench *const benches[] = { &bench_mathvista, &bench_mmstar, &bench_mmmu, &bench_m3cot, &bench_ai2d, &bench_chartqa,
                                               &bench_scienceqa, &bench_mme };

const struct bench *bench_at(int i) { return i >= 0 && i < countof(benches) ? benches[i] : NULL; }
const char *bench_name(const struct bench *b) { return b->name; }
bool bench_has(const struct bench *b, enum bench_protocol p) { return b->judge[p] != NULL; }
enum bench_total bench_total_of(const struct bench *b) { return b->total; }
const char *const *bench_means(const struct bench *b) { return b->means; }
int bench_order(const struct bench *b, const struct record *r) { return b->order ? b->order(r) : 0; }

const struct bench *bench_find(const char *name)
{
    struct buf known = { 0 };
    for (int i = 0; i < countof(benches); i++) {
        if (!strcmp(benches[i]->name, name)) return buf_free(&known), benches[i];
        buf_fmt(&known, "%s%s", i ? ", " : "", benches[i]->name);
    }
    fail_kind(ERR_USAGE, "--bench %s: want one of %s", name, known.p);
    buf_free(&known);
    return NULL;
}

const char *bench_gold_note(const struct bench_rule *rule) { return rule->bench->gold_note[rule->protocol]; }

int bench_check(const struct bench_rule *rule)
{
    const struct bench *b = rule->bench;
    bool mathvista = b == &bench_mathvista && rule->protocol == BENCH_OFFICIAL;
    if (!bench_has(b, rule->protocol)) {
        struct buf has = { 0 };
        for (int p = 0; p < BENCH_PROTOCOLS; p++)
            if (b->judge[p]) buf_fmt(&has, "%s%s", has.len ? ", " : "", bench_protocol_words[p]);
        fail_kind(ERR_USAGE, "--protocol %s: %s has %s", bench_protocol_words[rule->protocol], b->name, has.p);
        buf_free(&has);
        return -1;
    }
    if ((rule->int_text || rule->no_guess) && !mathvista)
        return fail_kind(ERR_USAGE, "%s goes with --bench mathvista --protocol official", rule->int_text ? "--int-text" : "--no-guess");
    return 0;
}

int bench_judge(const struct bench_rule *rule, struct record *r, struct arena *a, struct bench_verdict *v)
{
    struct bench_item it;
    if (item_make(&it, rule, r, a)) return -1;
    rule->bench->judge[rule->protocol](&it, v);
    return 0;
}

/* ---- groups ---- */

static int add_groups(const struct record *r, const struct bench_key *key, int n, struct bench_group *out)
{
    const val *v = item_meta(r, key->path);
    int items = v && v->type == MSGPACK_OBJECT_ARRAY ? val_len(v) : 1;
    for (int i = 0; i < items && n < BENCH_GROUPS; i++) {
        struct slice s;
        if (val_str(v && v->type == MSGPACK_OBJECT_ARRAY ? val_at(v, i) : v, &s.p, &s.n)) out[n++] = (struct bench_group){ key->kind, s };
    }
    return n;
}

int bench_groups(const struct bench *b, const struct record *r, struct arena *a, struct bench_group *out)
{
    int n = 0;
    if (b->groups) return b->groups(r, a, out);
    for (const struct bench_key *k = b->keys; k && k->kind; k++) n = add_groups(r, k, n, out);
    return n;
}

/* ---- the whole ---- */

int bench_fixed_size(const struct bench_rule *rule, const char *kind)
{
    if (rule->bench != &bench_mmstar || rule->protocol != BENCH_OFFICIAL) return 0;
    return !kind ? 1500 : !strcmp(kind, "category") ? 250 : 0;
}

int bench_expected(const struct bench_rule *rule)
{
    return rule->bench == &bench_scienceqa && rule->protocol == BENCH_OFFICIAL ? 4241 : 0;
}
