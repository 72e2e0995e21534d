/* SPDX-License-Identifier: Apache-2.0
 * The names of the SigLIP tower and the projector of Idefics3 and SmolVLM.
 */
#include "model/family.h"

const struct vision_names vision_names_idefics3 = {
    .block = {
        .layer = "model.vision_model.encoder.layers.%d.", .norm1 = "layer_norm1", .q = "self_attn.q_proj", .k = "self_attn.k_proj",
        .v = "self_attn.v_proj", .o = "self_attn.out_proj", .norm2 = "layer_norm2", .up = "mlp.fc1", .down = "mlp.fc2" },
    .patch = "model.vision_model.embeddings.patch_embedding",
    .pos = "model.vision_model.embeddings.position_embedding.weight", .norm = "model.vision_model.post_layernorm",
    .proj_1 = "model.connector.modality_projection.proj" };
