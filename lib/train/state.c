/* SPDX-License-Identifier: Apache-2.0 */
#include "train/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include "base/file.h"
#include "store/json.h"
#include "store/safetensors.h"

enum { JSON_MAX = 1 << 24, PIECE = 1 << 22 /* floats moved at a time */, KINDS = 3 };
static const char *const kind_name[KINDS] = { "weight", "m", "v" };
static const char numbers_name[] = "objective";

/* ---- training.json ---- */

int training_save(const char *dir, int step, int steps, const json_t *settings)
{
    char *path = file_join(dir, TRAINING_JSON);
    json_t *doc = json_pack("{s:i, s:i, s:O}", "step", step, "steps", steps, "settings", settings);
    int r = json_save(doc, path);
    json_decref(doc);
    free(path);
    return r;
}

static const char *text_of(const json_t *obj, const char *key)
{
    const char *s = json_string_value(json_object_get(obj, key));
    return s ? s : "not set";
}

static int same_settings(const json_t *was, const json_t *now)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)now, key, v)
        if (strcmp(text_of(was, key), text_of(now, key)))
            return fail("%s was %s, and is now %s", key, text_of(was, key), text_of(now, key));
    json_object_foreach((json_t *)(uintptr_t)was, key, v)
        if (!json_object_get(now, key)) return fail("%s was %s, and is not known now", key, text_of(was, key));
    return 0;
}

int training_check(const char *dir, const json_t *settings, int *step)
{
    char *path = file_join(dir, TRAINING_JSON);
    json_t *doc = json_file(path, JSON_MAX), *was;
    int r = doc ? 0 : -1;
    if (!r && (json_get_object(doc, "settings", &was) || json_get_int(doc, "step", 0, 1 << 30, step))) r = fail_in("%s", path);
    if (!r && same_settings(was, settings)) r = fail_in("%s is another run's", dir);
    json_decref(doc);
    free(path);
    return r;
}

/* ---- tensors ---- */

static float *kind_of(const struct param *p, int kind) { return kind == 0 ? p->master : kind == 1 ? p->m : p->v; }

static struct st_tensor *list(const struct params *ps, int numbers, struct arena *names, int *count)
{
    struct st_tensor *v = mem_array((size_t)ps->n * KINDS + 1, sizeof *v);
    *count = 0;
    for (int i = 0; i < ps->n; i++) {
        for (int k = 0; k < KINDS && !ps->v[i].frozen; k++) {
            char *name = mem_fmt("%s/%s", kind_name[k], ps->v[i].name);
            v[(*count)++] = (struct st_tensor){ .name = arena_str(names, name, strlen(name)), .t = ST_F32, .ndim = 1,
                                                .dims = { (int64_t)ps->v[i].n } };
            free(name);
        }
    }
    if (numbers) v[(*count)++] = (struct st_tensor){ .name = numbers_name, .t = ST_F64, .ndim = 1, .dims = { numbers } };
    return v;
}

static int put(struct st_writer *w, struct ops *o, const float *p, size_t n, float *piece)
{
    for (size_t at = 0; at < n; at += PIECE) {
        size_t k = mem_min(n - at, (size_t)PIECE);
        o->download(o, piece, p + at, k * sizeof *piece);
        if (o->sync(o) || st_write(w, piece, k * sizeof *piece)) return -1;
    }
    return 0;
}

static int put_all(const char *path, struct params *ps, struct ops *o, struct state_numbers more)
{
    struct arena names = { 0 };
    int n, bad = 0;
    struct st_tensor *v = list(ps, more.n, &names, &n);
    struct st_writer *w = st_create(path, v, n);
    free(v);
    arena_free(&names);
    if (!w) return -1;
    float *piece = mem_array(PIECE, sizeof *piece);
    for (int i = 0; i < ps->n && !bad; i++)
        for (int k = 0; k < KINDS && !ps->v[i].frozen && !bad; k++) bad = put(w, o, kind_of(&ps->v[i], k), ps->v[i].n, piece);
    free(piece);
    if (!bad && more.n) bad = st_write(w, more.v, (size_t)more.n * sizeof *more.v);
    if (!bad) return st_finish(w);
    st_abandon(w);
    return -1;
}

int state_save(const char *dir, struct params *ps, struct ops *o, struct state_numbers more, int step, int steps,
               const json_t *settings)
{
    struct dir_tmp d;
    if (dir_begin(&d, dir)) return -1;
    char *path = file_join(d.tmp, "state.safetensors");
    int bad = put_all(path, ps, o, more) || training_save(d.tmp, step, steps, settings);
    free(path);
    if (!bad) return dir_commit(&d);
    dir_abandon(&d);
    return -1;
}

static int get(const struct safetensors *st, const struct param *p, int kind, struct ops *o, float *piece)
{
    char *name = mem_fmt("%s/%s", kind_name[kind], p->name);
    const struct st_tensor *t = st_find(st, name);
    int bad = !t ? fail("no tensor %s", name) : t->t != ST_F32 || t->n != p->n ? fail("tensor %s has not the shape of the parameter", name) : 0;
    free(name);
    for (size_t at = 0; !bad && at < p->n; at += PIECE) {
        size_t k = mem_min(p->n - at, (size_t)PIECE);
        st_get_f32(t, at, k, piece);
        o->upload(o, kind_of(p, kind) + at, piece, k * sizeof *piece);
        bad = o->sync(o);
    }
    return bad;
}

static int get_numbers(const struct safetensors *st, struct state_numbers more)
{
    if (!more.n) return 0;
    const struct st_tensor *t = st_find(st, numbers_name);
    if (!t || t->t != ST_F64 || t->n != (size_t)more.n) return fail("no tensor %s of %d numbers", numbers_name, more.n);
    memcpy(more.v, t->p, t->bytes);
    return 0;
}

int state_load(const char *dir, struct params *ps, struct ops *o, struct state_numbers more)
{
    struct safetensors st;
    char *path = file_join(dir, "state.safetensors");
    int bad = st_open(path, &st);
    if (!bad) {
        float *piece = mem_array(PIECE, sizeof *piece);
        if ((bad = get_numbers(&st, more))) fail_in("%s", path);
        for (int i = 0; i < ps->n && !bad; i++) {
            struct param *p = &ps->v[i];
            for (int k = 0; k < KINDS && !p->frozen && !bad; k++)
                if ((bad = get(&st, p, k, o, piece))) fail_in("%s", path);
            if (!bad && !p->frozen && p->w.p != p->master) o->cast(o, p->w, mat_of(p->master, DT_F32, p->rows, p->cols));
        }
        free(piece);
        st_close(&st);
        if (!bad) bad = o->sync(o);
    }
    free(path);
    return bad;
}

/* ---- the lock ---- */

int state_lock(const char *out)
{
    char *path = mem_fmt("%s.lock", out);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) fail_errno("%s", path);
    else if (flock(fd, LOCK_EX | LOCK_NB)) {
        if (errno == EWOULDBLOCK) fail("%s: another process works on it", out);
        else fail_errno("%s", path);
        close(fd);
        fd = -1;
    }
    free(path);
    return fd;
}

void state_unlock(const char *out, int fd)
{
    char *path = mem_fmt("%s.lock", out);
    unlink(path);
    close(fd);
    free(path);
}
