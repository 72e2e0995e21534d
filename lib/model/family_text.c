/* SPDX-License-Identifier: Apache-2.0
 * The names of decoders: Llama's, which Qwen2 shares, and InternLM2's.
 */
#include "model/family.h"

const struct text_names text_names_llama = {
    .block = {
        .layer = "model.layers.%d.", .norm1 = "input_layernorm", .q = "self_attn.q_proj", .k = "self_attn.k_proj",
        .v = "self_attn.v_proj", .o = "self_attn.o_proj", .norm2 = "post_attention_layernorm", .gate = "mlp.gate_proj",
        .up = "mlp.up_proj", .down = "mlp.down_proj" },
    .embed = "model.embed_tokens", .norm = "model.norm", .head = "lm_head" };

const struct text_names text_names_internlm2 = {
    .block = {
        .layer = "model.layers.%d.", .norm1 = "attention_norm", .q = "attention.wqkv", .o = "attention.wo", .norm2 = "ffn_norm",
        .gate = "feed_forward.w1", .up = "feed_forward.w3", .down = "feed_forward.w2" },
    .embed = "model.tok_embeddings", .norm = "model.norm", .head = "output" };
