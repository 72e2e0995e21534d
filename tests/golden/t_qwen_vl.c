/* SPDX-License-Identifier: Apache-2.0
 * Qwen2.5-VL and Qwen2-VL against transformers: make_qwen_vl.py wrote the checkpoints and the numbers.
 */
#include <stdlib.h>
#include <unistd.h>

#define GOLDEN "tests/golden/qwen_vl/"
#include "golden.h"

static const char *const names[] = { "windows", "tied", "qwen2" };

static void test_logits(void)
{
    for (int i = 0; i < countof(names); i++) check_logits(names[i], DT_F32, TOL_F32);
}

/* As t_internvl.c: 2^-9 of rounding for each of some 30 roundings, which add up like random steps. */
static void test_logits_in_bf16(void)
{
    for (int i = 0; i < countof(names); i++) check_logits(names[i], DT_BF16, 0.04);
}

/* Of the tower and the merger. */
static void check_gradients(const char *name, bool recompute)
{
    struct safetensors g;
    struct training t;
    struct model *m = load(name, DT_F32, MODEL_TRAIN);
    int n = 0;
    if (!m) return;
    open_golden(name, &g);
    model_recompute(m, recompute);
    training_open(&t, m, &g);
    float *loss = get_f32(&g, "train.", "loss");
    struct params *ps = model_params(m);
    T_NEAR(loss_of(m, &t, true), loss[0], 1e-5 * loss[0]);
    worst = 0;
    for (int i = 0; i < ps->n; i++) {
        char key[128];
        snprintf(key, sizeof key, "grad.%s", ps->v[i].name);
        if (!st_find(&g, key)) continue;
        double d = param_error(&ps->v[i], ps->v[i].grad, &g, "grad.", 1e-3);
        if (!(d <= 1e-4)) printf("# %s: gradient of %s: relative error %.3g\n", name, ps->v[i].name, d);
        T_CHECK(d <= 1e-4);
        worst = fmax(worst, d);
        n++;
    }
    printf("# %s: largest relative error of %d gradients %.2g\n", name, n, worst);
    T_CHECK(n >= 25);
    free(loss);
    training_close(&t);
    st_close(&g);
    model_free(m);
}

static void test_gradients(void)
{
    check_gradients("windows", false);
    check_gradients("windows", true);
    check_gradients("qwen2", false);
}

static void test_transformers_loads_ours(void)
{
    char dir[] = "/tmp/t_qwen_vl.XXXXXX", sub[64];
    if (!mkdtemp(dir)) { T_CHECK(!"mkdtemp"); return; }
    for (int i = 0; i < countof(names); i++) {
        snprintf(sub, sizeof sub, "%s/%s", dir, names[i]);
        save_changed(names[i], i != 1, sub);
    }
    check_load(dir);
    T_OK(dir_remove(dir));
}

int main(void)
{
    dev = ops_cpu(2);
    T_RUN(test_logits);
    T_RUN(test_logits_in_bf16);
    T_RUN(test_gradients);
    if (getenv("COS_REF_PYTHON")) T_RUN(test_transformers_loads_ours);
    else printf("ok %d - test_transformers_loads_ours # SKIP COS_REF_PYTHON names no python with transformers\n", ++t_tests);
    dev->close(dev);
    return t_end();
}
