/* SPDX-License-Identifier: Apache-2.0
 * cos-generate --endpoint: paths from a server.
 */
#include <string.h>
#include "generate.h"
#include "record/path.h"
#include "search/path_record.h"
#include "text/freeform.h"

static const char purpose[] = "generate";

static int prepare(struct endpoint *e, struct ask_item *x)
{
    endpoint_fill(e, x);
    for (int i = 0; i < set.n && !x->why; i++)
        if (endpoint_add(e, x, set.first_index + i, set.first_index + i, purpose)) return -1;
    return 0;
}

/* ---- a reply to a path ---- */

struct parsed { struct chain c; const char *rule, *why; };     /* why: it is no complete chain; rule: how it was cut into steps */

static void parse(struct slice s, struct arena *a, struct parsed *p)
{
    enum step_token marker;
    bool strict;
    *p = (struct parsed){ .rule = "cos" };
    marker_find(s.p, s.n, &marker);
    if (marker != STEP_TOKENS) {
        if (chain_parse(s.p, s.n, a, &p->c, &strict, &p->why)) chain_parse_prefix(s.p, s.n, a, &p->c);
        else p->why = NULL;
    } else if (freeform_parse(s.p, s.n, a, &p->c, &p->rule, &p->why)) p->rule = "none";
    else p->why = p->c.has_answer ? NULL : "no answer";
}

/* Beyond what every chain has: --strict. NULL or the reason. */
static const char *strict_reason(const struct ask_one *o, const struct parsed *p)
{
    if (o->reply.cut) return "cut off at --max-tokens";
    if (strcmp(p->rule, "cos")) return "not in the step format";
    for (int i = 0; i < p->c.nstep && !p->why; i++) {
        if (!slice_trim(p->c.step[i].name).n) return "no step name";
        if (!slice_trim(p->c.step[i].reflection).n) return "no reflection";
    }
    return p->why;
}

static val path_of(msgpack_zone *z, const struct ask_one *o, const struct parsed *p, int index)
{
    val path = path_from_chain(z, &p->c);
    const char *end = o->reply.cut ? "length" : p->why ? "format" : "stop";
    val_set(z, &path, "index", val_of_i64(index));
    val_set(z, &path, "end", val_of_cstr(z, end));
    if (end[0] != 's') val_set(z, &path, "text", val_of_str(z, o->reply.text.p, o->reply.text.len));
    return path;
}

/* What is kept has the path's number and, in meta, what came instead of one. */
static int reject(struct endpoint *e, struct record *r, int index, const char *why, const char *key, const char *text)
{
    const val *meta = val_get(&r->root, "meta");
    struct record *c = rec_copy(r);
    val path = val_map();
    val_set(&c->zone, &path, "index", val_of_i64(index));
    path_into(c, path);
    if (!meta || meta->type == MSGPACK_OBJECT_MAP)
        val_set(&c->zone, val_set_map(&c->zone, &c->root, "meta"), key, val_of_cstr(&c->zone, text));
    int bad = tool_reject_noted(e->t, c, why, strcmp(key, "reply") ? text : why);
    rec_free(c);
    return bad;
}

static int put_path(struct endpoint *e, struct record *r, struct ask_one *o, int index)
{
    struct arena a = {0};
    struct parsed p;
    parse((struct slice){ o->reply.text.p, o->reply.text.len }, &a, &p);
    const char *why = set.strict ? strict_reason(o, &p) : NULL;
    int bad;
    if (why) bad = reject(e, r, index, why, "reply", o->reply.text.p);
    else {
        const val *meta = val_get(&r->root, "meta");
        if (!meta || meta->type == MSGPACK_OBJECT_MAP)
            val_set(&r->zone, val_set_map(&r->zone, &r->root, "meta"), "segment", val_of_cstr(&r->zone, p.rule));
        path_into(r, path_of(&r->zone, o, &p, index));
        resume_mark(r, purpose, o->digest);
        bad = tool_write(e->t, r);
    }
    arena_free(&a);
    return bad;
}

static int done(struct endpoint *e, struct ask_item *x)
{
    int bad = 0;
    if (x->why) return tool_reject_noted(e->t, x->r, x->why, x->detail);
    tool_added(e->t, (uint64_t)x->n - 1);
    for (int i = 0; i < x->n && !bad; i++) {
        struct ask_one *o = &x->one[i];
        int index = set.first_index + i;
        if (o->kept) bad = tool_write(e->t, o->kept);
        else if (o->why) bad = reject(e, x->r, index, o->why, "error", o->detail ? o->detail : o->why);
        else bad = put_path(e, x->r, o, index);
    }
    return bad;
}

/* ---- the run ---- */

static int check(void)
{
    if (set.next_step || set.search || set.anew || set.max_steps) return fail_kind(ERR_USAGE, "--next-step and --search are for local models");
    if (set.prm || set.prm_style) return fail_kind(ERR_USAGE, "--prm is for --search beam");
    if (set.chat || set.dtype || set.batch != BATCH || set.kv_tokens)
        return fail_kind(ERR_USAGE, "--template, --dtype, --batch and --kv-tokens are for local models");
    return 0;
}

int generate_endpoint(struct tool *t)
{
    struct endpoint e = {
        .o = &set.net, .prepare = prepare, .done = done,
        .chat = { .model = set.model, .temperature = set.temperature, .top_p = set.top_p, .top_k = set.top_k,
                  .max_tokens = set.max_tokens, .stop = set.stop.v, .nstop = set.stop.n } };
    if (check()) return -1;
    int bad = endpoint_open(&e, t, set.images) || tool_open(t) || endpoint_run(&e) ? -1 : tool_close(t);
    endpoint_close(&e);
    return bad;
}
