/* SPDX-License-Identifier: Apache-2.0 */
#include "media/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "media/archive_priv.h"

struct packed {
    char *path;
    struct file_map map;
    struct packed_limits lim;
    struct index index;
    bool random;                           /* indexed: everything below is unused, and nothing changes any more */
    pthread_mutex_t lock;
    struct archive *in;                    /* the reading in progress; NULL: at its end */
    unsigned pass;
    char *broken;                          /* why reading stopped before the end */
    size_t kept, oldest;                   /* bytes kept; members are dropped from queue[oldest] on */
    uint32_t *queue;                       /* entry numbers in the order they were kept */
    size_t nqueue, cqueue;
};

/* ---- libarchive ---- */

static int fail_archive(struct archive *in)
{
    const char *why = archive_error_string(in);
    return fail("%s", why ? why : "damaged archive");
}

/* Every format and filter that works on the bytes given alone. Left out of libarchive's "all": mtree, whose entries
 * name files on this disk, and filters that start another program (lrzip, lzop, grzip). */
static int support_all(struct archive *in)
{
    static int (*const enable[])(struct archive *) = {
        archive_read_support_filter_gzip, archive_read_support_filter_bzip2, archive_read_support_filter_xz,
        archive_read_support_filter_lzma, archive_read_support_filter_lzip, archive_read_support_filter_zstd,
        archive_read_support_filter_lz4, archive_read_support_filter_compress,
        archive_read_support_format_tar, archive_read_support_format_zip, archive_read_support_format_7zip,
        archive_read_support_format_cpio, archive_read_support_format_iso9660, archive_read_support_format_rar,
        archive_read_support_format_rar5, archive_read_support_format_cab, archive_read_support_format_lha,
        archive_read_support_format_xar, archive_read_support_format_ar, archive_read_support_format_warc,
    };
    int usable = 0;                        /* a libarchive built without some of them still reads the others */
    for (int i = 0; i < countof(enable); i++) usable += enable[i](in) == ARCHIVE_OK;
    return usable ? ARCHIVE_OK : ARCHIVE_FATAL;
}

/* Opens p[0..n); where one member is read at its offset, with the two formats that can start there. */
static struct archive *open_at(const uint8_t *p, size_t n, bool at_member)
{
    struct archive *in = archive_read_new();
    if (!in) return fail_null("out of memory");
    int r = ARCHIVE_OK;
    if (at_member) {
        r |= archive_read_support_format_zip_streamable(in);
        r |= archive_read_support_format_tar(in);
    } else {
        r = support_all(in);
    }
    if (r != ARCHIVE_OK || archive_read_open_memory(in, p, n) != ARCHIVE_OK) {
        fail_archive(in);
        archive_read_free(in);
        return NULL;
    }
    return in;
}

/* 1 and the next entry, 0 at the end, -1 on damage. */
static int next_entry(struct archive *in, struct archive_entry **e)
{
    int r;
    do r = archive_read_next_header(in, e); while (r == ARCHIVE_RETRY);
    if (r == ARCHIVE_EOF) return 0;
    return r == ARCHIVE_OK || r == ARCHIVE_WARN ? 1 : fail_archive(in);
}

/* The name of a regular file; empty for anything else. Borrowed from e. */
static struct slice member_name(struct archive_entry *e)
{
    if (archive_entry_filetype(e) != AE_IFREG || archive_entry_hardlink(e)) return (struct slice){ "", 0 };
    const char *s = archive_entry_pathname_utf8(e);
    if (!s) s = archive_entry_pathname(e);
    return s ? index_name(s, strlen(s)) : (struct slice){ "", 0 };
}

/* Appends the current member's bytes. 1: done, 0: larger than max (nothing appended), -1: damage. */
static int read_member(struct archive *in, struct archive_entry *e, size_t max, struct buf *out)
{
    enum { CHUNK = 1 << 16 };
    size_t start = out->len;
    la_ssize_t r = 0;
    if (archive_entry_size_is_set(e) && (uint64_t)archive_entry_size(e) > max) return 0;
    do {
        buf_need(out, CHUNK);
        r = archive_read_data(in, out->p + out->len, CHUNK);
        if (r > 0) out->len += (size_t)r;
    } while (r > 0 && out->len - start <= max);
    bool big = out->len - start > max;
    if (r < 0 || big) out->len = start;
    out->p[out->len] = 0;
    return r < 0 ? fail_archive(in) : big ? 0 : 1;
}

static int fail_too_big(const struct packed *a) { return fail("larger than %zu bytes", a->lim.member); }

/* ---- archives read at random ---- */

static int get_at(const struct packed *a, const struct entry *want, struct buf *out)
{
    struct archive *in = open_at(a->map.p + want->at, a->map.n - want->at, true);
    struct archive_entry *e;
    if (!in) return -1;
    int r = next_entry(in, &e);
    if (r == 1) r = read_member(in, e, a->lim.member, out);
    else if (r == 0) r = fail("no member where the index says");
    archive_read_free(in);
    return r < 0 ? -1 : r == 1 ? 0 : fail_too_big(a);
}

/* Indexes a plain tar file. 1: done, 0: it is something else, -1: damage or too many members. */
static int tar_index(struct packed *a)
{
    struct archive_entry *e;
    struct archive *in = open_at(a->map.p, a->map.n, false);
    if (!in) return -1;
    int r = next_entry(in, &e);
    if (r == 1 && ((archive_format(in) & ARCHIVE_FORMAT_BASE_MASK) != ARCHIVE_FORMAT_TAR || archive_filter_count(in) != 1)) {
        archive_read_free(in);
        return 0;
    }
    for (; r == 1; r = next_entry(in, &e)) {
        struct slice name = member_name(e);
        if (!name.n || index_find(&a->index, name.p, name.n)) continue;
        struct entry *x = index_add(&a->index, name.p, name.n);
        if (!x) break;
        x->at = (uint64_t)archive_read_header_position(in);
    }
    archive_read_free(in);
    return r == 0 ? 1 : -1;
}

/* ---- archives read forward ---- */

static void close_pass(struct packed *a)
{
    if (a->in) archive_read_free(a->in);
    a->in = NULL;
}

static int start_pass(struct packed *a)
{
    close_pass(a);
    a->in = open_at(a->map.p, a->map.n, false);
    a->pass++;
    return a->in ? 0 : -1;
}

static void make_room(struct packed *a)
{
    while (a->kept > a->lim.memory && a->nqueue - a->oldest > 1) {
        struct entry *e = &a->index.e[a->queue[a->oldest++]];
        a->kept -= e->n;
        free(e->bytes);
        e->bytes = NULL;
        e->state = ENTRY_GONE;
    }
    if (a->oldest > a->nqueue / 2) {
        a->nqueue -= a->oldest;
        memmove(a->queue, a->queue + a->oldest, a->nqueue * sizeof *a->queue);
        a->oldest = 0;
    }
}

static void keep(struct packed *a, struct entry *e, struct buf *b)
{
    e->n = b->len;
    e->bytes = b->len ? mem_grow(b->p, b->len, 1) : NULL;
    if (!b->len) free(b->p);
    e->state = ENTRY_KEPT;
    a->kept += e->n;
    if (a->nqueue == a->cqueue) {
        a->cqueue = a->cqueue ? a->cqueue * 2 : 64;
        a->queue = mem_grow(a->queue, a->cqueue, sizeof *a->queue);
    }
    a->queue[a->nqueue++] = (uint32_t)(e - a->index.e);
    make_room(a);
}

/* Takes in one more member: 1 and *took (NULL: a folder or a repeated name), 0 at the end, -1 on damage. */
static int advance(struct packed *a, struct entry **took)
{
    struct archive_entry *at;
    *took = NULL;
    int r = next_entry(a->in, &at);
    if (r != 1) return r;
    struct slice name = member_name(at);
    if (!name.n) return 1;
    struct entry *e = index_find(&a->index, name.p, name.n);
    if (e && (e->pass == a->pass || e->state == ENTRY_TOO_BIG || e->state == ENTRY_KEPT)) {
        e->pass = a->pass;
        return 1;
    }
    struct buf b = {0};
    r = read_member(a->in, at, a->lim.member, &b);
    if (r >= 0 && !e && !(e = index_add(&a->index, name.p, name.n))) r = -1;
    if (r >= 0) e->pass = a->pass;
    if (r == 1) keep(a, e, &b);
    else buf_free(&b);
    if (r == 0) e->state = ENTRY_TOO_BIG;
    *took = e;
    return r < 0 ? -1 : 1;
}

/* Reads on until the member has been taken in. Leaves NULL + fail() if it is not there. */
static struct entry *seek_member(struct packed *a, const char *name, size_t n)
{
    struct entry *e = index_find(&a->index, name, n);
    bool again = e && e->state == ENTRY_GONE;
    if (e && !again) return e;
    if (again && start_pass(a)) return NULL;
    if (a->broken && !again) return fail_null("%s", a->broken);
    while (a->in) {
        int r = advance(a, &e);
        if (r == 1 && e && e->nname == n && !memcmp(e->name, name, n)) return e;
        if (r == 1) continue;
        close_pass(a);
        if (r == 0) break;
        if (!a->broken) a->broken = mem_str(err_msg());
        return NULL;
    }
    return fail_null("no such member");
}

static int get_forward(struct packed *a, const char *name, size_t n, struct buf *out)
{
    struct slice s = index_name(name, n);
    pthread_mutex_lock(&a->lock);
    struct entry *e = seek_member(a, s.p, s.n);
    int r = -1;
    if (e && e->state == ENTRY_TOO_BIG) r = fail_too_big(a);
    else if (e) {
        buf_add(out, e->bytes, e->n);
        r = 0;
    }
    pthread_mutex_unlock(&a->lock);
    return r;
}

/* ---- both ---- */

static int prepare(struct packed *a)
{
    if (file_map(a->path, &a->map)) return -1;
    if (a->map.n >= 4 && (!memcmp(a->map.p, "PK\3\4", 4) || !memcmp(a->map.p, "PK\5\6", 4))) {
        a->random = true;
        return zip_index(&a->index, a->map.p, a->map.n) ? fail_in("%s", a->path) : 0;
    }
    int r = a->map.n ? tar_index(a) : fail("empty file");
    a->random = r == 1;
    if (r == 0) r = start_pass(a);
    return r < 0 ? fail_in("%s", a->path) : 0;
}

struct packed *packed_open(const char *path, const struct packed_limits *limits)
{
    struct packed *a = mem_alloc(sizeof *a);
    if (limits) a->lim = *limits;
    if (!a->lim.member) a->lim.member = (size_t)256 << 20;
    if (!a->lim.memory) a->lim.memory = (size_t)4 << 30;
    if (!a->lim.entries) a->lim.entries = 4 << 20;
    a->index.max = a->lim.entries;
    a->path = mem_str(path);
    pthread_mutex_init(&a->lock, NULL);
    if (prepare(a)) {
        packed_close(a);
        return NULL;
    }
    return a;
}

int packed_get(struct packed *a, const char *name, size_t n, struct buf *out)
{
    int r;
    if (a->random) {
        const struct entry *e = index_find(&a->index, name, n);
        r = e ? get_at(a, e, out) : fail("no such member");
    } else {
        r = get_forward(a, name, n, out);
    }
    return r ? fail_in("%s!%.*s", a->path, (int)mem_min(n, (size_t)512), name) : 0;
}

void packed_close(struct packed *a)
{
    if (!a) return;
    close_pass(a);
    index_free(&a->index);
    file_unmap(&a->map);
    pthread_mutex_destroy(&a->lock);
    free(a->queue);
    free(a->broken);
    free(a->path);
    free(a);
}
