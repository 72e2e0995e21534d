/* SPDX-License-Identifier: Apache-2.0 */
#include "media/source.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/file.h"

enum { REF_MAX = 4096, OPEN_MAX = 4096 };

struct held { char *path; struct packed *archive; };

struct media_source {
    char *base;
    bool base_is_archive;
    struct media_limits lim;
    pthread_mutex_t lock;                  /* over held[] */
    struct held *held;
    int nheld;
};

struct media_source *media_open(const char *base, const struct media_limits *limits)
{
    struct stat st;
    const char *at = base && *base ? base : ".";
    if (stat(at, &st)) {
        fail_errno("%s", at);
        return NULL;
    }
    if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)) return fail_null("%s: neither a folder nor an archive", at);
    struct media_source *m = mem_alloc(sizeof *m);
    if (limits) m->lim = *limits;
    if (!m->lim.packed.member) m->lim.packed.member = (size_t)256 << 20;
    m->base = mem_str(at);
    m->base_is_archive = S_ISREG(st.st_mode);
    pthread_mutex_init(&m->lock, NULL);
    return m;
}

void media_close(struct media_source *m)
{
    if (!m) return;
    for (int i = 0; i < m->nheld; i++) {
        packed_close(m->held[i].archive);
        free(m->held[i].path);
    }
    pthread_mutex_destroy(&m->lock);
    free(m->held);
    free(m->base);
    free(m);
}

/* Opens an archive once. */
static struct packed *archive_of(struct media_source *m, const char *path)
{
    struct packed *a = NULL;
    pthread_mutex_lock(&m->lock);
    for (int i = 0; i < m->nheld && !a; i++)
        if (!strcmp(m->held[i].path, path)) a = m->held[i].archive;
    if (!a && m->nheld == OPEN_MAX) fail("more than %d archives", OPEN_MAX);
    else if (!a && (a = packed_open(path, &m->lim.packed))) {
        m->held = mem_grow(m->held, (size_t)m->nheld + 1, sizeof *m->held);
        m->held[m->nheld++] = (struct held){ mem_str(path), a };
    }
    pthread_mutex_unlock(&m->lock);
    return a;
}

static bool leaves_base(const char *ref)
{
    if (*ref == '/') return true;
    for (const char *s = ref; s; s = strchr(s, '/')) {
        s += *s == '/';
        if (!strncmp(s, "..", 2) && (s[2] == '/' || !s[2])) return true;
    }
    return false;
}

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static char *path_of(const struct media_source *m, const char *ref)
{
    return *ref == '/' || !strcmp(m->base, ".") ? mem_str(ref) : file_join(m->base, ref);
}

static int get_member(struct media_source *m, const char *path, const char *name, struct buf *out)
{
    struct packed *a = archive_of(m, path);
    return a ? packed_get(a, name, strlen(name), out) : -1;
}

static int get_file(const struct media_source *m, const char *path, struct buf *out)
{
    struct stat st;
    if (stat(path, &st)) return fail_errno("%s", path);
    if (!S_ISREG(st.st_mode)) return fail("%s: not a regular file", path);
    return file_read(path, m->lim.packed.member, out);
}

/* Base folder: the part of path before the first '!' that is a file is an archive. */
static int get_in_folder(struct media_source *m, const char *ref, struct buf *out)
{
    char *path = path_of(m, ref);
    size_t skip = strlen(path) - strlen(ref);
    int r = 1;
    for (char *bang = strchr(path + skip, '!'); bang && r == 1; bang = strchr(bang + 1, '!')) {
        *bang = 0;
        if (is_file(path)) r = get_member(m, path, bang + 1, out);
        *bang = '!';
    }
    if (r == 1) r = get_file(m, path, out);
    free(path);
    return r;
}

static int get_in_archive(struct media_source *m, const char *ref, struct buf *out)
{
    const char *slash = strrchr(m->base, '/'), *name = slash ? slash + 1 : m->base;
    size_t n = strlen(name);
    for (const char *bang = strchr(ref, '!'); bang; bang = strchr(bang + 1, '!')) {
        size_t len = (size_t)(bang - ref);
        bool whole = len == n || (len > n && bang[-(ptrdiff_t)n - 1] == '/');
        if (whole && !memcmp(bang - n, name, n)) return get_member(m, m->base, bang + 1, out);
    }
    return get_member(m, m->base, ref, out);
}

int media_get(struct media_source *m, const char *ref, size_t n, struct buf *out)
{
    if (!n) return fail("empty image reference");
    if (n > REF_MAX || memchr(ref, 0, n)) return fail("not an image reference");
    char s[REF_MAX + 1];
    memcpy(s, ref, n);
    s[n] = 0;
    if (m->base_is_archive) return get_in_archive(m, s, out);
    if (!m->lim.trust && leaves_base(s)) return fail("%s: leads out of the image folder", s);
    return get_in_folder(m, s, out);
}

int media_image(struct media_source *m, const struct media_item *item, struct image *out, char digest[HASH_HEX])
{
    *out = (struct image){0};
    if (item->data) {
        if (image_decode(item->data, item->ndata, m->lim.pixels, item->alpha, out)) return -1;
        if (digest) image_digest(item->data, item->ndata, digest);
        return 0;
    }
    struct buf b = {0};
    int r = media_get(m, item->ref, item->nref, &b);
    if (!r && image_decode(b.p, b.len, m->lim.pixels, item->alpha, out)) r = fail_in("%.*s", (int)mem_min(item->nref, (size_t)512), item->ref);
    if (!r && digest) image_digest(b.p, b.len, digest);
    buf_free(&b);
    return r;
}
