/* SPDX-License-Identifier: Apache-2.0
 * The names of Qwen2.5-VL's and Qwen2-VL's towers and mergers.
 */
#include "model/family.h"

const struct vision_names vision_names_qwen2_5_vl = {
    .block = {
        .layer = "visual.blocks.%d.", .norm1 = "norm1", .q = "attn.qkv", .o = "attn.proj", .norm2 = "norm2", .gate = "mlp.gate_proj",
        .up = "mlp.up_proj", .down = "mlp.down_proj" },
    .patch = "visual.patch_embed.proj",
    .proj_norm = "visual.merger.ln_q", .proj_1 = "visual.merger.mlp.0", .proj_2 = "visual.merger.mlp.2" };

const struct vision_names vision_names_qwen2_vl = {
    .block = {
        .layer = "visual.blocks.%d.", .norm1 = "norm1", .q = "attn.qkv", .o = "attn.proj", .norm2 = "norm2", .up = "mlp.fc1",
        .down = "mlp.fc2" },
    .patch = "visual.patch_embed.proj",
    .proj_norm = "visual.merger.ln_q", .proj_1 = "visual.merger.mlp.0", .proj_2 = "visual.merger.mlp.2" };
