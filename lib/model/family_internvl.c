/* SPDX-License-Identifier: Apache-2.0
 * InternVLForConditionalGeneration: the hub's layout, which transformers 4 and 5 write; inside transformers 5 the modules
 * are called model.language_model, model.vision_tower, ..., and some checkpoints are saved like that.
 */
#include "model/family.h"

static const struct rename renames[] = {
    { "model.language_model.", "language_model.model." },
    { "model.vision_tower.", "vision_tower." },
    { "model.multi_modal_projector.", "multi_modal_projector." },
    { "lm_head.", "language_model.lm_head." },
    { 0 } };

const struct family_names family_internvl = {
    .vision = {
        .layer = "vision_tower.encoder.layer.%d.", .norm1 = "layernorm_before", .q = "attention.q_proj", .k = "attention.k_proj",
        .v = "attention.v_proj", .q_norm = "attention.q_norm", .k_norm = "attention.k_norm", .o = "attention.projection_layer",
        .scale1 = "lambda_1", .scale2 = "lambda_2", .norm2 = "layernorm_after", .up = "mlp.fc1", .down = "mlp.fc2" },
    .text = {
        .layer = "language_model.model.layers.%d.", .norm1 = "input_layernorm", .q = "self_attn.q_proj", .k = "self_attn.k_proj",
        .v = "self_attn.v_proj", .o = "self_attn.o_proj", .norm2 = "post_attention_layernorm", .gate = "mlp.gate_proj",
        .up = "mlp.up_proj", .down = "mlp.down_proj" },
    .patch = "vision_tower.embeddings.patch_embeddings.projection", .cls = "vision_tower.embeddings.cls_token",
    .pos = "vision_tower.embeddings.position_embeddings", .vision_norm = "vision_tower.layernorm",
    .proj_norm = "multi_modal_projector.layer_norm", .proj_1 = "multi_modal_projector.linear_1",
    .proj_2 = "multi_modal_projector.linear_2",
    .embed = "language_model.model.embed_tokens", .norm = "language_model.model.norm", .head = "language_model.lm_head",
    .renames = renames };
