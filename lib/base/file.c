/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A pipe that lies in a folder would be waited for without end; what a shell's <(...) passes is one, too, and meant. */
static int open_plain(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return fail_errno("%s", path);
    bool waits = !fstat(fd, &st) && S_ISFIFO(st.st_mode) && strncmp(path, "/dev/", 5);
    if (!waits && !fcntl(fd, F_SETFL, 0)) return fd;
    int r = waits ? fail("%s: a pipe, want a file", path) : fail_errno("%s", path);
    close(fd);
    return r;
}

int file_read(const char *path, size_t max, struct buf *out)
{
    int fd = open_plain(path);
    if (fd < 0) return -1;
    size_t start = out->len;
    ssize_t r;
    do {
        buf_need(out, 65536);
        r = read(fd, out->p + out->len, 65536);
        if (r > 0) out->len += (size_t)r;
    } while ((r > 0 && out->len - start <= max) || (r < 0 && errno == EINTR));
    int e = errno;
    close(fd);
    errno = e;
    if (r < 0) return fail_errno("%s", path);
    if (out->len - start > max) return fail("%s: larger than %zu bytes", path, max);
    out->p[out->len] = 0;
    return 0;
}

static int write_all(int fd, const void *p, size_t n)
{
    const char *c = p;
    while (n) {
        ssize_t r = write(fd, c, n < 1 << 30 ? n : 1 << 30);
        if (r < 0 && errno == EINTR) continue;
        if (r < 0) return -1;
        c += r;
        n -= (size_t)r;
    }
    return 0;
}

int file_write(const char *path, const void *p, size_t n)
{
    char *tmp = mem_fmt("%s.tmp.%ld", path, (long)getpid());
    int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int bad = fd < 0 || write_all(fd, p, n) || fsync(fd);
    if (bad) fail_errno("%s", path);
    if (fd >= 0 && close(fd) && !bad) bad = (fail_errno("%s", path), 1);
    if (!bad && rename(tmp, path)) bad = (fail_errno("%s", path), 1);
    if (bad && fd >= 0) unlink(tmp);
    free(tmp);
    return bad ? -1 : 0;
}

bool file_exists(const char *path) { return access(path, F_OK) == 0; }

bool file_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

char *file_join(const char *dir, const char *name)
{
    size_t n = strlen(dir);
    return mem_fmt("%s%s%s", dir, n && dir[n - 1] == '/' ? "" : "/", name);
}

int file_map(const char *path, struct file_map *m)
{
    *m = (struct file_map){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);                     /* a pipe is refused, not waited for */
    if (fd < 0) return fail_errno("%s", path);
    struct stat st;
    int r = 0;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) r = fail("%s: not a regular file", path);
    else if (st.st_size > 0) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) r = fail_errno("%s", path);
        else *m = (struct file_map){ p, (size_t)st.st_size };
    }
    close(fd);
    return r;
}

void file_unmap(struct file_map *m)
{
    if (m->p) munmap((void *)(uintptr_t)m->p, m->n);
    *m = (struct file_map){0};
}

int dir_make(const char *path)
{
    char *p = mem_str(path);
    int r = 0;
    for (char *s = p + 1; !r && *p; s++) {
        if (*s && *s != '/') continue;
        char c = *s;
        *s = 0;
        if (mkdir(p, 0777) && errno != EEXIST) r = fail_errno("%s", p);
        *s = c;
        if (!c) break;
    }
    free(p);
    if (!r && !file_is_dir(path)) return fail("%s: not a folder", path);
    return r;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

int dir_remove(const char *path)
{
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) && errno != ENOENT) return fail_errno("%s", path);
    return 0;
}

static char *sibling(const char *dir, const char *what)
{
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/') n--;
    return mem_fmt("%.*s.%s", (int)n, dir, what);
}

int dir_begin(struct dir_tmp *d, const char *dir)
{
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/') n--;
    d->final = mem_strn(dir, n);
    d->tmp = sibling(dir, "tmp");
    if (dir_remove(d->tmp) == 0 && dir_make(d->tmp) == 0) return 0;
    dir_abandon(d);
    return -1;
}

static int sync_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return -1;
    int r = fsync(fd);
    close(fd);
    return r;
}

/* rename(2) cannot replace a folder that is not empty: exchange the two names, then remove the older one. */
static int swap_in(const char *tmp, const char *final)
{
    if (rename(tmp, final) == 0) return 0;
    if (errno != ENOTEMPTY && errno != EEXIST) return fail_errno("%s", final);
    if (renameat2(AT_FDCWD, tmp, AT_FDCWD, final, RENAME_EXCHANGE) == 0) return dir_remove(tmp);
    char *old = sibling(final, "old");         /* file systems without exchange */
    int r = dir_remove(old);
    if (!r && (rename(final, old) || rename(tmp, final))) r = fail_errno("%s", final);
    if (!r) r = dir_remove(old);
    free(old);
    return r;
}

int dir_commit(struct dir_tmp *d)
{
    int r = sync_dir(d->tmp) ? fail_errno("%s", d->tmp) : swap_in(d->tmp, d->final);
    if (r) dir_remove(d->tmp);
    free(d->final);
    free(d->tmp);
    *d = (struct dir_tmp){0};
    return r;
}

void dir_abandon(struct dir_tmp *d)
{
    if (d->tmp) nftw(d->tmp, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(d->final);
    free(d->tmp);
    *d = (struct dir_tmp){0};
}

int file_copy(const char *from, const char *to)
{
    struct file_map m;
    if (file_map(from, &m)) return -1;
    int r = file_write(to, m.p, m.n);
    file_unmap(&m);
    return r;
}
