/* SPDX-License-Identifier: Apache-2.0
 * config.json and the image processor's settings of new models.
 */
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "media/preprocess.h"
#include "train/assemble_priv.h"

/* chat: what a fresh model of the family talks like; NULL: as config.json says. */
static const struct sight sights[] = {
    { "internvl", "image_token_id", "internvl", PRE_GRID, false },
    { "internvl_chat", NULL, NULL, PRE_GRID, true },
    { "llava_next", "image_token_index", "llava_qwen2", PRE_ANYRES, false },
    { "idefics3", "image_token_id", "idefics3", PRE_SPLIT, false },
    { "smolvlm", "image_token_id", "smolvlm", PRE_SPLIT, false },
};

const struct sight *sight_of(const json_t *doc)
{
    const char *type = json_string_value(json_object_get(doc, "model_type"));
    for (int i = 0; type && i < countof(sights); i++)
        if (!strcmp(type, sights[i].family)) return &sights[i];
    return fail_null("a new model that sees images is of family internvl, internvl_chat, llava_next, idefics3 or smolvlm, not \"%.40s\"",
                     type ? type : "?");
}

json_t *assemble_text(json_t *doc)
{
    static const char *const names[] = { "text_config", "llm_config" };
    for (int i = 0; i < 2; i++) {
        json_t *text = json_object_get(doc, names[i]);
        if (json_is_object(text)) return text;
    }
    return doc;
}

int assemble_parse(const json_t *doc, const char *name, struct model_cfg *c)
{
    char *s = json_dumps(doc, 0);
    int bad = !s ? fail("%s: not JSON that can be written", name) : cfg_parse(s, strlen(s), name, c);
    free(s);
    return bad;
}

int assemble_grid(int max_tiles)
{
    int side = 1;
    while ((side + 1) * (side + 1) <= max_tiles) side++;
    return side;
}

/* All ways to lay out up to max_tiles tiles, few tiles first. */
static json_t *pinpoints(int max_tiles, int side)
{
    json_t *list = json_array();
    for (int n = 1; n <= max_tiles; n++)
        for (int rows = 1; rows <= n; rows++)
            if (n % rows == 0 && json_array_size(list) < PRE_MAX_SIZES)
                json_array_append_new(list, json_pack("[i, i]", rows * side, n / rows * side));
    return list;
}

void assemble_image_settings(json_t *doc, const struct sight *s, const struct tokenizer *t, const struct chat_template *c, int max_tiles)
{
    const json_t *size = json_object_get(json_object_get(doc, "vision_config"), "image_size");
    int side = json_is_integer(size) ? (int)mem_min(json_integer_value(size), (json_int_t)PRE_MAX_SIDE) : 224;    /* CLIP's default */
    if (s->image_token) json_object_set_new(doc, s->image_token, json_integer(tok_id(t, c->img_token)));
    if (s->kind == PRE_ANYRES && !json_object_get(doc, "image_grid_pinpoints"))
        json_object_set_new(doc, "image_grid_pinpoints", pinpoints(max_tiles, side));
    if (!s->own) return;
    json_object_set_new(doc, "dynamic_image_size", json_boolean(max_tiles > 1));
    json_object_set_new(doc, "use_thumbnail", json_true());
    json_object_set_new(doc, "min_dynamic_patch", json_integer(1));
    json_object_set_new(doc, "max_dynamic_patch", json_integer(max_tiles));
}

/* ---- the image processor ---- */

/* Mean and std are those that the tower was trained on. */
static int complete(const struct sight *s, const char *tower, const char *dir, struct pre_cfg *pre)
{
    char *levels = tower ? file_join(tower, "preprocessor_config.json") : NULL, *own = file_join(dir, "config.json");
    int bad = levels && file_exists(levels) && pre_load_levels(pre, levels) ? -1 : s->kind == PRE_ANYRES ? pre_load_sizes(pre, own) : 0;
    free(levels);
    free(own);
    return bad;
}

int assemble_put_processor(const struct sight *s, const struct model_cfg *c, int max_tiles, const char *tower, const char *dir)
{
    if (s->own) return 0;
    struct pre_cfg pre = s->kind == PRE_GRID ? pre_default() : pre_default_of(s->kind);
    pre.h = pre.w = c->vision.image;
    pre.max_tiles = max_tiles;
    pre.min_tiles = 1;
    pre.tiling = max_tiles > 1;
    pre.longest = assemble_grid(max_tiles) * pre.h;
    if (complete(s, tower, dir, &pre)) return -1;
    char *path = file_join(dir, "preprocessor_config.json");
    int r = pre_save(&pre, path);
    free(path);
    return r;
}
