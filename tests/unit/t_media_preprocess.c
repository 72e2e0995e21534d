/* SPDX-License-Identifier: Apache-2.0
 * Tiling and its configuration. The numbers against transformers are tests/golden/t_preprocess.c.
 */
#include <unistd.h>
#include "../bad/make.h"
#include "base/file.h"
#include "media/preprocess.h"
#include "t.h"

static char dir[] = "/tmp/t_media_pre.XXXXXX";

static void test_grid(void)
{
    struct pre_cfg c = pre_default();
    int cols, rows;
    pre_grid(&c, 448, 448, &cols, &rows);
    T_INT(cols * 100 + rows, 101);
    T_INT(pre_tiles(&c, 448, 448).n, 1);
    pre_grid(&c, 1400, 700, &cols, &rows);                 /* 2:1, large enough for 4 x 2 */
    T_INT(cols * 100 + rows, 402);
    T_INT(pre_tiles(&c, 1400, 700).n, 9);
    pre_grid(&c, 1, IMAGE_MAX_SIDE, &cols, &rows);
    T_INT(cols * 100 + rows, 112);
    pre_grid(&c, IMAGE_MAX_SIDE, 1, &cols, &rows);
    T_INT(cols * 100 + rows, 1201);
    c.thumbnail = false;
    T_INT(pre_tiles(&c, 1400, 700).n, 8);
    c.tiling = false;
    T_INT(pre_tiles(&c, 1400, 700).n, 1);
}

/* Tiles are the canvas cut row by row, then the thumbnail: with a box filter and whole factors all is exact. */
static void test_layout(void)
{
    struct pre_cfg c = pre_default();
    struct image im;
    float x[5 * 3 * 2 * 2];
    c.h = c.w = 2, c.max_tiles = 4, c.min_tiles = 4, c.resample = RESAMPLE_BOX;
    c.mean[0] = c.mean[1] = c.mean[2] = 0;
    c.std[0] = c.std[1] = c.std[2] = 1.0f / 255;
    T_OK(image_new(4, 4, &im));
    for (int i = 0; i < 16 * 3; i++) im.px[i] = (uint8_t)(i / 3 * 4 + i % 3);
    T_INT(pre_tiles(&c, 4, 4).n, 5);
    T_INT(tiles_floats(&(struct tiles){ .n = 1, .h = c.h, .w = c.w }), 12);
    T_OK(pre_run(&c, &im, x));
    T_NEAR(x[0], 0, 1e-3);                                 /* tile 0, red, (0, 0) */
    T_NEAR(x[12], 8, 1e-3);                                /* tile 1: two pixels to the right */
    T_NEAR(x[24], 32, 1e-3);                               /* tile 2: two rows down */
    T_NEAR(x[36 + 4 + 3], 61, 1e-3);                       /* tile 3, green, last pixel */
    T_NEAR(x[48], (0 + 4 + 16 + 20) / 4, 1e-3);            /* thumbnail: means of 2 x 2 */
    image_free(&im);
}

/* One pixel wide and very tall. */
static void test_extreme(void)
{
    enum { TALL = 200000 };
    struct image im, out;
    T_OK(image_new(1, TALL, &im));
    memset(im.px, 77, 3 * (size_t)TALL);
    for (int like = RESIZE_TORCH; like <= RESIZE_PILLOW; like++) {
        T_OK(image_resize(&im, 64, 64, RESAMPLE_BICUBIC, (enum resize_like)like, &out));
        T_INT(out.px[0], 77);
        T_INT(out.px[64 * 64 * 3 - 1], 77);
        image_free(&out);
    }
    T_FAIL(image_resize(&im, 0, 64, RESAMPLE_BICUBIC, RESIZE_TORCH, &out), "sides must be");
    image_free(&im);
}

static char *put(const char *name, const char *text)
{
    char *path = file_join(dir, name);
    FILE *f = fopen(path, "w");
    T_CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
    return path;
}

static void test_load_saved_by_transformers(void)
{
    struct pre_cfg c;
    T_OK(pre_load(&c, "tests/golden/preprocess/preprocessor_config.json"));
    T_INT(c.h, 24);
    T_INT(c.w, 32);
    T_INT(c.min_tiles, 2);
    T_INT(c.max_tiles, 7);
    T_INT(c.resample, RESAMPLE_BILINEAR);
    T_INT(c.like, RESIZE_TORCH);
    T_CHECK(c.tiling && c.thumbnail);
    T_NEAR(c.mean[1], 0.456, 1e-7);
    T_NEAR(c.std[2], 0.225, 1e-7);
    T_NEAR(c.rescale, 1.0 / 255, 1e-12);
}

static void test_load_forms(void)
{
    struct pre_cfg c;
    char *p = put("preprocessor_config.json", "{\"size\": {\"height\": 8, \"width\": 6}, \"crop_to_patches\": false, "
                  "\"image_processor_type\": \"GotOcr2ImageProcessorPil\"}");
    T_OK(pre_load(&c, p));
    T_INT(c.w, 6);
    T_INT(c.like, RESIZE_PILLOW);
    T_CHECK(!c.tiling);
    T_NEAR(c.mean[0], 0.48145466, 1e-7);                   /* GotOcr2's own default */
    T_OK(pre_load(&c, dir));
    T_INT(c.w, 6);
    free(p);
    p = put("processor_config.json", "{\"processor_class\": \"InternVLProcessor\", \"image_seq_length\": 4}");
    T_OK(pre_load(&c, dir));                               /* nothing nested: the other file counts */
    T_INT(c.w, 6);
    T_FAIL(pre_load(&c, p), "no image processor in it");
    free(p);
    p = put("processor_config.json", "{\"processor_class\": \"InternVLProcessor\", \"image_processor\": "
            "{\"size\": {\"height\": 10, \"width\": 12}, \"do_normalize\": false, \"do_pad\": null}}");
    T_OK(pre_load(&c, dir));
    T_INT(c.w, 12);
    T_CHECK(c.tiling);                                     /* InternVLProcessor's own */
    T_NEAR(c.std[0], 1, 0);
    free(p);
    T_FAIL(pre_load(&c, "/tmp/none-such.json"), "none-such");
}

static void test_load_other_kinds(void)
{
    struct pre_cfg c;
    T_OK(pre_load(&c, "tests/golden/preprocess/llava_next.json"));
    T_INT(c.kind, PRE_ANYRES);
    T_INT(c.h * 100 + c.w, 2828);
    T_INT(c.nsize, 2);
    T_INT(c.size[1].h * 100 + c.size[1].w, 8428);
    T_INT(c.resample, RESAMPLE_BILINEAR);
    T_INT(c.alpha, ALPHA_DROP);
    T_OK(pre_load(&c, "tests/golden/preprocess/idefics3.json"));
    T_INT(c.kind, PRE_SPLIT);
    T_INT(c.h * 100 + c.w, 3333);
    T_INT(c.longest, 77);
    T_INT(c.resample, RESAMPLE_LANCZOS);
    T_INT(c.alpha, ALPHA_WHITE);
    T_CHECK(c.tiling);
    T_OK(pre_load(&c, "tests/golden/preprocess/qwen2_vl.json"));
    T_INT(c.kind, PRE_WHOLE);
    T_INT(c.unit, 21);
    T_INT(c.min_pixels, 784);
    T_INT(c.max_pixels, 78400);
    T_INT(c.alpha, ALPHA_WHITE);
    T_INT(pre_tiles(&c, 201, 1).n, 0);                     /* sides that differ more than 200-fold */
    T_FAIL(pre_run(&c, &(struct image){ .w = 1, .h = 201 }, NULL), "1x201 is too narrow");
    T_FAIL(pre_save(&c, "p.json"), "Qwen2-VL");
    struct pre_cfg back;
    char *p = put("p.json", "{\"image_processor_type\": \"LlavaNextImageProcessorPil\", \"image_grid_pinpoints\": [[448, 224]]}");
    T_OK(pre_load(&c, p));                                 /* absent keys: transformers' defaults */
    T_INT(c.h, 224);
    T_OK(pre_save(&c, p));
    T_OK(pre_load(&back, p));
    T_CHECK(back.kind == PRE_ANYRES && back.like == RESIZE_PILLOW && back.nsize == 1 && back.size[0].h == 448 && back.size[0].w == 224);
    T_CHECK(back.h == 224 && back.resample == c.resample && !memcmp(back.mean, c.mean, sizeof c.mean) && !memcmp(back.std, c.std, sizeof c.std));
    free(p);
    c = pre_default_of(PRE_SPLIT);
    c.h = c.w = 28, c.longest = 84;
    p = put("p.json", "{}");
    T_OK(pre_save(&c, p));
    T_OK(pre_load(&back, p));
    T_CHECK(back.kind == PRE_SPLIT && back.tiling && back.h == 28 && back.longest == 84 && back.resample == c.resample);
    free(p);
}

#define LLAVA "{\"image_processor_type\": \"LlavaNextImageProcessor\", \"size\": {\"shortest_edge\": 32}, "
#define QWEN "{\"image_processor_type\": \"Qwen2VLImageProcessorFast\", "
#define SMOL "{\"image_processor_type\": \"SmolVLMImageProcessor\", "

static void test_load_refuses(void)
{
    static const struct { const char *text, *message; } bad[] = {
        { "{\"size\": {\"shortest_edge\": 224}}", "size: height" },
        { "{\"size\": {\"height\": 0, \"width\": 4}}", "height" },
        { "{\"size\": {\"height\": 1000000, \"width\": 4}}", "height" },
        { "{\"size\": 224, \"do_center_crop\": true}", "do_center_crop: true is not supported" },
        { "{\"size\": 224, \"do_resize\": false}", "do_resize: false is not supported" },
        { "{\"size\": 224, \"image_mean\": [1, 2]}", "image_mean: want three numbers" },
        { "{\"size\": 224, \"image_std\": [1, 0, 1]}", "image_std" },
        { "{\"size\": 224, \"rescale_factor\": 0}", "rescale_factor" },
        { "{\"size\": 224, \"resample\": 9}", "resample" },
        { "{\"size\": 224, \"resample\": 4}", "box" },
        { "{\"size\": 224, \"min_patches\": 5, \"max_patches\": 4}", "min_patches" },
        { "{\"size\": 224, \"max_patches\": 100000}", "max_patches" },
        { LLAVA "\"crop_size\": 16}", "crop_size: 16 x 16 of 32 x 32" },
        { LLAVA "\"crop_size\": 32}", "[336, 672] is not a multiple of 32" },
        { LLAVA "\"crop_size\": 32, \"image_grid_pinpoints\": [[32]]}", "image_grid_pinpoints: want pairs" },
        { LLAVA "\"crop_size\": 32, \"image_grid_pinpoints\": []}", "want 1 to 64 sizes" },
        { LLAVA "\"crop_size\": 32, \"image_grid_pinpoints\": [[0, 32]]}", "sides must be 1" },
        { LLAVA "\"crop_size\": 32, \"image_grid_pinpoints\": [[8192, 8192]]}", "makes 1024 tiles or more" },
        { SMOL "\"max_image_size\": {\"longest_edge\": 8}, \"size\": {\"longest_edge\": 4000}}", "makes 1024 tiles or more" },
        { SMOL "\"max_image_size\": {\"height\": 8}}", "max_image_size: longest_edge" },
        { SMOL "\"do_resize\": false}", "do_resize: false is not supported" },
        { QWEN "\"min_pixels\": 5000, \"max_pixels\": 4000}", "min_pixels 5000: more than max_pixels" },
        { QWEN "\"min_pixels\": 1, \"max_pixels\": 783}", "max_pixels 783: less than a token's 28 x 28" },
        { QWEN "\"patch_size\": 0}", "patch_size" },
        { QWEN "\"size\": {\"longest_edge\": 1e9}}", "size: longest_edge" },
        { "[1]", "want an object" },
        { "{\"size\": 224", "bad.json" },
    };
    struct pre_cfg c;
    for (int i = 0; i < countof(bad); i++) {
        char *p = put("bad.json", bad[i].text);
        T_FAIL(pre_load(&c, p), bad[i].message);
        free(p);
    }
}

static void test_save(void)
{
    struct pre_cfg c = pre_default(), back;
    char *p = file_join(dir, "saved.json");
    c.h = 32, c.w = 64, c.max_tiles = 3, c.resample = RESAMPLE_LANCZOS;
    T_OK(pre_save(&c, p));
    T_OK(pre_load(&back, p));
    T_CHECK(!memcmp(&c.mean, &back.mean, sizeof c.mean) && !memcmp(&c.std, &back.std, sizeof c.std));
    T_INT(back.h * 1000 + back.w, 32064);
    T_INT(back.max_tiles, 3);
    T_INT(back.resample, RESAMPLE_LANCZOS);
    c.tiling = false;                                      /* comes back as: at most one tile */
    T_OK(pre_save(&c, p));
    T_OK(pre_load(&back, p));
    T_INT(pre_tiles(&back, 1400, 700).n, 1);
    c.tiling = true, c.thumbnail = false;
    T_FAIL(pre_save(&c, p), "thumbnail");
    free(p);
}

int main(void)
{
    if (!mkdtemp(dir)) return 1;
    T_RUN(test_grid);
    T_RUN(test_layout);
    T_RUN(test_extreme);
    T_RUN(test_load_saved_by_transformers);
    T_RUN(test_load_forms);
    T_RUN(test_load_other_kinds);
    T_RUN(test_load_refuses);
    T_RUN(test_save);
    dir_remove(dir);
    return t_end();
}
