/* SPDX-License-Identifier: Apache-2.0 */
#include "media/tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 64 << 10, RECORD = 512 };

static int fail_archive(struct archive *a)
{
    const char *why = archive_error_string(a);
    return fail("%s", why ? why : "damaged archive");
}

struct slice tar_key(const char *name, size_t n)
{
    size_t i = n;
    while (i && name[i - 1] != '/') i--;
    while (i < n && name[i] != '.') i++;
    return (struct slice){ name, i };
}

void tar_sample_free(struct tar_sample *s)
{
    for (int i = 0; i < s->cap; i++) {
        free(s->m[i].name);
        buf_free(&s->m[i].bytes);
    }
    free(s->m);
    *s = (struct tar_sample){0};
}

/* ---- reading ---- */

struct tar_in {
    FILE *f;
    char *name;
    struct archive *a;
    struct archive_entry *next;                /* the first member of the next sample; NULL: not read yet */
    bool ended;
    size_t max;
    char block[BLOCK], tail[RECORD];           /* tail: the last bytes read so far */
};

static void keep_tail(struct tar_in *in, size_t n)
{
    size_t k = mem_min(n, (size_t)RECORD);
    memmove(in->tail, in->tail + k, RECORD - k);
    memcpy(in->tail + RECORD - k, in->block + n - k, k);
}

static la_ssize_t read_block(struct archive *a, void *arg, const void **p)
{
    struct tar_in *in = arg;
    size_t n = fread(in->block, 1, BLOCK, in->f);
    if (!n && ferror(in->f)) {
        archive_set_error(a, errno, "%s", strerror(errno));
        return -1;
    }
    keep_tail(in, n);
    *p = in->block;
    return (la_ssize_t)n;
}

static int set_up(struct tar_in *in)
{
    static int (*const enable[])(struct archive *) = {
        archive_read_support_filter_gzip, archive_read_support_filter_bzip2, archive_read_support_filter_xz,
        archive_read_support_filter_zstd, archive_read_support_filter_lz4, archive_read_support_format_tar };
    int tar = ARCHIVE_FATAL;
    for (int i = 0; i < countof(enable); i++) tar = enable[i](in->a);
    if (tar != ARCHIVE_OK || archive_read_set_options(in->a, "tar:read_concatenated_archives") != ARCHIVE_OK
        || archive_read_open(in->a, in, NULL, read_block, NULL) != ARCHIVE_OK)
        return fail_archive(in->a);
    return 0;
}

struct tar_in *tar_open(FILE *f, const char *name, size_t max)
{
    struct tar_in *in = mem_alloc(sizeof *in);
    in->f = f;
    in->name = mem_str(name);
    in->max = max ? max : (size_t)256 << 20;
    in->a = archive_read_new();
    memset(in->tail, 1, RECORD);
    if (in->a ? !set_up(in) : !fail("out of memory")) return in;
    fail_in("%s", name);
    tar_close(in);
    return NULL;
}

void tar_close(struct tar_in *in)
{
    if (!in) return;
    if (in->a) archive_read_free(in->a);
    free(in->name);
    free(in);
}

/* A tar file ends in blocks of zeros; libarchive takes one that was cut between two members for whole. */
static int check_end(struct tar_in *in)
{
    const void *p;
    static const char zero[RECORD];
    if (archive_filter_count(in->a) > 1) return 0;             /* a filter knows its end */
    while (read_block(in->a, in, &p) > 0) {}
    if (ferror(in->f)) return fail_errno("read");
    return memcmp(in->tail, zero, RECORD) ? fail("cut off: the end of the archive is missing") : 0;
}

static const char *member_name(struct archive_entry *e)        /* NULL: none that counts */
{
    if (archive_entry_filetype(e) != AE_IFREG || archive_entry_hardlink(e)) return NULL;
    const char *s = archive_entry_pathname_utf8(e);
    if (!s) s = archive_entry_pathname(e);
    while (s && !strncmp(s, "./", 2)) s += 2;
    const char *slash = s ? strrchr(s, '/') : NULL, *base = slash ? slash + 1 : s;
    return base && *base && *base != '.' ? s : NULL;
}

static int next_member(struct tar_in *in)                      /* 1 with in->next, 0, -1 */
{
    do {
        int r;
        do r = archive_read_next_header(in->a, &in->next); while (r == ARCHIVE_RETRY);
        if (r == ARCHIVE_EOF) {
            in->next = NULL;
            in->ended = true;
            return check_end(in);
        }
        if (r != ARCHIVE_OK && r != ARCHIVE_WARN) return fail_archive(in->a);
    } while (!member_name(in->next));
    return 1;
}

static int read_bytes(struct tar_in *in, size_t room, struct buf *out)
{
    la_ssize_t r = 0;
    int64_t size = archive_entry_size(in->next);
    if (size < 0 || (uint64_t)size > room) return fail("more than %zu MiB in one sample", in->max >> 20);
    buf_need(out, (size_t)size);
    while (out->len < (size_t)size && (r = archive_read_data(in->a, out->p + out->len, (size_t)size - out->len)) > 0) out->len += (size_t)r;
    out->p[out->len] = 0;
    return r < 0 ? fail_archive(in->a) : out->len < (size_t)size ? fail("cut off within a member") : 0;
}

static struct tar_member *new_member(struct tar_sample *s, const char *name)
{
    if (s->n == s->cap) {
        int cap = s->cap ? 2 * s->cap : 4;
        s->m = mem_grow(s->m, (size_t)cap, sizeof *s->m);
        memset(s->m + s->cap, 0, (size_t)(cap - s->cap) * sizeof *s->m);
        s->cap = cap;
    }
    struct tar_member *m = &s->m[s->n++];
    free(m->name);
    m->name = mem_str(name);
    m->nname = strlen(name);
    buf_clear(&m->bytes);
    return m;
}

static bool has_member(const struct tar_sample *s, const char *name)
{
    for (int i = 0; i < s->n; i++)
        if (!strcmp(s->m[i].name, name)) return true;
    return false;
}

static int next_sample(struct tar_in *in, bool (*wanted)(const char *, size_t), struct tar_sample *out)
{
    enum { MEMBERS = 4096 };
    size_t total = 0;
    int r = 1;
    out->n = 0;
    if (!in->next) r = in->ended ? 0 : next_member(in);
    while (r > 0) {
        const char *name = member_name(in->next);
        size_t n = strlen(name);
        if (out->n) {
            struct slice first = tar_key(out->m[0].name, out->m[0].nname), key = tar_key(name, n);
            if (first.n != key.n || memcmp(first.p, key.p, key.n)) return 1;
            if (has_member(out, name)) return fail("%.200s: twice in one sample", name);
            if (out->n == MEMBERS) return fail("%.200s: more than %d members in one sample", name, MEMBERS);
        }
        struct tar_member *m = new_member(out, name);
        if (!wanted || wanted(name, n)) {
            if (read_bytes(in, in->max - total, &m->bytes)) return fail_in("%.200s", m->name);
            total += m->bytes.len;
        }
        r = next_member(in);
    }
    return r < 0 ? -1 : out->n > 0;
}

int tar_next(struct tar_in *in, bool (*wanted)(const char *name, size_t n), struct tar_sample *out)
{
    int r = next_sample(in, wanted, out);
    return r < 0 ? fail_in("%s", in->name) : r;
}

/* ---- writing ---- */

struct tar_out {
    FILE *f;
    char *name;
    struct archive *a;
    struct archive_entry *e;
    uint64_t bytes;
};

static la_ssize_t write_block(struct archive *a, void *arg, const void *p, size_t n)
{
    struct tar_out *out = arg;
    if (fwrite(p, 1, n, out->f) == n) return (la_ssize_t)n;
    archive_set_error(a, errno, "%s", strerror(errno));
    return -1;
}

struct tar_out *tar_create(FILE *f, const char *name)
{
    struct tar_out *out = mem_alloc(sizeof *out);
    out->f = f;
    out->name = mem_str(name);
    out->a = archive_write_new();
    out->e = archive_entry_new();
    int bad = !out->a || !out->e ? fail("out of memory") : 0;
    if (!bad && (archive_write_set_format_pax_restricted(out->a) != ARCHIVE_OK || archive_write_set_bytes_per_block(out->a, BLOCK) != ARCHIVE_OK
                 || archive_write_set_bytes_in_last_block(out->a, 1) != ARCHIVE_OK
                 || archive_write_open(out->a, out, NULL, write_block, NULL) != ARCHIVE_OK))
        bad = fail_archive(out->a);
    if (!bad) return out;
    fail_in("%s", name);
    tar_abandon(out);
    return NULL;
}

int tar_add(struct tar_out *out, const char *name, const void *p, size_t n)
{
    struct archive_entry *e = archive_entry_clear(out->e);
    archive_entry_set_pathname_utf8(e, name);
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_perm(e, 0644);
    archive_entry_set_mtime(e, 0, 0);
    archive_entry_set_size(e, (la_int64_t)n);
    if (archive_write_header(out->a, e) != ARCHIVE_OK || (n && archive_write_data(out->a, p, n) != (la_ssize_t)n)) {
        fail_archive(out->a);
        return fail_in("%s", out->name);
    }
    out->bytes += RECORD + (n + RECORD - 1) / RECORD * RECORD;
    return 0;
}

uint64_t tar_bytes(const struct tar_out *out) { return out->bytes; }

void tar_abandon(struct tar_out *out)
{
    if (!out) return;
    if (out->a) {
        archive_write_fail(out->a);            /* nothing more is written */
        archive_write_free(out->a);
    }
    archive_entry_free(out->e);
    free(out->name);
    free(out);
}

int tar_finish(struct tar_out *out)
{
    int bad = archive_write_close(out->a) == ARCHIVE_OK ? 0 : fail_archive(out->a);
    if (!bad && fflush(out->f)) bad = fail_errno("%s", out->name);
    else if (bad) fail_in("%s", out->name);
    tar_abandon(out);
    return bad;
}
