/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "media/preprocess.h"
#include "store/json.h"

enum { CONFIG_MAX = 1 << 20 };

/* What GotOcr2ImageProcessor assumes for absent keys. */
static struct pre_cfg processor_default(void)
{
    struct pre_cfg c = pre_default();
    c.h = c.w = 384;
    c.tiling = false;
    memcpy(c.mean, (float[]){ 0.48145466f, 0.4578275f, 0.40821073f }, sizeof c.mean);
    memcpy(c.std, (float[]){ 0.26862954f, 0.26130258f, 0.27577711f }, sizeof c.std);
    return c;
}

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

static int read_size(const json_t *obj, struct pre_cfg *c)
{
    const json_t *size = json_object_get(obj, "size");
    if (!size || json_is_null(size)) return 0;
    if (!json_is_object(size)) {
        if (json_opt_int(obj, "size", 1, PRE_MAX_SIDE, &c->h)) return -1;
        c->w = c->h;
        return 0;
    }
    if (json_get_int(size, "height", 1, PRE_MAX_SIDE, &c->h) || json_get_int(size, "width", 1, PRE_MAX_SIDE, &c->w))
        return fail_in("size");
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

static bool ends_with(const char *s, const char *tail)
{
    size_t n = strlen(s), m = strlen(tail);
    return n >= m && !strcmp(s + n - m, tail);
}

/* InternVLProcessor switches tiling on whatever the image processor's own flag says; max_patches is what bounds it. */
static int read_config(const json_t *obj, const char *processor, struct pre_cfg *c)
{
    const char *type = "";
    int resample = c->resample;
    if (json_opt_str(obj, "image_processor_type", &type) || json_opt_str(obj, "processor_class", &processor) ||
        refuse(obj, "do_resize", false) || refuse(obj, "do_center_crop", true) || refuse(obj, "do_pad", true) ||
        read_size(obj, c) || read_levels(obj, c) ||
        json_opt_bool(obj, "crop_to_patches", &c->tiling) ||
        json_opt_int(obj, "min_patches", 1, PRE_MAX_TILES, &c->min_tiles) ||
        json_opt_int(obj, "max_patches", 1, PRE_MAX_TILES, &c->max_tiles) ||
        json_opt_int(obj, "resample", RESAMPLE_LANCZOS, RESAMPLE_BOX, &resample)) return -1;
    if (c->min_tiles > c->max_tiles) return fail("min_patches %d: more than max_patches %d", c->min_tiles, c->max_tiles);
    c->resample = (enum resample)resample;
    if (!strcmp(processor, "InternVLProcessor")) c->tiling = true;
    if (ends_with(type, "Pil")) c->like = RESIZE_PILLOW;
    if (c->like == RESIZE_TORCH && c->resample == RESAMPLE_BOX) return fail("resample: torchvision has no box filter");
    return 0;
}

static int load_file(struct pre_cfg *cfg, const char *path, bool *found)
{
    struct pre_cfg c = processor_default();
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

int pre_load(struct pre_cfg *cfg, const char *path)
{
    bool found = false;
    if (!file_is_dir(path)) {
        if (load_file(cfg, path, &found)) return -1;
        return found ? 0 : fail("%s: no image processor in it", path);
    }
    static const char *const names[] = { "processor_config.json", "preprocessor_config.json" };
    for (int i = 0; i < countof(names) && !found; i++) {
        char *file = file_join(path, names[i]);
        int r = file_exists(file) ? load_file(cfg, file, &found) : 0;
        free(file);
        if (r) return -1;
    }
    return found ? 0 : fail("%s: no preprocessor_config.json", path);
}

/* The shortest decimal that reads back as the float, so that 0.485f is saved as 0.485. */
static double tidy(float v)
{
    char s[32];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, (double)v);
        if (strtof(s, NULL) == v) break;
    }
    return strtod(s, NULL);
}

int pre_save(const struct pre_cfg *cfg, const char *path)
{
    const float *m = cfg->mean, *s = cfg->std;
    if (!cfg->thumbnail && cfg->tiling && cfg->max_tiles > 1)
        return fail("%s: tiles without a thumbnail cannot be expressed", path);
    json_t *doc = json_pack(
        "{s:s, s:s, s:b, s:b, s:b, s:b, s:b, s:i, s:i, s:i, s:f, s:{s:i, s:i}, s:[f, f, f], s:[f, f, f]}",
        "image_processor_type", cfg->like == RESIZE_TORCH ? "GotOcr2ImageProcessorFast" : "GotOcr2ImageProcessorPil",
        "processor_class", "InternVLProcessor",
        "do_convert_rgb", 1, "do_resize", 1, "do_rescale", 1, "do_normalize", 1, "crop_to_patches", cfg->tiling,
        "min_patches", cfg->tiling ? cfg->min_tiles : 1, "max_patches", cfg->tiling ? cfg->max_tiles : 1,
        "resample", (int)cfg->resample, "rescale_factor", cfg->rescale,
        "size", "height", cfg->h, "width", cfg->w,
        "image_mean", tidy(m[0]), tidy(m[1]), tidy(m[2]), "image_std", tidy(s[0]), tidy(s[1]), tidy(s[2]));
    if (!doc) return fail("%s: out of memory", path);
    int r = json_save(doc, path);
    json_decref(doc);
    return r;
}
