/* SPDX-License-Identifier: Apache-2.0
 * LlavaNext, Idefics3 and SmolVLM against transformers, from pictures to logits: make_vlm.py wrote the checkpoints and the
 * numbers.
 */
#include <stdlib.h>
#include <unistd.h>

#define GOLDEN "tests/golden/"
#include "../unit/device.h"
#include "golden.h"
#include "model/input.h"
#include "model/model_priv.h"
#include "search/engine.h"
#include "train/batch.h"

static const char *const names[] = { "llava_next/llama3", "llava_next/mistral", "llava_next/vicuna", "llava_next/qwen2",
                                     "idefics3/llama", "idefics3/whole", "smolvlm/llama" };

/* Positions of tiles of any size, rounding and all. */
static void test_positions(void)
{
    FILE *f = fopen(GOLDEN "idefics3/positions.tsv", "r");
    int n, side, lines = 0, want, bucket[128];
    T_CHECK(f != NULL);
    for (; f && fscanf(f, "%d %d", &n, &side) == 2 && side <= countof(bucket); lines++) {
        vision_buckets(n, side, bucket);
        bool same = true;
        for (int i = 0; i < side; i++) same = fscanf(f, "%d", &want) == 1 && want == bucket[i] && same;
        if (!same) printf("# %d positions on %d patches differ\n", n, side);
        T_CHECK(same);
    }
    T_CHECK(lines >= 70);
    if (f) fclose(f);
}

static void test_logits(void)
{
    for (int i = 0; i < countof(names); i++) check_logits(names[i], DT_F32, TOL_F32);
}

/* As t_internvl.c: 2^-9 of rounding for each of some 30 roundings, which add up like random steps. */
static void test_logits_in_bf16(void)
{
    for (int i = 0; i < countof(names); i++) check_logits(names[i], DT_BF16, 0.04);
}

static void test_gradients(void)
{
    check_golden_gradients("llava_next/llama3", false, 40);
    check_golden_gradients("llava_next/llama3", true, 40);
    check_golden_gradients("idefics3/llama", false, 40);
    check_golden_gradients("smolvlm/llama", false, 20);
}

/* ---- from records ---- */

/* The question with its pictures as PNGs. */
static struct record *record_of(const struct safetensors *g, const char *prompt)
{
    char key[32];
    int n;
    struct record *r = rec_new();
    snprintf(key, sizeof key, "%s.question", prompt);
    const struct st_tensor *q = get(g, key, "");
    snprintf(key, sizeof key, "%s.sizes", prompt);
    int *size = get_int(g, key, "", &n);
    val list = val_array(&r->zone, n / 2);
    for (int k = 0; k < n / 2; k++) {
        struct image im = pattern(size[2 * k], size[2 * k + 1]);
        struct buf png = {0};
        val entry = val_map();
        T_OK(image_write_png(&im, &png));
        val_set(&r->zone, &entry, "data", val_of_bin(&r->zone, png.p, png.len));
        *val_at(&list, k) = entry;
        buf_free(&png);
        image_free(&im);
    }
    val_set(&r->zone, &r->root, "question", val_of_str(&r->zone, (const char *)q->p, q->bytes));
    val_set(&r->zone, &r->root, "images", list);
    free(size);
    return r;
}

static struct model_io *open_io(const char *name, struct safetensors *g)
{
    open_golden(name, g);
    struct model_io *io = model_io_load(golden_dir, NULL);
    if (!io) printf("# %s\n", err_msg());
    T_CHECK(io);
    return io;
}

/* Token ids as the processor's; the places of every image among them; its pixels those of the golden's pictures. */
static void check_input(const struct model_io *io, const struct safetensors *g, const char *prompt)
{
    struct packed p = {0};
    struct input in;
    const char *why = "";
    struct record *r = record_of(g, prompt);
    T_OK(input_build(io, r, &in, &why));
    pack(&p, io->cfg, g, prompt);
    T_INT(in.n, p.n);
    T_INT(in.nimage, p.nimage);
    for (int i = 0; i < mem_min(in.n, p.n); i++) T_INT((int)in.id[i], p.id[i]);
    for (int k = 0; k < mem_min(in.nimage, p.nimage); k++) {
        const struct input_image *at = &in.image[k];
        T_INT(input_places(in.id, at->pos, at->end, at->token), at->n);
        T_CHECK(in.id[at->pos] == at->token && in.id[at->end - 1] == at->token);
        T_CHECK(!memcmp(in.pixels + at->px, p.pixels[k], tiles_floats(&at->tiles) * sizeof(float)));
    }
    packed_free(&p);
    input_free(&in);
    rec_free(r);
}

static void test_input(void)
{
    for (int i = 0; i < countof(names); i++) {
        struct safetensors g;
        struct model_io *io = open_io(names[i], &g);
        for (int k = 0; k < NPROMPT && io; k++) check_input(io, &g, prompts[k]);
        model_io_free(io);
        st_close(&g);
    }
}

/* The most likely token behind a sequence, in one packed pass. */
static int next_token(struct model *m, struct packed *p)
{
    struct mat hidden;
    struct model_batch b = batch_of(p);
    int last = p->n - 1, best = 0, V = model_config(m)->text.vocab;
    float *logits = mem_array((size_t)V, sizeof *logits);
    T_OK(model_forward(m, &b, &hidden));
    T_OK(model_logits(m, hidden, &last, 1, logits));
    for (int v = 1; v < V; v++)
        if (logits[v] > logits[best]) best = v;
    free(logits);
    return best;
}

/* Prompts cut into few rows a round, images within them, against packed passes. */
static void check_engine(const char *name)
{
    enum { MORE = 6 };
    struct safetensors g;
    struct model_io *io = open_io(name, &g);
    struct model *m = load(name, DT_F32, 0);
    struct par *pool = par_new(2);
    struct engine *e = engine_new(m, pool, &(struct engine_cfg){ .batch = 2, .kv_tokens = 2048, .prefill = 7 });
    struct packed p = {0};
    struct gen_request q = { .npath = 1, .max_tokens = MORE };
    struct gen_done d = {0};
    const char *why;
    struct record *r = record_of(&g, "several");
    T_OK(input_build(io, r, &q.in, &why));
    T_OK(engine_submit(e, &q));
    while (engine_step(e) > 0) { }
    T_CHECK(engine_take(e, &d) && d.path->n == MORE);
    pack(&p, io->cfg, &g, "several");
    for (int i = 0; i < MORE && d.path; i++) {
        T_INT((int)d.path->token[i], next_token(m, &p));
        p.id[p.n] = (int)d.path->token[i];
        p.pos[p.n] = p.n;
        p.start[1] = ++p.n;
    }
    gen_paths_free(d.path, 1);
    packed_free(&p);
    rec_free(r);
    engine_free(e);
    par_free(pool);
    model_free(m);
    model_io_free(io);
    st_close(&g);
}

static void test_engine(void)
{
    check_engine("llava_next/llama3");
    check_engine("idefics3/llama");
    check_engine("smolvlm/llama");
}

/* The rows of a batch of questions: place i of a question's images takes feature i of them. */
static void test_batch(void)
{
    struct safetensors g;
    struct model_io *io = open_io("idefics3/llama", &g);
    struct dataset *ds = dataset_new("/tmp/t_vlm");
    struct batch b = {0};
    const char *why;
    for (int k = 2; k < NPROMPT; k++) {
        struct draft d;
        struct record *r = record_of(&g, prompts[k]);
        T_OK(draft_begin(&d, io, r, &why));
        draft_tokens(&d, (const uint32_t[]){ 7, 8 }, 2);
        T_OK(dataset_add(ds, &d));
        draft_free(&d);
        rec_free(r);
    }
    T_OK(batch_build(&b, &(struct batch_cfg){ .ds = ds, .io = io }, (const int[]){ 0, 1 }, 2, 0));
    T_INT(b.in.nimage, 5);
    int places = 0;
    for (int i = 0; i < b.in.ntok; i++)
        if (b.in.id[i] == io->cfg->image_token_id) {
            T_INT(b.in.img_row[places], i);
            T_INT(b.in.img_src[places], places);
            places++;
        }
    T_INT(b.in.nimg, places);
    batch_free(&b);
    dataset_free(ds);
    model_io_free(io);
    st_close(&g);
}

static void test_transformers_loads_ours(void)
{
    char dir[] = "/tmp/t_vlm.XXXXXX", sub[64];
    if (!mkdtemp(dir)) { T_CHECK(!"mkdtemp"); return; }
    for (int i = 0; i < countof(names); i++) {
        snprintf(sub, sizeof sub, "%s/%d", dir, i);
        save_changed(names[i], i == 0 || i == 4 || i == 6, sub);
    }
    check_load(dir);
    T_OK(dir_remove(dir));
}

int main(void)
{
    dev = test_ops(2);
    T_RUN(test_positions);
    T_RUN(test_logits);
    T_RUN(test_logits_in_bf16);
    T_RUN(test_gradients);
    T_RUN(test_input);
    T_RUN(test_engine);
    T_RUN(test_batch);
    if (getenv("COS_REF_PYTHON")) T_RUN(test_transformers_loads_ours);
    else printf("ok %d - test_transformers_loads_ours # SKIP COS_REF_PYTHON names no python with transformers\n", ++t_tests);
    dev->close(dev);
    return t_end();
}
