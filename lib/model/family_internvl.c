/* SPDX-License-Identifier: Apache-2.0
 * The names of InternVL's tower and projector: transformers' InternVLForConditionalGeneration, and the original
 * InternVLChatModel.
 */
#include "model/family.h"

const struct vision_names vision_names_internvl = {
    .block = {
        .layer = "vision_tower.encoder.layer.%d.", .norm1 = "layernorm_before", .q = "attention.q_proj", .k = "attention.k_proj",
        .v = "attention.v_proj", .q_norm = "attention.q_norm", .k_norm = "attention.k_norm", .o = "attention.projection_layer",
        .scale1 = "lambda_1", .scale2 = "lambda_2", .norm2 = "layernorm_after", .up = "mlp.fc1", .down = "mlp.fc2" },
    .patch = "vision_tower.embeddings.patch_embeddings.projection", .cls = "vision_tower.embeddings.cls_token",
    .pos = "vision_tower.embeddings.position_embeddings", .norm = "vision_tower.layernorm",
    .proj_norm = "multi_modal_projector.layer_norm", .proj_1 = "multi_modal_projector.linear_1",
    .proj_2 = "multi_modal_projector.linear_2" };

const struct vision_names vision_names_internvl_chat = {
    .block = {
        .layer = "vision_model.encoder.layers.%d.", .norm1 = "norm1", .q = "attn.qkv", .q_norm = "attn.q_norm", .k_norm = "attn.k_norm",
        .o = "attn.proj", .scale1 = "ls1", .scale2 = "ls2", .norm2 = "norm2", .up = "mlp.fc1", .down = "mlp.fc2" },
    .patch = "vision_model.embeddings.patch_embedding", .cls = "vision_model.embeddings.class_embedding",
    .pos = "vision_model.embeddings.position_embedding",
    .proj_norm = "mlp1.0", .proj_1 = "mlp1.1", .proj_2 = "mlp1.3" };
