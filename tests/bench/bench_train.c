/* SPDX-License-Identifier: Apache-2.0
 * Training of a 100M-parameter vision-language model (random weights, random tokens) against oneDNN's plain product
 * in the same run: forward, backward and AdamW of 2,048 tokens with 4 images, median of several steps.
 *     bench_train THREADS MODEL_DIR          the folder gives the configuration; bench_train.sh makes one
 * Counted: 6 floating-point operations a matrix weight and row that it meets (2 forward, 4 backward); attention scores,
 * norms and the optimiser are not counted, so the ratio understates the work done.
 */
#include "model/model.h"
#include "plain.h"
#include "train/optim.h"

enum { SEQS = 8, LEN = 256, TOKENS = SEQS * LEN, TILES = 4 };

struct job {
    struct model *m; struct ops *o;
    struct model_batch in;
    int target[TOKENS]; float lp[TOKENS], dlp[TOKENS];
    int t;
};

static void die(void) { fprintf(stderr, "bench_train: %s\n", err_msg()); exit(1); }

static void step(void *v)
{
    struct job *j = v;
    struct mat hidden;
    float *grad;
    if (model_forward(j->m, &j->in, &hidden)) die();
    struct mat head = model_head(j->m, &grad), dh = model_dhidden(j->m);
    j->o->logprob(j->o, &(struct logprob_args){ .x = hidden, .w = head, .target = j->target, .lp = j->lp, .dlp = j->dlp, .dx = dh, .dw = grad });
    if (model_backward(j->m, &j->in, dh)) die();
    double norm;
    struct optim c = { .b1 = 0.9, .b2 = 0.95, .eps = 1e-8, .decay = 0.05, .clip = 1 };
    if (optim_step(&c, model_params(j->m), j->o, 1e-5, ++j->t, &norm)) die();
}

static void fill(struct job *j, const struct model_cfg *c)
{
    static int id[TOKENS], pos[TOKENS], start[SEQS + 1];
    int per = cfg_tokens_per_tile(c), *row = mem_array((size_t)(TILES * per), sizeof(int)), *src = mem_array((size_t)(TILES * per), sizeof(int));
    size_t px = (size_t)TILES * 3 * (size_t)c->vision.image * (size_t)c->vision.image;
    float *pixels = mem_array(px, sizeof *pixels);
    struct rng r = rng_new(1, "bench");
    for (int i = 0; i < TOKENS; i++) {
        id[i] = (int)rng_next_below(&r, (uint32_t)c->text.vocab);
        j->target[i] = (int)rng_next_below(&r, (uint32_t)c->text.vocab);
        pos[i] = i % LEN;
        j->dlp[i] = -1.0f / TOKENS;
    }
    for (int i = 0; i <= SEQS; i++) start[i] = i * LEN;
    for (int i = 0; i < TILES * per; i++) { row[i] = i / per * 2 * LEN + i % per; src[i] = i; }
    for (size_t i = 0; i < px; i++) pixels[i] = (float)rng_next(&r);
    static struct model_image image;
    image = (struct model_image){ { TILES, c->vision.image, c->vision.image }, pixels };
    j->in = (struct model_batch){ .ntok = TOKENS, .id = id, .pos = pos, .nseq = SEQS, .start = start,
                                  .nimage = 1, .image = &image, .nimg = TILES * per, .img_row = row, .img_src = src };
}

/* Floating-point operations of a step by the rule above. */
static double flops(const struct params *ps, const struct model_cfg *c)
{
    double rows[PARTS] = { 0 }, f = 0;
    double side = (double)c->vision.image / c->vision.patch, patches = TILES * side * side;
    rows[PART_VISION] = patches;
    rows[PART_PROJECTOR] = (double)TILES * cfg_tokens_per_tile(c);
    rows[PART_DECODER] = rows[PART_HEAD] = TOKENS;
    rows[PART_EMBED] = c->text.tied ? TOKENS : 0;         /* as the head; looking up costs nothing */
    for (int i = 0; i < ps->n; i++)
        if (!ps->v[i].vector) f += 6 * rows[ps->v[i].part] * (double)ps->v[i].n;
    return f;
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : 1;
    struct model_cfg c;
    static struct job j;
    if (argc != 3) return fprintf(stderr, "usage: bench_train THREADS MODEL_DIR\n"), 2;
    if (cfg_load(argv[2], &c)) die();
    if (!(j.o = ops_cpu(threads))) die();
    enum dtype dt = j.o->fast;
    if (!(j.m = model_new(&c, 1, j.o, dt, MODEL_TRAIN))) die();
    double n = 0, plain[2];
    for (int i = 0; i < model_params(j.m)->n; i++) n += (double)model_params(j.m)->v[i].n;
    fill(&j, &c);
    plain[DT_F32] = plain_product(threads, DT_F32, TOKENS, 2304, 768);
    plain[DT_BF16] = plain_product(threads, DT_BF16, TOKENS, 2304, 768);
    double sec = seconds(step, &j), rate = flops(model_params(j.m), &c) * 1e-9 / sec;
    printf("train %.0fM parameters, %s, %d threads: %.0f tokens/s, %.1f GFLOP/s\n", n * 1e-6, dt == DT_F32 ? "f32" : "bf16", threads, TOKENS / sec, rate);
    printf("train: ratio to oneDNN's plain product, bf16 (%.1f GFLOP/s): %.2f (at least 0.25: %s)\n", plain[DT_BF16], rate / plain[DT_BF16],
           rate >= 0.25 * plain[DT_BF16] ? "met" : "MISSED");
    printf("train: ratio to oneDNN's plain product, f32 (%.1f GFLOP/s): %.2f\n", plain[DT_F32], rate / plain[DT_F32]);
    return 0;
}
