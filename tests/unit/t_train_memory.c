/* SPDX-License-Identifier: Apache-2.0
 * The account of memory: what measuring ops tell before a run (cos-update --plan, cos-generate --plan) is what the run
 * takes, within 10 %, on every device there is. Runs in the repository's root.
 */
#include "ops/device.h"
#include "search/engine.h"
#include "train_world.h"

static struct sft sft;

static struct train_cfg larger(void)
{
    struct train_cfg c = quick();
    c.micro_tokens = 600;
    c.jitter = 0;
    c.force = true;
    return c;
}

static size_t train_peak(enum device d, bool measure, bool recompute)
{
    struct ops *o = ops_open(d, 2);
    size_t before = usage_peak(o->usage);      /* what opening takes is no part of the claim */
    struct train_cfg c = larger();
    c.recompute = recompute;
    if (measure) o->measure(o);
    struct dataset *ds = load(&sft.base, RECORDS);
    struct model *m = model_load(base, o, DT_F32, MODEL_TRAIN);
    struct train_job job = { &c, m, io, ds, &sft.base, { 0 } };
    T_CHECK(m != NULL);
    if (measure) T_OK(train_measure(&job));
    else T_OK(train_run(&job));
    size_t peak = usage_peak(o->usage) - before;
    model_free(m);
    dataset_free(ds);
    o->close(o);
    return peak;
}

static void near_enough(const char *what, size_t said, size_t was)
{
    double off = (double)said / (double)was - 1;
    printf("# %s: %zu bytes said, %zu taken (%+.1f %%)\n", what, said, was, 100 * off);
    T_CHECK(fabs(off) < 0.1);
}

static void test_training(void)
{
    for (int recompute = 0; recompute < 2; recompute++) near_enough("training, cpu", train_peak(DEVICE_CPU, true, recompute), train_peak(DEVICE_CPU, false, recompute));
    near_enough("training, cuda", train_peak(DEVICE_CUDA, true, false), train_peak(DEVICE_CUDA, false, false));
}

/* Measuring takes no memory to speak of: a model of 40 GB of weights, gradients and moments. */
static void test_large(void)
{
    struct ops *o = ops_open(DEVICE_CPU, 1);
    struct model_cfg c;
    const char *json = "{\"model_type\": \"llama\", \"hidden_size\": 4096, \"num_hidden_layers\": 12, \"num_attention_heads\": 32,"
        "\"intermediate_size\": 11008, \"vocab_size\": 32000, \"max_position_embeddings\": 4096, \"eos_token_id\": 2}";
    T_OK(cfg_parse(json, strlen(json), "large", &c));
    o->measure(o);
    struct model *m = model_new(&c, 1, o, DT_F32, MODEL_TRAIN);
    T_CHECK(m != NULL);
    size_t n = 0;
    for (int i = 0; m && i < model_params(m)->n; i++) n += model_params(m)->v[i].n;
    near_enough("weights, gradients, moments", usage_peak(o->usage), 16 * n);
    model_free(m);
    cfg_free(&c);
    o->close(o);
}

/* ---- parts that are frozen ---- */

static size_t values_of(struct model *m, enum part part)
{
    const struct params *ps = model_params(m);
    size_t n = 0;
    for (int i = 0; i < ps->n; i++)
        if (ps->v[i].part == part) n += ps->v[i].n;
    return n;
}

/* Trains with a part frozen; the model knows of it from the start, or only the run does. */
static size_t frozen_run(enum part part, bool known, size_t *values)
{
    struct ops *o = ops_open(DEVICE_CPU, 2);
    size_t before = usage_peak(o->usage);
    struct train_cfg c = larger();
    c.frozen[part] = true;
    struct dataset *ds = load(&sft.base, RECORDS);
    struct model *m = model_load(base, o, DT_F32, MODEL_TRAIN | (known ? MODEL_FREEZE << part : 0));
    T_CHECK(m != NULL);
    *values = values_of(m, part);
    size_t taken = usage_peak(o->usage) - before;          /* by the model alone: what work takes depends on the threads */
    struct train_job job = { &c, m, io, ds, &sft.base, { 0 } };
    T_OK(train_run(&job));
    model_free(m);
    dataset_free(ds);
    o->close(o);
    return taken;
}

static void one_frozen(enum part part)
{
    size_t n;
    char *path = file_join(out, "model.safetensors");
    struct buf a = { 0 }, b = { 0 };
    size_t plain = frozen_run(part, false, &n);
    T_OK(file_read(path, 1 << 30, &a));
    size_t lean = frozen_run(part, true, &n);
    T_OK(file_read(path, 1 << 30, &b));
    free(path);
    /* a gradient and two moments less, and the weights themselves stay in the file */
    printf("# %s: %zu values frozen: %zu bytes, else %zu\n", part_name(part), n, lean, plain);
    T_CHECK(lean + 16 * n <= plain);
    T_CHECK(a.len > 0 && a.len == b.len && !memcmp(a.p, b.p, a.len));
    buf_free(&a);
    buf_free(&b);
}

static void test_frozen(void)
{
    one_frozen(PART_VISION);
    one_frozen(PART_DECODER);                  /* gradients go through it */
    one_frozen(PART_EMBED);
}

/* The base is f32: in bf16 a frozen weight keeps an exact master, so that what is saved is what was loaded. */
static void test_frozen_bf16(void)
{
    struct ops *o = ops_open(DEVICE_CPU, 1);
    struct model *m = model_load(base, o, DT_BF16, MODEL_TRAIN | MODEL_FREEZE << PART_VISION);
    T_CHECK(m != NULL);
    const struct params *ps = model_params(m);
    for (int i = 0; i < ps->n; i++) {
        const struct param *p = &ps->v[i];
        T_CHECK(p->frozen == (p->part == PART_VISION) && !p->grad == p->frozen && !p->m == p->frozen && !p->v == p->frozen);
        T_CHECK(p->w.t != DT_BF16 || p->master);
    }
    model_free(m);
    o->close(o);
}

/* ---- generating ---- */

static size_t generate_peak(enum device d, bool measure)
{
    struct ops *o = ops_open(d, 2);
    size_t before = usage_peak(o->usage);
    struct par *pool = par_new(2);
    if (measure) o->measure(o);
    struct model *m = model_load(base, o, DT_F32, 0);
    struct engine *e = engine_new(m, pool, &(struct engine_cfg){ .batch = 48, .kv_tokens = 40000, .prefill = 256 });
    struct tiles image = model_io_largest(io);
    if (measure) T_OK(engine_measure(e, &image));
    for (int i = 0; !measure && i < RECORDS; i++) {
        struct record *r = rec_new();
        const char *why;
        struct gen_request q = { .npath = 8, .max_tokens = 20, .how = { 1, 0, 1 } };
        make_record(r, i);
        T_OK(input_build(io, r, &q.in, &why));
        T_OK(engine_submit(e, &q));
        rec_free(r);
    }
    struct gen_done done;
    while (!measure && engine_step(e) > 0)
        while (engine_take(e, &done)) gen_paths_free(done.path, done.npath);
    size_t peak = usage_peak(o->usage) - before;
    engine_free(e);
    model_free(m);
    par_free(pool);
    o->close(o);
    return peak;
}

static void test_generating(void)
{
    near_enough("generating, cpu", generate_peak(DEVICE_CPU, true), generate_peak(DEVICE_CPU, false));
    near_enough("generating, cuda", generate_peak(DEVICE_CUDA, true), generate_peak(DEVICE_CUDA, false));
}

int main(void)
{
    objective_sft(&sft, SFT_STEPS, false);
    make_world();
    T_RUN(test_training);
    T_RUN(test_frozen);
    T_RUN(test_frozen_bf16);
    T_RUN(test_generating);
    T_RUN(test_large);
    end_world();
    return t_end();
}
