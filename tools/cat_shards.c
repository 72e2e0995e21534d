/* SPDX-License-Identifier: Apache-2.0 */
#include "cat.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "media/tar.h"

struct shards {
    const char *pattern;
    uint64_t max_bytes, max_count, count;      /* count: samples in the present one */
    int number;                                /* of the next shard */
    char *path, *part;                         /* of the present one: its name, and the one while it grows; NULL: stdout */
    FILE *f;
    struct tar_out *tar;
};

/* The pattern's one conversion is %d or %0Nd: anything else would make printf read what is not there. */
static int check_pattern(const char *p)
{
    const char *at = strchr(p, '%');
    if (!at) return 0;
    const char *d = at + 1;
    while (*d >= '0' && *d <= '9') d++;
    if (*d != 'd' || d - at > 3 || strchr(d, '%')) return fail_kind(ERR_USAGE, "--tar %s: want one %%d or %%06d, or none", p);
    return 0;
}

struct shards *shards_new(const char *pattern, uint64_t max_bytes, uint64_t max_count)
{
    if (check_pattern(pattern)) return NULL;
    struct shards *s = mem_alloc(sizeof *s);
    *s = (struct shards){ .pattern = pattern, .max_bytes = max_bytes, .max_count = max_count };
    return s;
}

static char *shard_path(const struct shards *s)
{
    const char *at = strchr(s->pattern, '%');
    if (!at) return mem_str(s->pattern);
    const char *behind = strchr(at, 'd') + 1;
    bool zero = at[1] == '0';
    int width = atoi(at + 1);
    return zero ? mem_fmt("%.*s%0*d%s", (int)(at - s->pattern), s->pattern, width, s->number, behind)
                : mem_fmt("%.*s%*d%s", (int)(at - s->pattern), s->pattern, width, s->number, behind);
}

static int open_shard(struct shards *s)
{
    bool std = !strcmp(s->pattern, "-");
    if (!std) {
        s->path = shard_path(s);
        s->part = mem_fmt("%s.part", s->path);
    }
    s->number++;
    s->f = std ? stdout : fopen(s->part, "wb");
    if (!s->f) return fail_errno("%s", s->part);
    s->count = 0;
    return (s->tar = tar_create(s->f, std ? "stdout" : s->path)) ? 0 : -1;
}

static int end_shard(struct shards *s)
{
    struct tar_out *tar = s->tar;
    s->tar = NULL;
    if (tar_finish(tar)) return -1;
    if (!s->path) return 0;                    /* stdout is the program's to close */
    FILE *f = s->f;
    s->f = NULL;
    int bad = fsync(fileno(f)) ? fail_errno("%s", s->part) : 0;
    if (fclose(f) && !bad) bad = fail_errno("%s", s->part);
    if (!bad && rename(s->part, s->path)) bad = fail_errno("%s", s->path);
    if (bad) return -1;
    free(s->path);
    free(s->part);
    s->path = s->part = NULL;
    return 0;
}

int shards_begin(struct shards *s, uint64_t bytes)
{
    bool many = strchr(s->pattern, '%') != NULL;
    bool full = s->tar && many && s->count && ((s->max_count && s->count == s->max_count) || (s->max_bytes && tar_bytes(s->tar) + bytes > s->max_bytes));
    if (full && end_shard(s)) return -1;
    if (!s->tar && open_shard(s)) return -1;
    s->count++;
    return 0;
}

int shards_add(struct shards *s, const char *name, const void *p, size_t n) { return tar_add(s->tar, name, p, n); }

int shards_close(struct shards *s)
{
    if (!s->tar && !s->number && open_shard(s)) return -1;
    return s->tar ? end_shard(s) : 0;
}

void shards_free(struct shards *s)
{
    if (!s) return;
    tar_abandon(s->tar);
    if (s->f && s->path) fclose(s->f);
    if (s->part) unlink(s->part);
    free(s->path);
    free(s->part);
    free(s);
}
