/* SPDX-License-Identifier: Apache-2.0
 * The names of LlavaNext's CLIP tower and projector, as the checkpoints on the hub have them.
 */
#include "model/family.h"

const struct vision_names vision_names_llava_next = {
    .block = {
        .layer = "vision_tower.vision_model.encoder.layers.%d.", .norm1 = "layer_norm1", .q = "self_attn.q_proj", .k = "self_attn.k_proj",
        .v = "self_attn.v_proj", .o = "self_attn.out_proj", .norm2 = "layer_norm2", .up = "mlp.fc1", .down = "mlp.fc2" },
    .patch = "vision_tower.vision_model.embeddings.patch_embedding", .cls = "vision_tower.vision_model.embeddings.class_embedding",
    .pos = "vision_tower.vision_model.embeddings.position_embedding.weight",
    .pre_norm = "vision_tower.vision_model.pre_layrnorm",          /* sic */
    .norm = "vision_tower.vision_model.post_layernorm",
    .proj_1 = "multi_modal_projector.linear_1", .proj_2 = "multi_modal_projector.linear_2", .newline = "image_newline" };
