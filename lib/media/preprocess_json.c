/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "media/preprocess_priv.h"

enum { CONFIG_MAX = 1 << 20 };

static int read_triple(const json_t *obj, const char *key, float v[3])
{
    const json_t *a = json_object_get(obj, key);
    if (!a || json_is_null(a)) return 0;
    if (!json_is_array(a) || json_array_size(a) != 3) return fail("%s: want three numbers", key);
    for (size_t i = 0; i < 3; i++) {
        const json_t *x = json_array_get(a, i);
        if (!json_is_number(x)) return fail("%s: want three numbers", key);
        v[i] = (float)json_number_value(x);
    }
    return 0;
}

static int refuse(const json_t *obj, const char *key, bool when)
{
    bool on = !when;
    if (json_opt_bool(obj, key, &on)) return -1;
    return on == when ? fail("%s: %s is not supported", key, when ? "true" : "false") : 0;
}

/* Scale and normalisation; each can be switched off. */
static int read_levels(const json_t *obj, struct pre_cfg *c)
{
    bool rescale = true, normalize = true;
    if (json_opt_bool(obj, "do_rescale", &rescale) || json_opt_bool(obj, "do_normalize", &normalize) ||
        json_opt_f64(obj, "rescale_factor", &c->rescale) ||
        read_triple(obj, "image_mean", c->mean) || read_triple(obj, "image_std", c->std)) return -1;
    if (!rescale) c->rescale = 1;
    for (int i = 0; i < 3; i++) {
        if (!normalize) c->mean[i] = 0, c->std[i] = 1;
        if (!isfinite(c->mean[i]) || !isfinite(c->std[i]) || c->std[i] == 0) return fail("image_std: want finite numbers, not 0");
    }
    if (!(c->rescale > 0) || !isfinite(c->rescale)) return fail("rescale_factor: want a number above 0");
    return 0;
}

/* A side under one of the names transformers has for it: a number, {edge: n} (edge NULL: none such) or {height, width}. */
static int read_sides(const json_t *obj, const char *key, const char *edge, int *h, int *w)
{
    const json_t *size = json_object_get(obj, key);
    if (!size || json_is_null(size)) return 0;
    if (!json_is_object(size) || (edge && json_object_get(size, edge))) {
        bool plain = !json_is_object(size);
        if (json_get_int(plain ? obj : size, plain ? key : edge, 1, PRE_MAX_SIDE, h)) return plain ? -1 : fail_in("%s", key);
        *w = *h;
        return 0;
    }
    return json_get_int(size, "height", 1, PRE_MAX_SIDE, h) || json_get_int(size, "width", 1, PRE_MAX_SIDE, w) ? fail_in("%s", key) : 0;
}

static int read_edge(const json_t *obj, const char *key, int *edge)
{
    json_t *size = json_object_get(obj, key);
    if (!size || json_is_null(size)) return 0;
    return json_get_int(size, "longest_edge", 1, PRE_MAX_SIDE, edge) ? fail_in("%s", key) : 0;
}

/* ---- the kinds: what each processor assumes for absent keys, and its own keys ---- */

static const float clip_mean[3] = { 0.48145466f, 0.4578275f, 0.40821073f }, clip_std[3] = { 0.26862954f, 0.26130258f, 0.27577711f };

static struct pre_cfg with_levels(struct pre_cfg c, const float mean[3], const float std[3])
{
    memcpy(c.mean, mean, sizeof c.mean);
    memcpy(c.std, std, sizeof c.std);
    c.rescale = 1.0 / 255;
    return c;
}

static struct pre_cfg grid_default(void)
{
    struct pre_cfg c = pre_default();
    c.h = c.w = 384;
    c.tiling = false;
    return with_levels(c, clip_mean, clip_std);
}

/* InternVLProcessor switches tiling on whatever the image processor's own flag says; max_patches is what bounds it. */
static int read_grid(const json_t *obj, const char *processor, struct pre_cfg *c)
{
    if (refuse(obj, "do_center_crop", true) || refuse(obj, "do_pad", true) || read_sides(obj, "size", NULL, &c->h, &c->w) ||
        json_opt_bool(obj, "crop_to_patches", &c->tiling) ||
        json_opt_int(obj, "min_patches", 1, PRE_MAX_TILES, &c->min_tiles) ||
        json_opt_int(obj, "max_patches", 1, PRE_MAX_TILES, &c->max_tiles)) return -1;
    if (c->min_tiles > c->max_tiles) return fail("min_patches %d: more than max_patches %d", c->min_tiles, c->max_tiles);
    if (!strcmp(processor, "InternVLProcessor")) c->tiling = true;
    return 0;
}

static struct pre_cfg anyres_default(void)
{
    struct pre_cfg c = { .kind = PRE_ANYRES, .h = 224, .w = 224, .resample = RESAMPLE_BICUBIC, .nsize = 5,
                         .size = { { 336, 672 }, { 672, 336 }, { 672, 672 }, { 1008, 336 }, { 336, 1008 } } };
    return with_levels(c, clip_mean, clip_std);
}

static int read_sizes(const json_t *list, struct pre_cfg *c)
{
    size_t n = json_array_size(list);
    if (!n || n > PRE_MAX_SIZES) return fail("want 1 to %d sizes", PRE_MAX_SIZES);
    for (size_t i = 0; i < n; i++) {
        const json_t *pair = json_array_get(list, i), *h = json_array_get(pair, 0), *w = json_array_get(pair, 1);
        if (json_array_size(pair) != 2 || !json_is_integer(h) || !json_is_integer(w)) return fail("want pairs of [height, width]");
        json_int_t a = json_integer_value(h), b = json_integer_value(w);
        if (a < 1 || b < 1 || a > PRE_MAX_SIDE || b > PRE_MAX_SIDE)
            return fail("[%lld, %lld]: sides must be 1 to %d", (long long)a, (long long)b, PRE_MAX_SIDE);
        c->size[i].h = (int)a;
        c->size[i].w = (int)b;
    }
    c->nsize = (int)n;
    return 0;
}

/* Every tile is resized to `size` and cropped to crop_size: nothing, as the two are the same. */
static int read_anyres(const json_t *obj, const char *processor, struct pre_cfg *c)
{
    const json_t *sizes = json_object_get(obj, "image_grid_pinpoints");
    int crop_h = 224, crop_w = 224;
    (void)processor;
    if (read_sides(obj, "size", "shortest_edge", &c->h, &c->w) || read_sides(obj, "crop_size", NULL, &crop_h, &crop_w)) return -1;
    if (c->h != c->w || c->h != crop_h || c->w != crop_w)
        return fail("crop_size: %d x %d of %d x %d is not supported: they must be equal squares", crop_h, crop_w, c->h, c->w);
    if (sizes && !json_is_null(sizes) && read_sizes(sizes, c)) return fail_in("image_grid_pinpoints");
    for (int i = 0; i < c->nsize; i++) {
        int h = c->size[i].h, w = c->size[i].w;
        if (h % c->h || w % c->w) return fail("image_grid_pinpoints: [%d, %d] is not a multiple of %d", h, w, c->h);
        if ((h / c->h) * (w / c->w) >= PRE_MAX_TILES) return fail("image_grid_pinpoints: [%d, %d] makes %d tiles or more", h, w, PRE_MAX_TILES);
    }
    return 0;
}

static struct pre_cfg split_default(void)
{
    static const float half[3] = { 0.5f, 0.5f, 0.5f };
    struct pre_cfg c = { .kind = PRE_SPLIT, .h = 364, .w = 364, .longest = 4 * 364, .tiling = true, .resample = RESAMPLE_LANCZOS,
                         .alpha = ALPHA_WHITE };
    return with_levels(c, half, half);
}

static int read_split(const json_t *obj, const char *processor, struct pre_cfg *c)
{
    (void)processor;
    if (read_edge(obj, "size", &c->longest) || read_edge(obj, "max_image_size", &c->h) ||
        json_opt_bool(obj, "do_image_splitting", &c->tiling)) return -1;
    c->w = c->h;
    int side = (mem_min(c->longest, 4096) + c->h - 1) / c->h;
    return side * side < PRE_MAX_TILES ? 0 : fail("max_image_size: %d of %d makes %d tiles or more", c->h, c->longest, PRE_MAX_TILES);
}

static struct pre_cfg whole_default(void)
{
    struct pre_cfg c = { .kind = PRE_WHOLE, .min_pixels = 56 * 56, .max_pixels = 28 * 28 * 1280, .resample = RESAMPLE_BICUBIC,
                         .alpha = ALPHA_WHITE };
    return with_levels(c, clip_mean, clip_std);
}

/* The edges of `size` are areas. */
static int read_whole(const json_t *obj, const char *processor, struct pre_cfg *c)
{
    const json_t *size = json_object_get(obj, "size");
    int patch = 14, merge = 2;
    (void)processor;
    if (json_opt_int(size, "shortest_edge", 1, IMAGE_MAX_PIXELS, &c->min_pixels) ||
        json_opt_int(size, "longest_edge", 1, IMAGE_MAX_PIXELS, &c->max_pixels)) return fail_in("size");
    if (json_opt_int(obj, "min_pixels", 1, IMAGE_MAX_PIXELS, &c->min_pixels) ||
        json_opt_int(obj, "max_pixels", 1, IMAGE_MAX_PIXELS, &c->max_pixels) ||
        json_opt_int(obj, "patch_size", 1, PRE_MAX_SIDE, &patch) || json_opt_int(obj, "merge_size", 1, 64, &merge)) return -1;
    c->unit = patch * merge;
    if (c->min_pixels > c->max_pixels) return fail("min_pixels %d: more than max_pixels %d", c->min_pixels, c->max_pixels);
    if ((int64_t)c->unit * c->unit > c->max_pixels) return fail("max_pixels %d: less than a token's %d x %d", c->max_pixels, c->unit, c->unit);
    return 0;
}

/* By the beginning of image_processor_type; the last fits all. */
static const struct kind {
    const char *type;
    struct pre_cfg (*defaults)(void);
    int (*read)(const json_t *obj, const char *processor, struct pre_cfg *c);
} kinds[] = {
    { "LlavaNextImageProcessor", anyres_default, read_anyres },
    { "Idefics3ImageProcessor", split_default, read_split },
    { "SmolVLMImageProcessor", split_default, read_split },
    { "Qwen2VLImageProcessor", whole_default, read_whole },
    { "Qwen2_5_VLImageProcessor", whole_default, read_whole },
    { "", grid_default, read_grid },
};

struct pre_cfg pre_default_of(enum pre_kind kind)
{
    return kind == PRE_ANYRES ? anyres_default() : kind == PRE_SPLIT ? split_default() : kind == PRE_WHOLE ? whole_default() : grid_default();
}

static bool ends_with(const char *s, const char *tail)
{
    size_t n = strlen(s), m = strlen(tail);
    return n >= m && !strcmp(s + n - m, tail);
}

static int read_config(const json_t *obj, const char *processor, struct pre_cfg *c)
{
    const char *type = "";
    const struct kind *k = kinds;
    if (json_opt_str(obj, "image_processor_type", &type) || json_opt_str(obj, "processor_class", &processor)) return -1;
    while (strncmp(type, k->type, strlen(k->type))) k++;
    *c = k->defaults();
    int resample = c->resample;
    if (refuse(obj, "do_resize", false) || k->read(obj, processor, c) || read_levels(obj, c) ||
        json_opt_int(obj, "resample", RESAMPLE_LANCZOS, RESAMPLE_BOX, &resample)) return -1;
    c->resample = (enum resample)resample;
    if (ends_with(type, "Pil")) c->like = RESIZE_PILLOW;
    if (c->like == RESIZE_TORCH && c->resample == RESAMPLE_BOX) return fail("resample: torchvision has no box filter");
    return 0;
}

static int load_file(struct pre_cfg *cfg, const char *path, bool *found)
{
    struct pre_cfg c;
    const char *processor = "";
    json_t *doc = json_file(path, CONFIG_MAX);
    if (!doc) return -1;
    const json_t *inner = json_object_get(doc, "image_processor");
    *found = inner || json_object_get(doc, "size") || json_object_get(doc, "image_processor_type");
    int r = json_is_object(doc) ? 0 : fail("want an object");
    if (!r && *found && inner) r = json_opt_str(doc, "processor_class", &processor);
    if (!r && *found) r = read_config(inner ? inner : doc, processor, &c);
    json_decref(doc);
    if (r) return fail_in("%s", path);
    *cfg = c;
    return 0;
}

/* Of a model whose own config.json has the settings. */
static int load_model_config(struct pre_cfg *cfg, const char *dir, bool *found)
{
    char *path = file_join(dir, "config.json");
    json_t *doc = file_exists(path) ? json_file(path, CONFIG_MAX) : json_object();
    *found = doc && pre_is_internvl_chat(doc);
    int r = !doc ? -1 : *found && pre_read_internvl_chat(doc, cfg) ? fail_in("%s", path) : 0;
    json_decref(doc);
    free(path);
    return r;
}

int pre_load(struct pre_cfg *cfg, const char *path)
{
    bool found = false;
    if (!file_is_dir(path)) {
        if (load_file(cfg, path, &found)) return -1;
        return found ? 0 : fail("%s: no image processor in it", path);
    }
    if (load_model_config(cfg, path, &found)) return -1;
    static const char *const names[] = { "processor_config.json", "preprocessor_config.json" };
    for (int i = 0; i < countof(names) && !found; i++) {
        char *file = file_join(path, names[i]);
        int r = file_exists(file) ? load_file(cfg, file, &found) : 0;
        free(file);
        if (r) return -1;
    }
    return found ? 0 : fail("%s: no preprocessor_config.json", path);
}

/* One thing of a file. */
static int load_some(const char *path, int (*read)(const json_t *doc, struct pre_cfg *c), struct pre_cfg *cfg)
{
    struct pre_cfg c = *cfg;
    json_t *doc = json_file(path, CONFIG_MAX);
    if (!doc) return -1;
    int r = read(doc, &c) ? fail_in("%s", path) : 0;
    json_decref(doc);
    if (r) return -1;
    *cfg = c;
    return 0;
}

static int read_own_sizes(const json_t *doc, struct pre_cfg *c)
{
    return read_sizes(json_object_get(doc, "image_grid_pinpoints"), c) ? fail_in("image_grid_pinpoints") : 0;
}

int pre_load_levels(struct pre_cfg *cfg, const char *path) { return load_some(path, read_levels, cfg); }
int pre_load_sizes(struct pre_cfg *cfg, const char *path) { return load_some(path, read_own_sizes, cfg); }
