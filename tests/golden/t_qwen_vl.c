/* SPDX-License-Identifier: Apache-2.0
 * Qwen2.5-VL and Qwen2-VL against transformers: make_qwen_vl.py wrote the checkpoints and the numbers.
 */
#include <stdlib.h>
#include <unistd.h>

#define GOLDEN "tests/golden/qwen_vl/"
#include "../unit/device.h"
#include "golden.h"
#include "model/input.h"
#include "pattern.h"
#include "store/json.h"

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

static void test_gradients(void)
{
    check_golden_gradients("windows", false, 25);
    check_golden_gradients("windows", true, 25);
    check_golden_gradients("qwen2", false, 25);
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

/* ---- from records to ids and pixels ---- */
static val images_of(msgpack_zone *z, const json_t *sizes)
{
    val list = val_array(z, (int)json_array_size(sizes));
    for (size_t k = 0; k < json_array_size(sizes); k++) {
        const json_t *s = json_array_get(sizes, k);
        struct image im = pattern((int)json_integer_value(json_array_get(s, 0)), (int)json_integer_value(json_array_get(s, 1)));
        struct buf png = {0};
        val entry = val_map();
        T_OK(image_write_png(&im, &png));
        val_set(z, &entry, "data", val_of_bin(z, png.p, png.len));
        *val_at(&list, (int)k) = entry;
        buf_free(&png);
        image_free(&im);
    }
    return list;
}

static void check_ids(const struct safetensors *g, const char *prefix, const struct input *in, int image_token)
{
    int n, *want = get_int(g, prefix, "ids", &n), places = 0;
    T_INT(in->n, n);
    for (int i = 0; i < mem_min(n, in->n); i++) T_INT((int)in->id[i], want[i]);
    for (int k = 0; k < in->nimage; k++)
        for (int i = 0; i < in->image[k].n; i++, places++) T_INT((int)in->id[in->image[k].pos + i], image_token);
    for (int i = 0; i < in->n; i++) places -= (int)in->id[i] == image_token;
    T_INT(places, 0);
    free(want);
}

/* The same float operations as the processor's: a level apart would be 0.014. */
static void check_pixels(const struct safetensors *g, const char *prefix, const struct input *in, int k)
{
    char name[24];
    snprintf(name, sizeof name, "image.%d", k);
    const struct st_tensor *t = get(g, prefix, name);
    const struct tiles *have = &in->image[k].tiles;
    T_CHECK(have->n == 1 && t->dims[1] == have->h && t->dims[2] == have->w);
    if (t->n != tiles_floats(have)) return;
    float *want = get_f32(g, prefix, name);
    double d = 0;
    for (size_t i = 0; i < t->n; i++) d = fmax(d, fabs((double)want[i] - (double)in->pixels[in->image[k].px + i]));
    T_NEAR(d, 0, 1e-5);
    free(want);
}

static void test_input(void)
{
    struct safetensors g;
    struct model_io *io = model_io_load(GOLDEN "input", NULL);
    json_t *questions = json_file(GOLDEN "input/questions.json", 1 << 16);
    if (!io) printf("# %s\n", err_msg());
    T_CHECK(io && questions);
    if (!io || !questions) return;
    open_golden("input", &g);
    for (size_t q = 0; q < json_array_size(questions); q++) {
        const json_t *question = json_array_get(questions, q);
        struct record *r = rec_new();
        struct input in;
        const char *why = "";
        char prefix[32];
        snprintf(prefix, sizeof prefix, "%zu.", q);
        val_set(&r->zone, &r->root, "question", val_of_cstr(&r->zone, json_string_value(json_array_get(question, 0))));
        val_set(&r->zone, &r->root, "images", images_of(&r->zone, json_array_get(question, 1)));
        T_OK(input_build(io, r, &in, &why));
        check_ids(&g, prefix, &in, io->cfg->image_token_id);
        for (int k = 0; k < in.nimage; k++) check_pixels(&g, prefix, &in, k);
        input_free(&in);
        rec_free(r);
    }
    T_INT(json_array_size(questions), 4);
    json_decref(questions);
    st_close(&g);
    model_io_free(io);
}

int main(void)
{
    dev = test_ops(2);
    T_RUN(test_logits);
    T_RUN(test_logits_in_bf16);
    T_RUN(test_gradients);
    T_RUN(test_input);
    if (getenv("COS_REF_PYTHON")) T_RUN(test_transformers_loads_ours);
    else printf("ok %d - test_transformers_loads_ours # SKIP COS_REF_PYTHON names no python with transformers\n", ++t_tests);
    dev->close(dev);
    return t_end();
}
