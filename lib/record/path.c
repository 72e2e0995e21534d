/* SPDX-License-Identifier: Apache-2.0 */
#include "record/path.h"

static bool marked(struct slice s)
{
    enum step_token which = STEP_TOKENS;
    if (s.n) marker_find(s.p, s.n, &which);
    return which != STEP_TOKENS;
}

const char *path_unwritable(const struct chain *c)
{
    if (!c->nstep) return "no step";
    for (int i = 0; i < c->nstep; i++) {
        if (!slice_trim(c->step[i].thought).n) return "no thought";
        if (marked(c->step[i].name) || marked(c->step[i].thought) || marked(c->step[i].reflection)) return "a marker within a step";
    }
    if (!c->has_answer || !slice_trim(c->answer).n) return "no answer";
    return marked(c->answer) ? "a marker within a step" : NULL;
}

static void put(msgpack_zone *z, val *map, const char *key, struct slice s)
{
    val_set(z, map, key, val_of_str(z, s.p, s.n));
}

val path_from_chain(msgpack_zone *z, const struct chain *c)
{
    val path = val_map(), steps = val_array(z, c->nstep);
    for (int i = 0; i < c->nstep; i++) {
        val *s = val_at(&steps, i);
        *s = val_map();
        put(z, s, "name", c->step[i].name);
        put(z, s, "thought", c->step[i].thought);
        put(z, s, "reflection", c->step[i].reflection);
    }
    val_set(z, &path, "steps", steps);
    if (c->has_answer) put(z, &path, "answer", c->answer);
    return path;
}

/* The string under key; empty when absent. */
static int get(const val *map, const char *key, struct slice *s)
{
    const val *v = val_get(map, key);
    *s = (struct slice){ "", 0 };
    if (!v || v->type == MSGPACK_OBJECT_NIL) return 0;
    return val_str(v, &s->p, &s->n) ? 0 : fail("%s: want a string", key);
}

static int get_step(const val *v, struct step *s)
{
    *s = (struct step){0};
    if (v->type != MSGPACK_OBJECT_MAP) return fail("want a map");
    return get(v, "name", &s->name) || get(v, "thought", &s->thought) || get(v, "reflection", &s->reflection) ? -1 : 0;
}

int path_to_chain(const val *path, struct arena *a, struct chain *c)
{
    *c = (struct chain){0};
    if (!path || path->type != MSGPACK_OBJECT_MAP) return fail("path: want a map");
    const val *steps = val_get(path, "steps");
    if (steps && steps->type != MSGPACK_OBJECT_ARRAY) return fail("path.steps: want an array");
    c->nstep = val_len(steps);
    c->step = arena_alloc(a, (size_t)c->nstep * sizeof *c->step);
    for (int i = 0; i < c->nstep; i++)
        if (get_step(val_at(steps, i), &c->step[i])) return fail_in("path.steps[%d]", i);
    const val *answer = val_get(path, "answer");
    c->has_answer = answer && answer->type != MSGPACK_OBJECT_NIL;
    return get(path, "answer", &c->answer) ? fail_in("path") : 0;
}

int path_text(const val *path, int flags, struct buf *out)
{
    struct arena a = {0};
    struct chain c;
    int r = path_to_chain(path, &a, &c);
    if (!r) chain_write(&c, flags, out);
    arena_free(&a);
    return r;
}
