/* SPDX-License-Identifier: Apache-2.0
 * Training of a real (tiny) model on real records with images: the loss falls, accumulation and sharing change nothing
 * but rounding, a stopped run goes on to the same bytes. Runs in the repository's root.
 */
#include "train/loader.h"
#include "train/state.h"
#include "train_world.h"

static struct sft by_token, by_example, answer_only;

static void test_accumulation(void)
{
    compare_ways(&by_token.base, 1, false, false);
    compare_ways(&by_example.base, 300, false, false);
}

static void test_sharing(void)
{
    compare_ways(&by_token.base, 1 << 20, true, true);
    compare_ways(&by_example.base, 300, true, true);
}

static void test_answer_only(void)
{
    struct dataset *ds = load(&answer_only.base, 1);
    const struct train_seq *s = &dataset_at(ds, 0)->seq[0];
    struct buf text = { 0 };
    tok_decode(io->tok, s->id + s->prompt, (size_t)(s->n - s->prompt), 0, &text);
    T_STR(text.p, "<|answer_start|>red<|answer_end|><|im_end|>");
    buf_free(&text);
    dataset_free(ds);
    ds = load(&by_token.base, 1);
    s = &dataset_at(ds, 0)->seq[0];
    tok_decode(io->tok, s->id + s->prompt, (size_t)(s->n - s->prompt), 0, &text);
    T_CHECK(text.p && !strncmp(text.p, "<|reasoning_start|>\n<|reasoning_step_start|>\n<|reasoning_step_name_start|>Look<", 78));
    T_CHECK(text.p && strstr(text.p, "Answer:\n<|answer_start|>red<|answer_end|><|im_end|>"));
    buf_free(&text);
    dataset_free(ds);
}

/* ---- batches ---- */

static void test_images_once(void)
{
    struct dataset *ds = load(&by_token.base, RECORDS);
    T_INT(dataset_sets(ds), IMAGES);
    struct batch b = { 0 };
    struct batch_cfg c = { .ds = ds, .io = io, .share = false };
    int all[RECORDS];
    for (int i = 0; i < RECORDS; i++) all[i] = i;
    T_OK(batch_build(&b, &c, all, RECORDS, 0));
    int per = cfg_tokens_per_tile(io->cfg);
    T_INT(b.in.nimage, IMAGES);
    T_INT(b.in.nimg, RECORDS * per);
    for (int i = 0; i < b.in.nimg; i++) T_INT(b.in.id[b.in.img_row[i]], tok_id(io->tok, io->chat->img_token));
    for (int i = 0; i < RECORDS; i++) T_INT(b.in.img_src[i * per], i % IMAGES * per);
    batch_free(&b);
    dataset_free(ds);
}

static void test_jitter(void)
{
    struct dataset *ds = load(&by_token.base, 1);
    struct batch plain = { 0 }, a = { 0 }, b = { 0 }, e = { 0 };
    struct batch_cfg c = { .ds = ds, .io = io }, j = { .ds = ds, .io = io, .jitter = 5, .seed = 3 };
    int one = 0, moved = 0;
    size_t bytes = 3 * SIDE * SIDE * sizeof(float);
    T_OK(batch_build(&plain, &c, &one, 1, 0));
    T_OK(batch_build(&a, &j, &one, 1, 2));
    T_OK(batch_build(&b, &j, &one, 1, 2));
    T_CHECK(!memcmp(a.pixels, b.pixels, bytes));
    for (int step = 0; step < 6; step++) {
        T_OK(batch_build(&e, &j, &one, 1, batch_when(0, step)));
        moved += memcmp(plain.pixels, e.pixels, bytes) != 0;
        int found = 0;                         /* it is the image, moved by at most 5 each way, its edge repeated */
        for (int dy = -5; dy <= 5; dy++) for (int dx = -5; dx <= 5; dx++) {
            int same = 1;
            for (int i = 0; i < SIDE * SIDE && same; i++) {
                int y = mem_min(mem_max(i / SIDE - dy, 0), SIDE - 1), x = mem_min(mem_max(i % SIDE - dx, 0), SIDE - 1);
                same = e.pixels[i] == plain.pixels[y * SIDE + x];
            }
            found += same;
        }
        T_CHECK(found >= 1);
    }
    T_CHECK(moved >= 4);
    batch_free(&plain), batch_free(&a), batch_free(&b), batch_free(&e);
    dataset_free(ds);
}

static void test_loader(void)
{
    struct dataset *ds = load(&by_token.base, RECORDS);
    struct batch_cfg c = { .ds = ds, .io = io, .share = true, .jitter = 2 };
    struct plan_cfg pc = { .batch = 4, .micro_tokens = 150, .group = 2, .share = true };
    struct plan p;
    struct batch want = { 0 }, *got;
    plan_make(&p, ds, &pc, 3);
    T_CHECK(p.nmicro > 4);
    for (int threads = 1; threads <= 3; threads++) {
        struct loader *l = loader_new(&c, threads);
        for (int first = 0; first < 3; first += 2) {
            T_OK(loader_start(l, &p, first));
            int i = first, s;
            for (; (s = loader_next(l, &got)) > 0; i++) {
                T_OK(batch_build(&want, &c, p.order + p.micro[i].first, p.micro[i].n, batch_when(3, p.micro[i].step)));
                T_INT(got->in.ntok, want.in.ntok);
                T_CHECK(!memcmp(got->in.id, want.in.id, (size_t)want.in.ntok * sizeof(int)));
                T_INT(got->in.nimage, want.in.nimage);
                T_CHECK(!memcmp(got->pixels, want.pixels, (size_t)want.in.nimage * 3 * SIDE * SIDE * sizeof(float)));
            }
            T_INT(s, 0);
            T_INT(i, p.nmicro);
        }
        T_OK(loader_start(l, &p, 0));          /* stopped in the middle */
        T_INT(loader_next(l, &got), 1);
        loader_free(l);
    }
    batch_free(&want);
    plan_free(&p);
    dataset_free(ds);
}

/* ---- runs ---- */

static int run(const struct train_cfg *c, struct seen *s)
{
    struct dataset *ds = load(&by_token.base, RECORDS);
    struct model *m = open_model();
    struct train_job job = { c, m, io, ds, &by_token.base, { s, see, stop, NULL } };
    int r = train_run(&job);
    model_free(m);
    dataset_free(ds);
    return r;
}

static void test_overfits(void)
{
    struct train_cfg c = quick();
    struct seen s = { 0 };
    c.batch = RECORDS;
    c.steps = 90;
    c.jitter = 0;
    T_OK(run(&c, &s));
    printf("# loss %.4f -> %.4f\n", s.first, s.last);
    T_CHECK(s.first > 4);
    T_CHECK(s.last < 0.1);                     /* 12 responses of some 50 tokens, by heart */
    T_INT(s.steps, 90);
    T_OK(dir_remove(out));
}

static void test_stopped_is_undisturbed(void)
{
    struct train_cfg c = quick();
    struct seen s = { 0 };
    char *state = mem_fmt("%s.state", out);
    c.threads = 2;
    T_OK(run(&c, &s));                         /* 2 epochs of 3 steps */
    T_INT(s.steps, 6);
    char *want = weights(out);
    T_OK(dir_remove(out));
    c.threads = 1;
    for (int at = 1; at < 6; at++) {
        s = (struct seen){ .stop_at = at };
        c.resume = at > 1;                     /* with nothing to go on with, --resume begins */
        T_FAIL(run(&c, &s), "--resume goes on");
        T_CHECK(!file_exists(out));
        T_CHECK(file_exists(state));
        c.resume = true;
        s = (struct seen){ .stop_at = at == 1 ? 2 : 0 };   /* stopped twice */
        int r = run(&c, &s);
        if (at == 1) {
            T_INT(r, -1);
            s = (struct seen){ 0 };
            T_OK(run(&c, &s));
        } else T_INT(r, 0);
        char *got = weights(out);
        T_STR(got, want);
        T_CHECK(!file_exists(state));
        free(got);
        T_OK(dir_remove(out));
    }
    free(want);
    free(state);
}

static void test_refuses(void)
{
    struct train_cfg c = quick();
    struct seen s = { .stop_at = 2 };
    char *state = mem_fmt("%s.state", out);
    T_FAIL(run(&c, &s), "stopped behind step 2 of 6");
    T_FAIL(run(&c, &s), "holds a run that was stopped");
    c.resume = true;
    c.lr = 2e-2;
    T_FAIL(run(&c, &s), "lr was 0.01, and is now 0.02");
    c = quick();
    c.resume = true;
    s = (struct seen){ 0 };
    T_OK(run(&c, &s));
    T_INT(s.steps, 4);
    T_INT(run(&c, &s), 1);                     /* complete: nothing to do */
    T_INT(s.steps, 4);
    c.epochs = 3;
    T_FAIL(run(&c, &s), "epochs was 2, and is now 3");
    c.resume = false;
    T_FAIL(run(&c, &s), "exists");
    T_OK(dir_remove(out));
    T_OK(dir_make(out));
    c.resume = true;
    T_FAIL(run(&c, &s), "no training made it");
    c.resume = false;
    c.force = true;
    c.epochs = 1;
    T_OK(run(&c, &s));
    T_OK(dir_remove(out));
    for (int i = 0; i < PARTS; i++) c.frozen[i] = true;
    T_FAIL(run(&c, &s), "nothing to train");
    free(state);
}

static void test_frozen_parts_stay(void)
{
    struct train_cfg c = quick();
    struct seen s = { 0 };
    c.frozen[PART_VISION] = c.frozen[PART_EMBED] = true;
    c.epochs = 1;
    struct dataset *ds = load(&by_token.base, RECORDS);
    struct model *m = open_model(), *was = open_model();
    struct train_job job = { &c, m, io, ds, &by_token.base, { &s, see, NULL, NULL } };
    T_OK(train_run(&job));
    struct params *a = model_params(m), *b = model_params(was);
    for (int i = 0; i < a->n; i++) {
        bool same = !memcmp(a->v[i].master, b->v[i].master, a->v[i].n * sizeof(float));
        bool frozen = a->v[i].part == PART_VISION || a->v[i].part == PART_EMBED;
        if (same != frozen) printf("# %s\n", a->v[i].name), t_bad++;
    }
    model_free(m);
    model_free(was);
    dataset_free(ds);
    T_OK(dir_remove(out));
}

static void test_not_finite(void)
{
    struct train_cfg c = quick();
    struct seen s = { 0 };
    struct dataset *ds = load(&by_token.base, RECORDS);
    struct model *m = open_model();
    struct train_job job = { &c, m, io, ds, &by_token.base, { &s, see, NULL, NULL } };
    float bad = NAN;
    struct params *ps = model_params(m);
    ops->upload(ops, ps->v[ps->n - 1].w.p, &bad, sizeof bad);
    T_FAIL(train_run(&job), "step 1: the loss is not finite");
    T_INT(s.steps, 0);
    T_CHECK(!file_exists(out));
    model_free(m);
    dataset_free(ds);
}

static void test_log(void)
{
    struct train_cfg c = quick();
    struct seen s = { .stop_at = 4 };
    struct buf b = { 0 };
    char *path = file_join(root, "log.tsv");
    c.log = path;
    c.save_every = 3;
    T_INT(run(&c, &s), -1);
    FILE *f = fopen(path, "a");                /* as if killed while a later step was logged */
    fputs("5\t9\t9\t9\n6\t1", f);
    fclose(f);
    c.resume = true;
    s = (struct seen){ 0 };
    T_OK(run(&c, &s));
    T_OK(file_read(path, 1 << 20, &b));
    int lines = 0, step = 0;
    for (char *p = b.p; p && *p; p = strchr(p, '\n') + 1, lines++)
        if (lines) T_INT(atoi(p), ++step);
    T_INT(lines, 7);
    T_OK(dir_remove(out));
    c.resume = false;
    c.log = "/dev/full";
    T_FAIL(run(&c, &s), "/dev/full");
    T_CHECK(!file_exists(out));
    buf_free(&b);
    free(path);
}

/* ---- an objective with two sequences an example: what preference learning needs of the trainer ---- */

static int pair_encode(const struct objective *o, const struct model_io *x, const struct record *r, struct draft *d, const char **why)
{
    (void)o;
    if (draft_begin(d, x, r, why)) return -1;
    uint32_t chosen[] = { 65, 66, 67 }, rejected[] = { 70, 71 };
    draft_response(d, x, chosen, 3);
    draft_response(d, x, rejected, 2);
    return 0;
}

static double pair_weight(const struct objective *o, const struct example *x) { (void)o, (void)x; return 1; }

/* -log sigmoid(log p(chosen) - log p(rejected)), metric: how often chosen is ahead */
static int pair_loss(const struct objective *o, const struct train_pass *p, struct train_sum *sum)
{
    (void)o;
    const struct batch *b = p->b;
    if (pass_logprob(p, b->target, b->lp, NULL)) return -1;
    for (int i = 0; i < b->in.ntok; i++) b->dlp[i] = 0;
    for (int i = 0; i < b->nseq; i += 2) {
        double lp[2] = { 0, 0 };
        for (int k = 0; k < 2; k++) {
            const struct train_seq *t = &b->seq[i + k].ex->seq[k];
            for (int j = t->prompt - 1; j < t->n - 1; j++) lp[k] += (double)b->lp[batch_row(&b->seq[i + k], j)];
        }
        double d = lp[0] - lp[1], g = -1 / (1 + exp(d)) / p->total;
        for (int k = 0; k < 2; k++) {
            const struct train_seq *t = &b->seq[i + k].ex->seq[k];
            for (int j = t->prompt - 1; j < t->n - 1; j++) b->dlp[batch_row(&b->seq[i + k], j)] = (float)(k ? -g : g);
        }
        sum->loss += log1p(exp(-d)) / p->total;
        sum->metric[0] += d > 0;
        sum->count[0]++;
    }
    return pass_logprob(p, b->target, b->lp, b->dlp);
}

static void test_pairs(void)
{
    const struct objective pairs = { .name = "pairs", .metric = { "ahead" }, .encode = pair_encode, .weight = pair_weight, .loss = pair_loss };
    compare_ways(&pairs, 1, true, true);
    struct train_cfg c = quick();
    struct seen s = { 0 };
    struct dataset *ds = load(&pairs, RECORDS);
    struct model *m = open_model();
    struct train_job job = { &c, m, io, ds, &pairs, { &s, see, NULL, NULL } };
    char *path = file_join(root, "pairs.tsv");
    struct buf b = { 0 };
    c.log = path;
    c.epochs = 5;
    T_OK(train_run(&job));
    T_CHECK(s.last < s.first / 4);
    T_OK(file_read(path, 1 << 20, &b));
    T_CHECK(strstr(b.p, "tokens_per_s\tahead\n") != NULL);
    T_CHECK(b.len > 3 && !strcmp(b.p + b.len - 3, "\t1\n"));
    buf_free(&b);
    free(path);
    model_free(m);
    dataset_free(ds);
    T_OK(dir_remove(out));
}

int main(void)
{
    objective_sft(&by_token, SFT_STEPS, false);
    objective_sft(&by_example, SFT_STEPS, true);
    objective_sft(&answer_only, SFT_ANSWER, false);
    T_RUN(make_world);
    T_RUN(test_answer_only);
    T_RUN(test_images_once);
    T_RUN(test_jitter);
    T_RUN(test_loader);
    T_RUN(test_accumulation);
    T_RUN(test_sharing);
    T_RUN(test_overfits);
    T_RUN(test_stopped_is_undisturbed);
    T_RUN(test_refuses);
    T_RUN(test_frozen_parts_stay);
    T_RUN(test_not_finite);
    T_RUN(test_log);
    T_RUN(test_pairs);
    end_world();
    return t_end();
}
