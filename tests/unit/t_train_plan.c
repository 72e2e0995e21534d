/* SPDX-License-Identifier: Apache-2.0
 * The order of an epoch, its cut into steps and micro-batches, and the layout of rows, on examples without pixels.
 */
#include "train/batch.h"
#include "train/plan.h"

#include <stdlib.h>
#include "t.h"

enum { PROMPT = 20, IMAGE_AT = 4 };

/* An example of nseq sequences with a common prompt; set < 0: no images. The prompt is equal within a set but for its
 * last two tokens, which hold the example's number. */
static void add(struct dataset *ds, int set, int nseq, int response)
{
    int number = dataset_count(ds);
    struct draft d = { .ex = { .number = (uint64_t)number, .set = -1, .nseq = nseq } };
    for (int i = 0; i < nseq; i++) {
        struct train_seq *s = &d.ex.seq[i];
        s->prompt = PROMPT;
        s->n = PROMPT + response + i;
        s->id = mem_array((size_t)s->n, sizeof *s->id);
        for (int j = 0; j < s->n; j++) s->id[j] = (uint32_t)(j < PROMPT - 2 ? 100 + j + 1000 * set : 7 * j + number + 10 * i * (j >= PROMPT));
    }
    if (set >= 0) {
        d.ex.nplace = 1;
        d.ex.place = mem_array(1, sizeof *d.ex.place);
        *d.ex.place = (struct train_place){ .pos = IMAGE_AT };        /* of no tiles: nothing to decode */
        d.set.digest[0] = (uint64_t)set;
        buf_str(&d.set.packed, "x");
    }
    T_OK(dataset_add(ds, &d));
    draft_free(&d);
}

static struct dataset *make(int n, int sets)
{
    struct dataset *ds = dataset_new("/tmp/t_train_plan");
    for (int i = 0; i < n; i++) add(ds, i % sets, 1, 5 + i % 3);
    return ds;
}

static void check_whole(const struct plan *p, int n)
{
    char *seen = calloc((size_t)n, 1);
    for (int i = 0; i < p->n; i++) seen[p->order[i]]++;
    for (int i = 0; i < n; i++) T_INT(seen[i], 1);
    free(seen);
    int at = 0, step = 0;
    for (int i = 0; i < p->nmicro; i++) {
        T_INT(p->micro[i].first, at);
        T_CHECK(p->micro[i].n > 0);
        T_CHECK(p->micro[i].step == step || p->micro[i].step == step + 1);
        step = p->micro[i].step;
        at += p->micro[i].n;
    }
    T_INT(at, n);
    T_INT(step, p->steps - 1);
}

static void test_order(void)
{
    struct dataset *ds = make(103, 10);
    struct plan_cfg c = { .batch = 16, .micro_tokens = 100, .group = 4, .share = true, .seed = 5 };
    struct plan a, b, e1, s6;
    plan_make(&a, ds, &c, 0);
    plan_make(&b, ds, &c, 0);
    plan_make(&e1, ds, &c, 1);
    c.seed = 6;
    plan_make(&s6, ds, &c, 0);
    check_whole(&a, 103);
    check_whole(&e1, 103);
    T_INT(a.steps, 7);
    T_CHECK(!memcmp(a.order, b.order, 103 * sizeof *a.order));
    T_CHECK(memcmp(a.order, e1.order, 103 * sizeof *a.order));
    T_CHECK(memcmp(a.order, s6.order, 103 * sizeof *a.order));
    T_INT(plan_first(&a, 0), 0);
    T_INT(a.micro[plan_first(&a, 3)].step, 3);
    T_INT(a.micro[plan_first(&a, 3) - 1].step, 2);
    plan_free(&a), plan_free(&b), plan_free(&e1), plan_free(&s6);
    dataset_free(ds);
}

static void test_groups(void)
{
    struct dataset *ds = make(103, 10);
    struct plan_cfg c = { .batch = 1000, .micro_tokens = 1 << 20, .group = 4, .share = true };
    struct plan p;
    plan_make(&p, ds, &c, 0);
    int runs = 1;
    for (int i = 1; i < p.n; i++) runs += dataset_at(ds, p.order[i])->set != dataset_at(ds, p.order[i - 1])->set;
    T_CHECK(runs <= 30);                       /* 10 images of 10 or 11 examples: 3 groups each; neighbours may be of one image */
    T_CHECK(runs > 15);
    plan_free(&p);
    c.group = 1;
    plan_make(&p, ds, &c, 0);
    for (runs = 1; runs < p.n; runs++) if (dataset_at(ds, p.order[runs])->set == dataset_at(ds, p.order[runs - 1])->set) break;
    check_whole(&p, 103);
    plan_free(&p);
    dataset_free(ds);
}

static void test_micro_batches(void)
{
    struct dataset *ds = make(20, 20);
    add(ds, -1, 1, 500);                       /* longer than a micro-batch */
    struct plan_cfg c = { .batch = 7, .micro_tokens = 60, .group = 4, .share = true };
    struct plan p;
    plan_make(&p, ds, &c, 0);
    check_whole(&p, 21);
    T_INT(p.steps, 3);
    for (int i = 0; i < p.nmicro; i++) {
        T_CHECK(p.micro[i].rows <= 60 || (p.micro[i].n == 1 && p.micro[i].rows == 520));
        T_CHECK(p.micro[i].n <= 2);            /* 25 to 27 tokens each */
    }
    plan_free(&p);
    c.micro_tokens = 1;                        /* every example alone */
    plan_make(&p, ds, &c, 0);
    T_INT(p.nmicro, 21);
    plan_free(&p);
    dataset_free(ds);
}

/* Every token of every sequence has a row, its own or a shared one, with its id, its position and its target. */
static void check_layout(const struct batch *b, const int *which, int n, const struct dataset *ds)
{
    int k = 0, rows = 0;
    for (int i = 0; i < n; i++) {
        const struct example *x = dataset_at(ds, which[i]);
        for (int q = 0; q < x->nseq; q++, k++) {
            const struct batch_seq *s = &b->seq[k];
            const struct train_seq *t = &x->seq[q];
            int at = 0;
            while (b->in.start[at] != s->row) at++;
            struct span pre = b->in.prefix[at];
            T_CHECK(s->ex == x && s->which == q);
            T_INT(pre.end - pre.begin, s->skip);
            T_INT(b->in.start[at + 1] - s->row, t->n - s->skip);
            for (int j = 0; j < t->n; j++) {
                int row = j < s->skip ? pre.begin + j : batch_row(s, j);
                T_INT(b->in.id[row], (int)t->id[j]);
                T_INT(b->in.pos[row], j);
                T_INT(b->target[row], j >= t->prompt - 1 && j + 1 < t->n ? (int)t->id[j + 1] : -1);
            }
            rows += t->n - s->skip;
        }
    }
    T_INT(k, b->nseq);
    T_CHECK(b->in.ntok >= rows);
    T_INT(b->in.start[b->in.nseq], b->in.ntok);
}

static void test_layout(void)
{
    struct dataset *ds = dataset_new("/tmp/t_train_plan");
    int set[] = { 0, 0, 0, -1, 1, -1, -1 }, nseq[] = { 1, 1, 2, 2, 1, 1, 1 };
    for (int i = 0; i < countof(set); i++) add(ds, set[i], nseq[i], 3 + i);
    struct batch b = { 0 };
    int all[] = { 0, 1, 2, 3, 4, 5, 6 };
    for (int share = 0; share < 2; share++) {
        struct batch_cfg c = { .ds = ds, .share = share };
        batch_layout(&b, &c, all, countof(all));
        check_layout(&b, all, countof(all), ds);
        T_INT(b.nseq, 9);
        T_INT(b.examples, 7);
        T_INT(b.in.nseq, 9 + (share ? 2 : 0));             /* a prefix for image 0, and one for the pair without image */
        T_INT(b.tokens - b.in.ntok, share ? 3 * (PROMPT - 2) + PROMPT - 1 : 0);
        batch_layout(&b, &c, all + 3, 1);          /* storage is used again */
        check_layout(&b, all + 3, 1, ds);
        struct plan p;
        plan_make(&p, ds, &(struct plan_cfg){ .batch = 7, .micro_tokens = 1 << 20, .group = 8, .share = share }, 0);
        batch_layout(&b, &c, p.order, p.n);
        T_INT(p.micro[0].rows, b.in.ntok);                 /* the plan counts what the batch lays out */
        plan_free(&p);
    }
    batch_free(&b);
    dataset_free(ds);
}

static void test_digest(void)
{
    char a[HASH_HEX], b[HASH_HEX], c[HASH_HEX];
    struct dataset *x = make(10, 3), *y = make(10, 3), *z = make(10, 4);
    dataset_digest(x, a);
    dataset_digest(y, b);
    dataset_digest(z, c);
    T_STR(a, b);
    T_CHECK(strcmp(a, c));
    T_INT(dataset_sets(x), 3);
    T_INT(dataset_longest(x), PROMPT + 7);
    dataset_free(x), dataset_free(y), dataset_free(z);
    T_CHECK(!dataset_new("/nonexistent/folder/x"));
}

int main(void)
{
    T_RUN(test_order);
    T_RUN(test_groups);
    T_RUN(test_micro_batches);
    T_RUN(test_layout);
    T_RUN(test_digest);
    return t_end();
}
