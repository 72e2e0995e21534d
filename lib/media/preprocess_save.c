/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include "base/file.h"
#include "media/preprocess_priv.h"

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

static json_t *grid(const struct pre_cfg *c)
{
    return json_pack("{s:s, s:s, s:b, s:i, s:i, s:{s:i, s:i}}",
        "image_processor_type", c->like == RESIZE_TORCH ? "GotOcr2ImageProcessorFast" : "GotOcr2ImageProcessorPil",
        "processor_class", "InternVLProcessor", "crop_to_patches", c->tiling,
        "min_patches", c->tiling ? c->min_tiles : 1, "max_patches", c->tiling ? c->max_tiles : 1,
        "size", "height", c->h, "width", c->w);
}

static json_t *anyres(const struct pre_cfg *c)
{
    json_t *sizes = json_array();
    for (int i = 0; i < c->nsize; i++) json_array_append_new(sizes, json_pack("[i, i]", c->size[i].h, c->size[i].w));
    return json_pack("{s:s, s:s, s:b, s:b, s:{s:i}, s:{s:i, s:i}, s:o}",
        "image_processor_type", c->like == RESIZE_TORCH ? "LlavaNextImageProcessor" : "LlavaNextImageProcessorPil",
        "processor_class", "LlavaNextProcessor", "do_center_crop", 1, "do_pad", 1, "size", "shortest_edge", c->h,
        "crop_size", "height", c->h, "width", c->w, "image_grid_pinpoints", sizes);
}

static json_t *split(const struct pre_cfg *c)
{
    return json_pack("{s:s, s:s, s:b, s:b, s:{s:i}, s:{s:i}}",
        "image_processor_type", c->like == RESIZE_TORCH ? "Idefics3ImageProcessor" : "Idefics3ImageProcessorPil",
        "processor_class", "Idefics3Processor", "do_pad", 1, "do_image_splitting", c->tiling,
        "size", "longest_edge", c->longest, "max_image_size", "longest_edge", c->h);
}

int pre_save(const struct pre_cfg *c, const char *path)
{
    const float *m = c->mean, *s = c->std;
    if (c->kind == PRE_WHOLE) return fail("%s: Qwen2-VL's image processor cannot be written", path);
    if (c->kind == PRE_GRID && !c->thumbnail && c->tiling && c->max_tiles > 1)
        return fail("%s: tiles without a thumbnail cannot be expressed", path);
    json_t *doc = c->kind == PRE_GRID ? grid(c) : c->kind == PRE_ANYRES ? anyres(c) : split(c);
    json_t *levels = json_pack("{s:b, s:b, s:b, s:b, s:i, s:f, s:[f, f, f], s:[f, f, f]}",
        "do_convert_rgb", 1, "do_resize", 1, "do_rescale", 1, "do_normalize", 1, "resample", (int)c->resample,
        "rescale_factor", c->rescale, "image_mean", tidy(m[0]), tidy(m[1]), tidy(m[2]), "image_std", tidy(s[0]), tidy(s[1]), tidy(s[2]));
    int bad = !doc || !levels || json_object_update(doc, levels) ? fail("%s: out of memory", path) : json_save(doc, path);
    json_decref(doc);
    json_decref(levels);
    return bad;
}
