/* SPDX-License-Identifier: Apache-2.0
 * lib/base: errors, memory, random numbers, digests, threads, options, files. */
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "base/hash.h"
#include "base/opt.h"
#include "base/par.h"
#include "base/rng.h"
#include "t.h"

/* ---- errors ---- */

static void errors(void)
{
    T_INT(fail("a %d", 1), -1);
    T_STR(err_msg(), "a 1");
    T_INT(err_kind(), ERR_INPUT);
    T_INT(fail_in("%s:%d", "f", 2), -1);
    T_STR(err_msg(), "f:2: a 1");
    fail("%s again", err_msg());
    T_STR(err_msg(), "f:2: a 1 again");
    T_INT(fail_kind(ERR_USAGE, "u"), -1);
    fail_in("in");
    T_INT(err_kind(), ERR_USAGE);                  /* the kind stays when text is put before */
    char big[5000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = 0;
    fail("%s", big);
    fail_in("%s", big);
    T_CHECK(strlen(err_msg()) < 2000);
    T_CHECK(fail_null("n") == NULL);
}

/* ---- memory ---- */

static void buffers(void)
{
    struct buf b = {0};
    for (int i = 0; i < 1000; i++) buf_fmt(&b, "%d,", i);
    T_INT(b.len, 3890);
    T_INT(b.p[b.len], 0);
    buf_clear(&b);
    T_STR(b.p, "");
    buf_add(&b, "a\0b", 3);
    buf_byte(&b, 'c');
    T_CHECK(b.len == 4 && !memcmp(b.p, "a\0bc", 5));
    buf_free(&b);
    T_CHECK(!b.p && !b.len);
}

static void arenas(void)
{
    struct arena a = {0};
    for (int round = 0; round < 3; round++) {
        unsigned char *last = NULL;
        for (size_t n = 0; n < 3000; n += 7) {
            unsigned char *p = arena_alloc(&a, n);
            T_INT((uintptr_t)p % 16, 0);
            for (size_t i = 0; i < n; i++) if (p[i]) { t_bad++; break; }
            memset(p, 0xff, n);                    /* must be zero again after the reset, and not overlap */
            if (last && n > 7) T_INT(last[n - 8], 0xff);
            last = p;
        }
        arena_reset(&a);
    }
    char *s = arena_str(&a, "abcdef", 3);
    T_STR(s, "abc");
    T_CHECK(!memcmp(arena_dup(&a, "xyz", 3), "xyz", 3));
    memset(arena_alloc(&a, 5 << 20), 1, 5 << 20);
    T_STR(s, "abc");
    arena_free(&a);
}

/* ---- random numbers ---- */

static void philox(void)                           /* the known answers that come with Random123 (kat_vectors) */
{
    static const struct { uint32_t k[2]; uint64_t a, b; uint32_t want[4]; } t[] = {
        { { 0, 0 }, 0, 0, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
        { { 0xffffffff, 0xffffffff }, UINT64_MAX, UINT64_MAX, { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
        { { 0xa4093822, 0x299f31d0 }, 0x85a308d3243f6a88, 0x0370734413198a2e, { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } } };
    for (int i = 0; i < 3; i++) {
        struct rng_key k = { { t[i].k[0], t[i].k[1] } };
        uint32_t o[4];
        rng_block(k, t[i].a, t[i].b, o);
        T_CHECK(!memcmp(o, t[i].want, sizeof o));
    }
}

static void draws(void)
{
    struct rng_key k = rng_key(1, "id", 2);
    T_CHECK(memcmp(&k, &(struct rng_key){ { rng_key(2, "id", 2).k[0], rng_key(2, "id", 2).k[1] } }, sizeof k));
    double sum = 0, sum2 = 0, u = 0;
    int count[10] = {0};
    enum { N = 200000 };
    for (uint64_t i = 0; i < N; i++) {
        double x = (double)rng_normal(k, 0, i);
        sum += x;
        sum2 += x * x;
        float f = rng_uniform(k, 1, i);
        double d = rng_uniform53(k, 2, i);
        if (f < 0 || f >= 1 || d < 0 || d >= 1) t_bad++;
        u += d;
        count[rng_below(k, 3, i, 10)]++;
    }
    /* standard errors: mean of normals 0.0022, their variance 0.0032, mean of uniforms 0.00065, a tenth 134; five of each */
    T_NEAR(sum / N, 0, 0.011);
    T_NEAR(sum2 / N, 1, 0.016);
    T_NEAR(u / N, 0.5, 0.0033);
    for (int i = 0; i < 10; i++) T_NEAR(count[i], N / 10, 670);
}

static void shuffles(void)
{
    int v[50], seen[50] = {0}, moved = 0;
    struct rng a = rng_new(3, "x"), b = rng_new(3, "x"), c = rng_new(3, "y");
    for (int i = 0; i < 50; i++) v[i] = i;
    rng_shuffle(&a, v, 50, sizeof *v);
    for (int i = 0; i < 50; i++) { seen[v[i]]++; moved += v[i] != i; }
    for (int i = 0; i < 50; i++) T_INT(seen[i], 1);
    T_CHECK(moved > 30);
    double x = rng_next(&b);
    T_CHECK(x != rng_next(&c));
    int first[3] = {0};                            /* every one of three comes first about as often */
    for (int i = 0; i < 30000; i++) {
        int w[3] = { 0, 1, 2 };
        rng_shuffle(&b, w, 3, sizeof *w);
        first[w[0]]++;
    }
    for (int i = 0; i < 3; i++) T_NEAR(first[i], 10000, 410);     /* five standard deviations */
    rng_shuffle(&b, v, 0, sizeof *v);
}

static void digests(void)
{
    char one[HASH_HEX], two[HASH_HEX];
    hash_hex("", 0, one);
    T_STR(one, "99aa06d3014798d86001c324468d497f");      /* XXH3-128 of nothing, as xxhsum -H2 prints it */
    hash_hex("abcdef", 6, one);
    struct hash *h = hash_new();
    hash_add(h, "abc", 3);
    hash_add(h, "def", 3);
    hash_end(h, two);
    T_STR(two, one);
    T_CHECK(hash64("a", 1, 0) != hash64("a", 1, 1));
}

/* ---- threads ---- */

static atomic_int hits[1000];
static void hit(void *arg, int i, int worker)
{
    if (worker < 0 || worker >= *(int *)arg) abort();
    atomic_fetch_add(&hits[i], 1);
}

static void loops(void)
{
    for (int threads = 1; threads <= 4; threads++) {
        struct par *p = threads == 1 ? NULL : par_new(threads);
        T_INT(par_threads(p), threads);
        for (int i = 0; i < 1000; i++) atomic_store(&hits[i], 0);
        for (int n = 0; n <= 1000; n += 8) par_for(p, n, hit, &threads);
        for (int i = 0; i < 1000; i++) T_INT(atomic_load(&hits[i]), 125 - i / 8);
        par_free(p);
    }
    T_CHECK(par_cpus() >= 1);
}

struct pipe_test {
    int n, next, written, dropped, freed;
    int bad_read, bad_work, bad_write;             /* the item that fails there; -1: none */
    bool order;
    atomic_int worked;
};

static int pipe_read(void *arg, void **item)
{
    struct pipe_test *t = arg;
    if (t->next == t->bad_read) return fail("read %d", t->next);
    if (t->next == t->n) return 0;
    int *v = mem_alloc(sizeof *v);
    *v = t->next++;
    *item = v;
    return 1;
}

static int pipe_work(void *arg, void *item)
{
    struct pipe_test *t = arg;
    int v = *(int *)item;
    for (volatile int i = 0; i < (v * 7919) % 3000; i++) {}        /* items end out of order */
    atomic_fetch_add(&t->worked, 1);
    return v == t->bad_work ? fail_kind(ERR_DEVICE, "work %d", v) : 0;
}

static int pipe_write(void *arg, void *item)
{
    struct pipe_test *t = arg;
    int v = *(int *)item;
    free(item);
    t->freed++;
    if (v == t->bad_write) return fail("write %d", v);
    if (v != t->written) t->order = false;
    t->written++;
    return 0;
}

static void pipe_drop(void *arg, void *item)
{
    struct pipe_test *t = arg;
    free(item);
    t->freed++;
    t->dropped++;
}

static int run_pipe(struct pipe_test *t, int threads)
{
    const struct par_pipe p = { t, pipe_read, pipe_work, pipe_write, pipe_drop };
    t->order = true;
    int r = par_pipe(threads, &p);
    T_CHECK(t->order);
    T_INT(t->freed, t->next);                      /* every item read was written or dropped */
    return r;
}

static void pipelines(void)
{
    for (int threads = 1; threads <= 4; threads++) {
        struct pipe_test t = { .n = 500, .bad_read = -1, .bad_work = -1, .bad_write = -1 };
        T_OK(run_pipe(&t, threads));
        T_INT(t.written, 500);
        T_INT(t.dropped, 0);
        struct pipe_test none = { .bad_read = -1, .bad_work = -1, .bad_write = -1 };
        T_OK(run_pipe(&none, threads));
    }
}

static void pipeline_failures(void)
{
    for (int threads = 1; threads <= 4; threads++)
        for (int k = 0; k < 60; k += 7) {
            struct pipe_test r = { .n = 60, .bad_read = k, .bad_work = -1, .bad_write = -1 };
            T_FAIL(run_pipe(&r, threads), "read");
            T_INT(r.written, k);                   /* what came before the failure was written, nothing behind it */
            struct pipe_test w = { .n = 60, .bad_read = 58, .bad_work = k, .bad_write = 59 };
            T_FAIL(run_pipe(&w, threads), "work");
            T_INT(err_kind(), ERR_DEVICE);
            T_INT(w.written, k);
            struct pipe_test o = { .n = 60, .bad_read = -1, .bad_work = k + 1, .bad_write = k };
            T_FAIL(run_pipe(&o, threads), "write");      /* the first in stream order is the one reported */
            T_INT(o.written, k);
            T_CHECK(o.next <= k + 2 + 8 * threads);      /* and no more is read than is in flight */
        }
}

/* ---- options ---- */

static struct { bool flag, other; int n, choice; uint64_t u; double f; const char *s; struct opt_list list; } set;
static const struct opt opts[] = {
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "Things" },
    { 'a', "all", NULL, OPT_FLAG, &set.flag, 0, 0, "a flag" },
    { 'b', NULL, NULL, OPT_FLAG, &set.other, 0, 0, "another" },
    { 'n', "number", "N", OPT_INT, &set.n, 1, 10, "how many" },
    { 0, "wide", "N", OPT_U64, &set.u, 0, 0, "64 bits" },
    { 'f', NULL, "X", OPT_FLOAT, &set.f, 0, 1, "a share" },
    { 's', "string", "S", OPT_STR, &set.s, 0, 0, "text" },
    { 0, "pick", "one|two|three", OPT_CHOICE, &set.choice, 0, 0, "which" },
    { 'l', NULL, "S", OPT_LIST, &set.list, 0, 0, "several\nlines" },
    OPT_END };

static int parse(const char *line)                 /* words apart by single spaces */
{
    static char copy[256];
    char *argv[64];
    int argc = 0;
    snprintf(copy, sizeof copy, "prog %s", line);
    for (char *w = strtok(copy, " "); w; w = strtok(NULL, " ")) argv[argc++] = w;
    argv[argc] = NULL;
    memset(&set, 0, sizeof set);
    return opt_parse(opts, argc, argv);
}

static void options(void)
{
    T_INT(parse("-abn3 --wide=18446744073709551615 -f 0.5 -s x --pick two -l p -l q rest -a"), 13);
    T_CHECK(set.flag && set.other && set.n == 3 && set.u == UINT64_MAX && set.f == 0.5 && set.choice == 1);
    T_STR(set.s, "x");
    T_CHECK(set.list.n == 2 && !strcmp(set.list.v[1], "q"));
    T_INT(parse("--number 7 -- -a"), 4);
    T_CHECK(set.n == 7 && !set.flag);
    T_INT(parse("-a - x"), 2);                     /* "-" is an operand */
    T_INT(parse(""), 1);
}

static void wrong_options(void)
{
    T_FAIL(parse("--nothing"), "unknown option --nothing");
    T_INT(err_kind(), ERR_USAGE);
    T_FAIL(parse("-x"), "unknown option -x");
    T_FAIL(parse("-n 0"), "--number: '0' is not within 1 and 10");
    T_FAIL(parse("-n 11"), "within");
    T_FAIL(parse("-n 3x"), "whole number");
    T_FAIL(parse("-n 99999999999999999999"), "whole number");
    T_FAIL(parse("-n"), "needs a value");
    T_FAIL(parse("--number"), "needs a value");
    T_FAIL(parse("--all=1"), "takes no value");
    T_FAIL(parse("--wide -1"), "whole number >= 0");
    T_FAIL(parse("-f nan"), "a number");
    T_FAIL(parse("-f 1.5"), "within");
    T_FAIL(parse("--pick four"), "one of one|two|three");
    T_FAIL(parse("--pick tw"), "one of");
    T_FAIL(parse("--num 3"), "unknown option");    /* no abbreviations: they break when options are added */
}

static void help_text(void)
{
    char *text = NULL;
    size_t n;
    FILE *f = open_memstream(&text, &n);
    T_INT(parse("-n 4 --pick three -s word"), 7);
    opt_help(opts, f);
    fclose(f);
    static const char *const want[] = { "\nThings:\n", "-a, --all ", "-n, --number N ", "how many [4]", "[three]", "[word]", "a share [0]" };
    for (int i = 0; i < countof(want); i++) if (!strstr(text, want[i])) { t_bad++; printf("# no \"%s\" in\n%s", want[i], text); }
    free(text);
}

/* ---- files ---- */

static char root[] = "/tmp/cos-t_base-XXXXXX";

static char *under(const char *name) { return file_join(root, name); }

static void files(void)
{
    char *p = under("f"), *q = under("g");
    struct buf b = {0};
    T_OK(file_write(p, "hello", 5));
    T_OK(file_write(p, "other", 5));               /* replaces */
    T_OK(file_read(p, 5, &b));
    T_STR(b.p, "other");
    T_FAIL(file_read(p, 4, &b), "larger than 4 bytes");
    T_FAIL(file_read(q, 4, &b), "No such file");
    char *pipe_name = under("pipe"), fd_name[32];
    T_CHECK(mkfifo(pipe_name, 0600) == 0);
    T_FAIL(file_read(pipe_name, 4, &b), "a pipe");          /* nobody will ever write to it */
    unlink(pipe_name);
    free(pipe_name);
    int end[2];
    T_CHECK(pipe(end) == 0 && write(end[1], "four", 4) == 4 && close(end[1]) == 0);
    snprintf(fd_name, sizeof fd_name, "/dev/fd/%d", end[0]);
    buf_clear(&b);
    T_OK(file_read(fd_name, 4, &b));
    T_STR(b.p, "four");
    close(end[0]);
    T_OK(file_copy(p, q));
    struct file_map m;
    T_OK(file_map(q, &m));
    T_CHECK(m.n == 5 && !memcmp(m.p, "other", 5));
    file_unmap(&m);
    T_FAIL(file_map(root, &m), "not a regular file");
    T_FAIL(file_write("/no-such-folder/x", "", 0), "No such file");
    T_CHECK(file_exists(p) && file_is_dir(root) && !file_is_dir(p));
    char *j = file_join("a/", "b");
    T_STR(j, "a/b");
    buf_free(&b);
    free(p);
    free(q);
    free(j);
}

static int put(const char *dir, const char *name, const char *text)
{
    char *p = file_join(dir, name);
    int r = file_write(p, text, strlen(text));
    free(p);
    return r;
}

static bool there(const char *dir, const char *name)
{
    char *p = file_join(dir, name);
    bool e = file_exists(p);
    free(p);
    return e;
}

static void folders(void)
{
    char *dir = under("out/");
    struct dir_tmp d;
    T_OK(dir_begin(&d, dir));
    T_OK(put(d.tmp, "one", "1"));
    T_CHECK(!file_exists(dir));                    /* nothing under the name before the commit */
    T_OK(dir_commit(&d));
    T_CHECK(there(dir, "one"));
    T_OK(dir_begin(&d, dir));                      /* replaces a folder that is not empty */
    T_OK(put(d.tmp, "two", "2"));
    char *tmp = mem_str(d.tmp);
    T_CHECK(there(dir, "one"));
    T_OK(dir_commit(&d));
    T_CHECK(there(dir, "two") && !there(dir, "one") && !file_exists(tmp));
    T_OK(dir_begin(&d, dir));
    T_OK(put(d.tmp, "three", "3"));
    dir_abandon(&d);
    T_CHECK(there(dir, "two") && !there(dir, "three") && !file_exists(tmp));
    char *deep = under("x/y/z");
    T_OK(dir_make(deep));
    T_OK(dir_make(deep));
    T_CHECK(file_is_dir(deep));
    T_OK(put(deep, "f", ""));
    char *top = under("x");
    T_OK(dir_remove(top));
    T_CHECK(!file_exists(top));
    T_OK(dir_remove(top));
    char *file = under("plain");
    T_OK(file_write(file, "", 0));
    T_FAIL(dir_make(file), "not a folder");
    free(dir);
    free(tmp);
    free(deep);
    free(top);
    free(file);
}

int main(void)
{
    if (!mkdtemp(root)) return 1;
    T_RUN(errors);
    T_RUN(buffers);
    T_RUN(arenas);
    T_RUN(philox);
    T_RUN(draws);
    T_RUN(shuffles);
    T_RUN(digests);
    T_RUN(loops);
    T_RUN(pipelines);
    T_RUN(pipeline_failures);
    T_RUN(options);
    T_RUN(wrong_options);
    T_RUN(help_text);
    T_RUN(files);
    T_RUN(folders);
    if (dir_remove(root)) return 1;
    return t_end();
}
