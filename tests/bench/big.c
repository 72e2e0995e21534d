/* SPDX-License-Identifier: Apache-2.0
 * What bench_big.sh needs.
 *     big make DIR        writes DIR/model.safetensors with random bf16 weights for DIR/config.json
 *     big load DIR        loads it as bf16 and says how long that took
 *     big run COMMAND...  runs a command and says how long it took and the most memory it had resident
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/file.h"
#include "base/par.h"
#include "base/rng.h"
#include "model/model_priv.h"

enum { PIECE = 1 << 16 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- make ---- */
/* Two pieces of numbers: near 0 with a deviation of 0.02, as models are initialised, and near 1. */
static uint16_t *noise(float mean)
{
    struct rng r = rng_new(1, "big");
    uint16_t *x = mem_array(2 * PIECE, sizeof *x);
    for (int i = 0; i < 2 * PIECE; i++) x[i] = bf16_of_f32(mean + 0.035f * (float)(2 * rng_next(&r) - 1));
    return x;
}

/* The same numbers again and again from another place: 16 GB of fresh ones take minutes, and nobody looks at them. */
static int write_param(struct st_writer *w, const struct param *p, const uint16_t *from, size_t *at)
{
    for (size_t i = 0; i < p->n; i += PIECE) {
        *at = (*at * 48271 + 11) % PIECE;
        if (st_write(w, from + *at, mem_min(p->n - i, (size_t)PIECE) * 2)) return -1;
    }
    return 0;
}

static int write_all(const struct model *m, const char *path)
{
    const struct params *ps = &m->ps;
    struct st_tensor *v = mem_array((size_t)ps->n, sizeof *v);
    for (int i = 0; i < ps->n; i++) {
        v[i] = (struct st_tensor){ .name = ps->v[i].name, .t = ST_BF16, .ndim = ps->v[i].ndim };
        for (int d = 0; d < v[i].ndim; d++) v[i].dims[d] = ps->v[i].dims[d];
    }
    struct st_writer *w = st_create(path, v, ps->n);
    uint16_t *zero = noise(0), *one = noise(1);
    size_t at = 1;
    int bad = !w;
    for (int i = 0; i < ps->n && !bad; i++) bad = write_param(w, &ps->v[i], m->info[i].init == INIT_ONE ? one : zero, &at);
    free(v);
    free(zero);
    free(one);
    if (!bad) return st_finish(w);
    st_abandon(w);
    return -1;
}

static int make(const char *dir)
{
    struct model m = {0};
    char *path = file_join(dir, "model.safetensors");
    int bad = cfg_load(dir, &m.cfg);
    if (!bad) {
        params_build(&m);
        bad = write_all(&m, path);
        cfg_free(&m.cfg);
    }
    free(path);
    return bad;
}

/* ---- load, run ---- */
static int load(const char *dir)
{
    struct ops *o = ops_cpu(par_cpus());
    double start = now();
    struct model *m = o ? model_load(dir, o, DT_BF16, 0) : NULL;
    if (!m) return -1;
    printf("loaded in %.2f s\n", now() - start);
    model_free(m);
    o->close(o);
    return 0;
}

static int run(char **command)
{
    struct rusage u;
    int status;
    double start = now();
    pid_t pid = fork();
    if (pid < 0) return fail_errno("fork");
    if (!pid) {
        execvp(command[0], command);
        _exit(127);
    }
    if (wait4(pid, &status, 0, &u) < 0) return fail_errno("wait");
    if (!WIFEXITED(status) || WEXITSTATUS(status)) return fail("%s ended with status %d", command[0], status);
    double cpu = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + 1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
    fprintf(stderr, "%.1f s, %.1f s of processor time, %.1f GB resident at most\n", now() - start, cpu, (double)u.ru_maxrss / 1e6);
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 2 ? argv[1] : "";
    int bad = !strcmp(what, "make") ? make(argv[2]) : !strcmp(what, "load") ? load(argv[2]) : !strcmp(what, "run") ? run(argv + 2)
            : fail("want make DIR, load DIR or run COMMAND");
    if (bad) fprintf(stderr, "big: %s\n", err_msg());
    return bad ? 1 : 0;
}
