/* SPDX-License-Identifier: Apache-2.0
 * The names of decoders: Llama's, which Qwen2 and Mistral share; the same within Idefics3; and InternLM2's.
 */
#include "model/family.h"

#define LLAMA(layers) { .layer = layers, .norm1 = "input_layernorm", .q = "self_attn.q_proj", .k = "self_attn.k_proj", \
        .v = "self_attn.v_proj", .o = "self_attn.o_proj", .norm2 = "post_attention_layernorm", .gate = "mlp.gate_proj", \
        .up = "mlp.up_proj", .down = "mlp.down_proj" }

const struct text_names text_names_llama = {
    .block = LLAMA("model.layers.%d."),
    .embed = "model.embed_tokens", .norm = "model.norm", .head = "lm_head" };

const struct text_names text_names_idefics3 = {
    .block = LLAMA("model.text_model.layers.%d."),
    .embed = "model.text_model.embed_tokens", .norm = "model.text_model.norm", .head = "lm_head" };

const struct text_names text_names_internlm2 = {
    .block = {
        .layer = "model.layers.%d.", .norm1 = "attention_norm", .q = "attention.wqkv", .o = "attention.wo", .norm2 = "ffn_norm",
        .gate = "feed_forward.w1", .up = "feed_forward.w3", .down = "feed_forward.w2" },
    .embed = "model.tok_embeddings", .norm = "model.norm", .head = "output" };
