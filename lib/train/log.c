/* SPDX-License-Identifier: Apache-2.0 */
#include "train/log.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"

struct train_log { FILE *f; char *path; const struct objective *obj; };

enum { LOG_MAX = 1 << 30 };

static int failed(struct train_log *l) { return fail_errno("%s", l->path); }

static int head_line(struct train_log *l)
{
    fprintf(l->f, "step\tepoch\tlr\tloss\tgrad_norm\texamples\ttokens\trows\tseconds\ttokens_per_s");
    for (int i = 0; i < TRAIN_METRICS && l->obj->metric[i]; i++) fprintf(l->f, "\t%s", l->obj->metric[i]);
    fputc('\n', l->f);
    return fflush(l->f) ? failed(l) : 0;
}

/* Bytes of the log up to the last line of a step <= done; a line without its end does not count. */
static size_t kept(const char *s, size_t n, int done)
{
    const char *p = s, *e;
    while ((e = memchr(p, '\n', n - (size_t)(p - s)))) {
        if (p > s && strtol(p, NULL, 10) > done) break;
        p = e + 1;
    }
    return (size_t)(p - s);
}

static int cut_back(struct train_log *l, int done)
{
    struct stat st;
    if (fstat(fileno(l->f), &st) || !S_ISREG(st.st_mode) || st.st_size == 0) return head_line(l);
    struct buf b = { 0 };
    int r = file_read(l->path, LOG_MAX, &b);
    size_t n = r ? 0 : kept(b.p, b.len, done);
    buf_free(&b);
    if (r) return -1;
    if (ftruncate(fileno(l->f), (off_t)n) || fseek(l->f, 0, SEEK_END)) return failed(l);
    return n ? 0 : head_line(l);
}

struct train_log *train_log_open(const char *path, int done, const struct objective *obj)
{
    struct train_log *l = mem_alloc(sizeof *l);
    l->obj = obj;
    if (!path) return l;
    l->path = mem_str(path);
    l->f = fopen(path, done ? "a" : "w");
    if (l->f && (done ? cut_back(l, done) : head_line(l)) == 0) return l;
    if (l->f) fclose(l->f);
    else failed(l);
    free(l->path);
    free(l);
    return NULL;
}

int train_log_line(struct train_log *l, const struct train_report *r)
{
    if (!l->f) return 0;
    fprintf(l->f, "%d\t%.4f\t%.6g\t%.6f\t%.5f\t%d\t%ld\t%ld\t%.4f\t%.0f", r->step, r->epoch, r->lr, r->loss, r->norm,
            r->examples, r->tokens, r->rows, r->seconds, r->seconds > 0 ? (double)r->tokens / r->seconds : 0);
    for (int i = 0; i < TRAIN_METRICS && l->obj->metric[i]; i++) fprintf(l->f, "\t%.6g", r->metric[i]);
    fputc('\n', l->f);
    return fflush(l->f) ? failed(l) : 0;
}

int train_log_close(struct train_log *l)
{
    int r = l->f && fclose(l->f) ? failed(l) : 0;
    free(l->path);
    free(l);
    return r;
}

void train_log_abandon(struct train_log *l)
{
    if (!l) return;
    if (l->f) fclose(l->f);                    /* every line was flushed and checked */
    free(l->path);
    free(l);
}
