/* SPDX-License-Identifier: Apache-2.0
 * The families there are.
 */
#include "model/family.h"

#include <string.h>
#include "base/mem.h"
#include "model/config_priv.h"

static const struct rename none[] = { { 0 } };

/* transformers 4 and 5 write the hub's layout; inside transformers 5 the modules are called model.language_model, ..., and
 * some checkpoints are saved like that. */
static const struct rename internvl[] = {
    { "model.language_model.", "language_model.model." },
    { "model.vision_tower.", "vision_tower." },
    { "model.multi_modal_projector.", "multi_modal_projector." },
    { "lm_head.", "language_model.lm_head." },
    { 0 } };

static const struct rename qwen_vl[] = {
    { "model.language_model.", "model." },
    { "model.visual.", "visual." },
    { 0 } };

/* transformers 5 writes "vision_tower.embeddings", inside it is "model.vision_tower.embeddings"; both without vision_model. */
static const struct rename llava_next[] = {
    { "model.language_model.", "language_model.model." },
    { "model.vision_tower.vision_model.", "vision_tower.vision_model." },
    { "model.vision_tower.", "vision_tower.vision_model." },
    { "model.multi_modal_projector.", "multi_modal_projector." },
    { "model.image_newline", "image_newline" },
    { "lm_head.", "language_model.lm_head." },
    { "vision_tower.vision_model.", "vision_tower.vision_model." },
    { "vision_tower.", "vision_tower.vision_model." },
    { 0 } };

static const struct family families[] = {
    { "internvl", cfg_read_internvl, "text_config", &vision_names_internvl, "language_model.", NULL, internvl },
    { "internvl_chat", cfg_read_internvl_chat, "llm_config", &vision_names_internvl_chat, "language_model.", NULL, none },
    { "llava_next", cfg_read_llava_next, "text_config", &vision_names_llava_next, "language_model.", NULL, llava_next },
    { "idefics3", cfg_read_idefics3, "text_config", &vision_names_idefics3, "", &text_names_idefics3, none },
    { "smolvlm", cfg_read_idefics3, "text_config", &vision_names_idefics3, "", &text_names_idefics3, none },
    { "qwen2_5_vl", cfg_read_qwen2_5_vl, "text_config", &vision_names_qwen2_5_vl, "", NULL, qwen_vl },
    { "qwen2_vl", cfg_read_qwen2_vl, "text_config", &vision_names_qwen2_vl, "", NULL, qwen_vl },
    { "qwen2", cfg_read_text, NULL, NULL, "", NULL, none },
    { "llama", cfg_read_text, NULL, NULL, "", NULL, none },
    { "mistral", cfg_read_text, NULL, NULL, "", NULL, none },
    { "internlm2", cfg_read_text, NULL, NULL, "", NULL, none },
};

const struct family *family_find(const char *type)
{
    struct buf known = {0};
    for (int i = 0; i < countof(families); i++) {
        if (!strcmp(families[i].type, type)) {
            buf_free(&known);
            return &families[i];
        }
        buf_fmt(&known, "%s%s", i ? ", " : "", families[i].type);
    }
    fail("model_type: \"%.40s\" is not supported (%s are)", type, known.p);
    buf_free(&known);
    return NULL;
}

const struct family *family_of(const struct model_cfg *c) { return family_find(c->family); }

const struct text_names *family_text_names(const struct model_cfg *c)
{
    const struct family *f = family_of(c);
    if (f->text) return f->text;
    return c->text.blocks.qkv == QKV_GROUPED ? &text_names_internlm2 : &text_names_llama;
}

char *family_text_name(const struct model_cfg *c, const char *name)
{
    return mem_fmt("%s%s.weight", family_of(c)->text_prefix, name);
}
