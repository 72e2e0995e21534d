/* SPDX-License-Identifier: Apache-2.0
 * Decoders on their own: Qwen2ForCausalLM, LlamaForCausalLM.
 */
#include "model/family.h"

static const struct rename renames[] = { { 0 } };

const struct family_names family_text = {
    .text = {
        .layer = "model.layers.%d.", .norm1 = "input_layernorm", .q = "self_attn.q_proj", .k = "self_attn.k_proj",
        .v = "self_attn.v_proj", .o = "self_attn.o_proj", .norm2 = "post_attention_layernorm", .gate = "mlp.gate_proj",
        .up = "mlp.up_proj", .down = "mlp.down_proj" },
    .embed = "model.embed_tokens", .norm = "model.norm", .head = "lm_head",
    .renames = renames };

const struct family_names *family_names(const struct model_cfg *c)
{
    return c->has_vision ? &family_internvl : &family_text;
}
