/* SPDX-License-Identifier: Apache-2.0 */
#include "net/resume.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct old {                                   /* a file, and the record that comes next in it */
    FILE *f;
    const char *name;
    struct rec_reader *in;
    struct record *next;
    bool have;
};
struct resume { struct old *old; int n; uint64_t taken; };

/* 0; a cut is the file's end. */
static int advance(struct old *o)
{
    int got = rec_read(o->in, o->next);
    o->have = got > 0;
    return got < 0 && !rec_reader_cut(o->in) ? -1 : 0;
}

static int open_old(struct old *o, const char *name)
{
    o->name = name;
    o->f = fopen(name, "rb");
    if (!o->f) return fail_errno("%s", name);
    o->in = rec_reader_new(o->f, name);
    o->next = rec_new();
    return advance(o);
}

struct resume *resume_open(const char *const *files, int n)
{
    struct resume *s = mem_alloc(sizeof *s);
    s->old = mem_array((size_t)n, sizeof *s->old);
    for (int i = 0; i < n; i++) {
        s->n++;
        if (!open_old(&s->old[i], files[i])) continue;
        resume_free(s);
        return NULL;
    }
    return s;
}

void resume_free(struct resume *s)
{
    if (!s) return;
    for (int i = 0; i < s->n; i++) {
        rec_reader_free(s->old[i].in);
        if (s->old[i].next) rec_free(s->old[i].next);
        if (s->old[i].f) fclose(s->old[i].f);
    }
    free(s->old);
    free(s);
}

static bool is_of(const struct record *r, struct slice id, int64_t index)
{
    const char *s;
    size_t n;
    int64_t k = -1;
    val_i64(val_path(&r->root, "path.index"), &k);
    return k == index && val_str(val_get(&r->root, "id"), &s, &n) && n == id.n && !memcmp(s, id.p, n);
}

static int take_from(struct old *o, const char *purpose, const char *digest, struct record *out)
{
    char label[256];
    const val *made = val_get(val_path(&o->next->root, "path.requests"), purpose);
    bool same = val_is_str(made, digest);
    if (made && !same)
        return fail("%s: %s: made by another request (other prompt, model, images or options)", o->name,
                    rec_label(o->next, label, sizeof label));
    if (same) {
        rec_clear(out);
        out->root = val_copy(&out->zone, &o->next->root);
    }
    return advance(o) ? -1 : same;
}

int resume_take(struct resume *s, struct slice id, int64_t index, const char *purpose, const char *digest, struct record *out)
{
    int got = 0;
    for (int i = 0; i < s->n; i++) {
        struct old *o = &s->old[i];
        if (!o->have || !is_of(o->next, id, index)) continue;
        int r = take_from(o, purpose, digest, out);
        if (r < 0) return -1;
        got |= r;
    }
    s->taken += (uint64_t)got;
    return got;
}

uint64_t resume_taken(const struct resume *s) { return s->taken; }

int resume_rest(struct resume *s, uint64_t *n)
{
    *n = 0;
    for (int i = 0; i < s->n; i++)
        for (; s->old[i].have; ++*n)
            if (advance(&s->old[i])) return -1;
    return 0;
}

void resume_mark(struct record *r, const char *purpose, const char *digest)
{
    val *list = val_set_map(&r->zone, val_get(&r->root, "path"), "requests");
    val_set(&r->zone, list, purpose, val_of_cstr(&r->zone, digest));
}
