/* SPDX-License-Identifier: Apache-2.0 */
#include "store/safetensors.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "store/json.h"

enum { ALIGN = 64 };                           /* of the data, so that a map of it can be used in place */

struct st_writer { FILE *f; char *path, *tmp; size_t left; };

static json_t *entry(const struct st_tensor *t, size_t *at)
{
    json_t *shape = json_array();
    size_t n = st_dtype_size(t->t);
    for (int i = 0; i < t->ndim; i++) {
        json_array_append_new(shape, json_integer(t->dims[i]));
        n *= (size_t)t->dims[i];
    }
    json_t *e = json_pack("{s:s, s:o, s:[I, I]}", "dtype", st_dtype_name(t->t), "shape", shape,
                          "data_offsets", (json_int_t)*at, (json_int_t)(*at + n));
    *at += n;
    return e;
}

/* Length and JSON, padded with blanks; *bytes is what the data will take. */
static void header(const struct st_tensor *v, int n, struct buf *out, size_t *bytes)
{
    json_t *doc = json_pack("{s:{s:s}}", "__metadata__", "format", "pt");      /* transformers insists on it */
    *bytes = 0;
    for (int i = 0; i < n; i++) json_object_set_new(doc, v[i].name, entry(&v[i], bytes));
    char *text = json_dumps(doc, JSON_COMPACT);
    json_decref(doc);
    assert(text);
    size_t len = (strlen(text) + 8 + ALIGN - 1) / ALIGN * ALIGN - 8;
    for (int i = 0; i < 8; i++) buf_byte(out, (char)(len >> 8 * i & 0xff));
    buf_str(out, text);
    while (out->len < len + 8) buf_byte(out, ' ');
    free(text);
}

struct st_writer *st_create(const char *path, const struct st_tensor *v, int n)
{
    struct st_writer *w = mem_alloc(sizeof *w);
    struct buf h = {0};
    w->path = mem_str(path);
    w->tmp = mem_fmt("%s.tmp.%ld", path, (long)getpid());
    header(v, n, &h, &w->left);
    w->left += h.len;
    w->f = fopen(w->tmp, "wb");
    int bad = !w->f ? fail_errno("%s", path) : st_write(w, h.p, h.len);
    buf_free(&h);
    if (!bad) return w;
    st_abandon(w);
    return NULL;
}

int st_write(struct st_writer *w, const void *p, size_t bytes)
{
    assert(bytes <= w->left);
    if (bytes && fwrite(p, 1, bytes, w->f) != bytes) return fail_errno("%s", w->path);
    w->left -= bytes;
    return 0;
}

int st_finish(struct st_writer *w)
{
    assert(w->left == 0);
    int bad = fflush(w->f) || fsync(fileno(w->f)) ? fail_errno("%s", w->path) : 0;
    if (fclose(w->f) && !bad) bad = fail_errno("%s", w->path);
    w->f = NULL;
    if (!bad && rename(w->tmp, w->path)) bad = fail_errno("%s", w->path);
    if (bad) {
        st_abandon(w);
        return -1;
    }
    free(w->tmp);
    free(w->path);
    free(w);
    return 0;
}

void st_abandon(struct st_writer *w)
{
    if (!w) return;
    if (w->f) fclose(w->f);
    unlink(w->tmp);
    free(w->tmp);
    free(w->path);
    free(w);
}
