/* SPDX-License-Identifier: Apache-2.0
 * The original layout of InternVL, with InternLM2, Qwen2 and Llama, against make_internvl_chat.py.
 */
#include <stdlib.h>
#include <unistd.h>

#define GOLDEN "tests/golden/internvl_chat/"
#include "../unit/device.h"
#include "golden.h"
#include "media/preprocess.h"

static const char *const cases[] = { "internlm2", "qwen2", "llama", "decoder" };
static char dir[] = "/tmp/t_internvl_chat.XXXXXX";

static void test_logits_internlm2(void) { check_logits("internlm2", DT_F32, TOL_F32); }
static void test_logits_qwen2(void) { check_logits("qwen2", DT_F32, TOL_F32); }
static void test_logits_llama(void) { check_logits("llama", DT_F32, TOL_F32); }
static void test_logits_decoder(void) { check_logits("decoder", DT_F32, TOL_F32); }

/* The tolerance is that of t_internvl.c, for the same reason. */
static void test_logits_in_bf16(void)
{
    for (int i = 0; i < countof(cases); i++) check_logits(cases[i], DT_BF16, 0.04);
}

/* Loaded and saved, a checkpoint has the tensors it had, bit for bit. */
static void test_layout_kept(void)
{
    for (int i = 0; i < countof(cases); i++) {
        char path[128];
        struct safetensors a, b;
        struct model *m = load(cases[i], DT_F32, 0);
        if (!m) continue;
        T_OK(model_save(m, dir, DT_BF16));
        snprintf(path, sizeof path, GOLDEN "%s/model.safetensors", cases[i]);
        T_OK(st_open(path, &a));
        T_OK(st_open_dir(dir, &b));
        T_INT(a.n, b.n);
        for (int k = 0; k < a.n && k < b.n; k++) {
            T_STR(a.v[k].name, b.v[k].name);
            T_CHECK(a.v[k].ndim == b.v[k].ndim && a.v[k].bytes == b.v[k].bytes && !memcmp(a.v[k].dims, b.v[k].dims, sizeof a.v[k].dims));
            T_CHECK(!memcmp(a.v[k].p, b.v[k].p, a.v[k].bytes));
        }
        st_close(&a);
        st_close(&b);
        struct model *again = model_load(dir, dev, DT_BF16, 0);
        T_STR(model_digest(m), model_digest(again));
        model_free(m);
        model_free(again);
    }
}

/* Whether n bytes at p are a map of a file whose name ends in `file`. */
static bool in_file(const void *p, size_t n, const char *file)
{
    char line[512];
    bool found = false;
    FILE *f = fopen("/proc/self/maps", "r");
    while (f && fgets(line, sizeof line, f)) {
        unsigned long begin, end;
        if (sscanf(line, "%lx-%lx", &begin, &end) == 2 && (uintptr_t)p >= begin && (uintptr_t)p + n <= end) found = strstr(line, file);
    }
    if (f) fclose(f);
    return found;
}

/* Matrices in the file's dtype are used where they are mapped: one tensor of q, k and v, and gate and up, which lie apart. */
static void test_matrices_stay_in_the_file(void)
{
    for (int i = 0; i < countof(cases); i++) {
        struct model *m = load(cases[i], DT_BF16, 0);
        if (!m) continue;
        struct params *ps = model_params(m);
        char *file = mem_fmt(GOLDEN "%s/model.safetensors", cases[i]);
        for (int k = 0; k < ps->n; k++) {
            const struct param *p = &ps->v[k];
            T_CHECK(p->vector || in_file(p->w.p, p->n * 2, file));
        }
        free(file);
        model_free(m);
    }
}

static void check_picture(const struct pre_cfg *cfg, const struct safetensors *g, int i)
{
    char key[32];
    snprintf(key, sizeof key, "image.%d.", i);
    const struct st_tensor *rgb = get(g, key, "rgb"), *want = get(g, key, "pixels");
    struct image im;
    T_OK(image_new((int)rgb->dims[1], (int)rgb->dims[0], &im));
    memcpy(im.px, rgb->p, rgb->bytes);
    T_INT(pre_tiles(cfg, im.w, im.h).n, want->dims[0]);
    float *x = mem_array(want->n, sizeof *x), *y = get_f32(g, key, "pixels");
    T_OK(pre_run(cfg, &im, x));
    for (size_t k = 0; k < want->n; k++) worst = fmax(worst, fabs((double)x[k] - (double)y[k]));
    free(x);
    free(y);
    image_free(&im);
}

/* The resampling is Pillow's to the bit; only the last division may round differently. */
static void test_pictures(void)
{
    for (int i = 0; i < 3; i++) {
        struct safetensors g;
        struct pre_cfg cfg;
        char path[128];
        snprintf(path, sizeof path, GOLDEN "%s", cases[i]);
        T_OK(pre_load(&cfg, path));
        open_golden(cases[i], &g);
        worst = 0;
        for (int k = 0; k < (i ? 2 : 4); k++) check_picture(&cfg, &g, k);
        T_CHECK(worst <= 1e-6);
        printf("# %s: largest difference of a pixel %.2g\n", cases[i], worst);
        st_close(&g);
    }
}

/* One step of training, two tokens more. */
static void save_trained(const char *name, const char *to)
{
    struct safetensors g;
    struct packed p = {0};
    struct mat hidden;
    struct model *m = load(name, DT_F32, MODEL_TRAIN);
    if (!m) return;
    open_golden(name, &g);
    pack(&p, model_config(m), &g, "text");
    struct model_batch b = batch_of(&p);
    T_OK(model_forward(m, &b, &hidden));
    struct mat d = model_dhidden(m);
    dev->add(dev, d, hidden);
    T_OK(model_backward(m, &b, d));
    struct params *ps = model_params(m);
    for (int i = 0; i < ps->n; i++) {
        struct param *w = &ps->v[i];
        dev->adamw(dev, &(struct adamw_args){ .w = w->master, .m = w->m, .v = w->v, .g = w->grad, .n = w->n, .copy = w->w.p,
            .copy_t = w->w.t, .lr = 1e-2f, .b1 = 0.9f, .b2 = 0.95f, .eps = 1e-6f, .bc1 = 0.1f, .bc2 = 0.05f, .gscale = 1 });
    }
    const int x[] = { 7, 8, 9 }, y[] = { 30 }, *mean[] = { x, y }, n[] = { 3, 1 };
    int vocab = model_config(m)->text.vocab;
    T_OK(model_add_tokens(m, vocab + 2, mean, n, 2));
    T_OK(dir_make(to));
    T_OK(model_save(m, to, DT_F32));
    p.id[p.n - 1] = vocab + 1;
    save_logits(m, &p, to);
    packed_free(&p);
    st_close(&g);
    model_free(m);
}

static void test_reference_loads_ours(void)
{
    char to[3][64], cmd[512];
    static const char *const names[] = { "internlm2", "qwen2", "decoder" };
    for (int i = 0; i < 3; i++) {
        snprintf(to[i], sizeof to[i], "%s/%s", dir, names[i]);
        save_trained(names[i], to[i]);
    }
    snprintf(cmd, sizeof cmd, "\"$COS_REF_PYTHON\" tests/golden/make_internvl_chat.py --check %s %s %s", to[0], to[1], to[2]);
    T_INT(system(cmd), 0);
}

int main(void)
{
    if (!mkdtemp(dir)) return 1;
    dev = test_ops(2);
    T_RUN(test_logits_internlm2);
    T_RUN(test_logits_qwen2);
    T_RUN(test_logits_llama);
    T_RUN(test_logits_decoder);
    T_RUN(test_logits_in_bf16);
    T_RUN(test_layout_kept);
    if (!strcmp(dev->name, "cpu")) T_RUN(test_matrices_stay_in_the_file);
    T_RUN(test_pictures);
    if (getenv("COS_REF_PYTHON")) T_RUN(test_reference_loads_ours);
    else printf("ok %d - test_reference_loads_ours # SKIP COS_REF_PYTHON names no python with torch\n", ++t_tests);
    dev->close(dev);
    return dir_remove(dir) || t_end();
}
