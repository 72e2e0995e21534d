/* SPDX-License-Identifier: Apache-2.0
 * The image processing of the original InternVL code: dynamic_preprocess on Pillow images, then ImageNet's mean and std. Its
 * settings stand in the model's config.json; the preprocessor_config.json beside it belongs to another processor, which
 * nobody uses.
 */
#include "media/preprocess_priv.h"

#include <string.h>

bool pre_is_internvl_chat(const json_t *doc)
{
    const char *type = json_string_value(json_object_get(doc, "model_type"));
    return type && !strcmp(type, "internvl_chat");
}

int pre_read_internvl_chat(const json_t *doc, struct pre_cfg *cfg)
{
    struct pre_cfg c = pre_default();
    const json_t *vision = json_object_get(doc, "vision_config");
    bool square = false;
    c.like = RESIZE_PILLOW;
    c.tiling = c.thumbnail = false;
    c.max_tiles = 6;
    c.h = 224;
    if (json_opt_bool(doc, "pad2square", &square) || json_opt_bool(doc, "dynamic_image_size", &c.tiling) ||
        json_opt_bool(doc, "use_thumbnail", &c.thumbnail) ||
        json_opt_int(doc, "min_dynamic_patch", 1, PRE_MAX_TILES, &c.min_tiles) ||
        json_opt_int(doc, "max_dynamic_patch", 1, PRE_MAX_TILES, &c.max_tiles) ||
        json_opt_int(vision, "image_size", 1, PRE_MAX_SIDE, &c.h) ||
        json_opt_int(doc, "force_image_size", 1, PRE_MAX_SIDE, &c.h)) return -1;
    if (square) return fail("pad2square: padding to a square is not supported");
    if (c.min_tiles > c.max_tiles) return fail("min_dynamic_patch %d: more than max_dynamic_patch %d", c.min_tiles, c.max_tiles);
    c.w = c.h;
    *cfg = c;
    return 0;
}
