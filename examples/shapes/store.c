/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"

struct store {
    char *path, *tmp;                          /* tmp: the archive's name until it is complete */
    struct archive *tar;                       /* NULL: a folder, or inline when path is NULL too */
    int fd;
};

static int open_tar(struct store *s)
{
    s->tmp = mem_fmt("%s.tmp", s->path);
    s->fd = open(s->tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (s->fd < 0) return fail_errno("%s", s->tmp);
    s->tar = archive_write_new();
    if (!s->tar) return fail("libarchive: no memory");
    if (archive_write_set_format_ustar(s->tar) != ARCHIVE_OK || archive_write_open_fd(s->tar, s->fd) != ARCHIVE_OK)
        return fail("%s: %s", s->path, archive_error_string(s->tar));
    return 0;
}

struct store *store_open(const char *path)
{
    struct store *s = mem_alloc(sizeof *s);
    size_t n = path ? strlen(path) : 0;
    s->fd = -1;
    if (!path) return s;
    s->path = mem_str(path);
    if (n > 4 && !strcmp(path + n - 4, ".tar") ? open_tar(s) : dir_make(path)) {
        store_abandon(s);
        return NULL;
    }
    return s;
}

static int put_tar(struct store *s, const char *name, const struct buf *png)
{
    struct archive_entry *e = archive_entry_new();
    archive_entry_set_pathname(e, name);
    archive_entry_set_size(e, (la_int64_t)png->len);
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_perm(e, 0644);
    archive_entry_set_mtime(e, 0, 0);                    /* the same bytes every time */
    int bad = archive_write_header(s->tar, e) != ARCHIVE_OK || archive_write_data(s->tar, png->p, png->len) != (la_ssize_t)png->len;
    archive_entry_free(e);
    return bad ? fail("%s: %s: %s", s->path, name, archive_error_string(s->tar)) : 0;
}

static int put_file(struct store *s, const char *name, const struct buf *png)
{
    char *file = file_join(s->path, name);
    int bad = file_write(file, png->p, png->len);
    free(file);
    return bad;
}

int store_png(struct store *s, const char *name, const struct buf *png, msgpack_zone *z, val *image)
{
    *image = val_map();
    if (!s->path) {
        val_set(z, image, "data", val_of_bin(z, png->p, png->len));
        val_set(z, image, "type", val_of_cstr(z, "png"));
        return 0;
    }
    if (s->tar ? put_tar(s, name, png) : put_file(s, name, png)) return -1;
    const char *slash = strrchr(s->path, '/');
    char *ref = s->tar ? mem_fmt("%s!%s", slash ? slash + 1 : s->path, name) : mem_str(name);
    val_set(z, image, "ref", val_of_cstr(z, ref));
    free(ref);
    return 0;
}

int store_close(struct store *s)
{
    int bad = 0;
    if (s->tar) {
        bad = archive_write_close(s->tar) != ARCHIVE_OK ? fail("%s: %s", s->path, archive_error_string(s->tar)) : 0;
        if (!bad && fsync(s->fd)) bad = fail_errno("%s", s->tmp);
        if (!bad && rename(s->tmp, s->path)) bad = fail_errno("%s", s->path);
    }
    store_abandon(s);
    return bad;
}

void store_abandon(struct store *s)
{
    if (!s) return;
    if (s->tar) archive_write_free(s->tar);
    if (s->fd >= 0) close(s->fd);
    if (s->tmp) unlink(s->tmp);                          /* behind the rename there is none */
    free(s->tmp);
    free(s->path);
    free(s);
}
