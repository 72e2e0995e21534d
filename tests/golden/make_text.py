# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/text: tiny random checkpoints of the plain decoders as transformers saves them, and beside each
golden.safetensors with what transformers computes from it (eager attention, f32); of two of them also the GGUF file that
llama.cpp's converter would make, by ggml's own package.

    python tests/golden/make_text.py tests/golden/text [NAME...]

Made with torch 2.15.0, transformers 5.23.0, gguf 0.19.0. Per checkpoint:
    ids       [n]        prompt                     prefill   [n, V]   logits of one pass over it
    next      [32]       tokens then fed one by one decode    [32, V]  logits behind each of them
"""
import os, sys
import numpy as np
import torch
from gguf import GGUFWriter
from safetensors.torch import load_file, save_file
from transformers import (LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM)

PROMPT, DECODE = 21, 32
LLAMA3 = {"rope_type": "llama3", "rope_theta": 5e5, "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 8192}

def sizes(hidden, heads, kv, dim, vocab, mlp, layers=2, **kw):
    return dict(hidden_size=hidden, num_attention_heads=heads, num_key_value_heads=kv, head_dim=dim, vocab_size=vocab,
                intermediate_size=mlp, num_hidden_layers=layers, rms_norm_eps=1e-5, max_position_embeddings=512,
                bos_token_id=1, eos_token_id=2, pad_token_id=None, **kw)

# name: class, configuration, dtype of the file, largest shard
CASES = {
    "llama3": (LlamaForCausalLM, LlamaConfig(**sizes(54, 6, 2, 32, 131, 68, 1, tie_word_embeddings=True, rope_parameters=LLAMA3)), "float32", "5GB"),
    "llama2": (LlamaForCausalLM, LlamaConfig(**sizes(39, 3, 3, 40, 97, 56, tie_word_embeddings=False, attention_bias=True, mlp_bias=True,
               rope_parameters={"rope_type": "linear", "rope_theta": 1e4, "factor": 4.0})), "float16", "40KB"),
    "dynamic": (LlamaForCausalLM, LlamaConfig(**sizes(36, 4, 1, 48, 101, 46, 1, tie_word_embeddings=False,
                rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0})), "float32", "5GB"),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config(**sizes(45, 5, 1, 64, 149, 60, 1, tie_word_embeddings=True,
              rope_parameters={"rope_type": "default", "rope_theta": 1e6})), "float32", "5GB"),
    "qwen2w": (Qwen2ForCausalLM, Qwen2Config(**sizes(36, 2, 2, 32, 89, 44, tie_word_embeddings=False, use_sliding_window=True,
               sliding_window=60, max_window_layers=1)), "bfloat16", "15KB"),
    "mistral": (MistralForCausalLM, MistralConfig(**sizes(28, 4, 2, 128, 79, 36, 1, tie_word_embeddings=False, sliding_window=64)), "float32", "5GB"),
    # positions far beyond the original ones; all three kinds of pairs
    "yarn": (Qwen2ForCausalLM, Qwen2Config(**sizes(32, 2, 1, 32, 83, 40, 1, tie_word_embeddings=True, rope_parameters={
             "rope_type": "yarn", "rope_theta": 100.0, "factor": 4.0, "original_max_position_embeddings": 12, "beta_fast": 1.5, "beta_slow": 0.1})),
             "float32", "5GB"),
}

def randomise(model, gen):
    """Nothing zero, nothing one; scales that keep every layer at work."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            r = torch.randn(p.shape, generator=gen)
            if "norm" in name: p.copy_(1 + 0.2 * r)
            elif p.ndim == 1: p.copy_(0.2 * r)
            elif "embed_tokens" in name: p.copy_(0.7 * r)
            else: p.copy_(1.2 * r / p[0].numel() ** 0.5)

def numbers(model, gen):
    ids, nxt = (torch.randint(3, model.config.vocab_size, (n,), generator=gen) for n in (PROMPT, DECODE))
    with torch.no_grad():
        r = model(input_ids=ids[None], use_cache=True)
        rows = [model(input_ids=t.view(1, 1), past_key_values=r.past_key_values, use_cache=True).logits[0, -1] for t in nxt]
    return {"ids": ids.to(torch.int32), "prefill": r.logits[0], "next": nxt.to(torch.int32), "decode": torch.stack(rows)}

# ---- GGUF ----
NAMES = {"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
         "self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
         "mlp.down_proj": "ffn_down", "embed_tokens": "token_embd", "lm_head": "output", "norm": "output_norm"}

def gguf_name(name):
    stem, _, end = name.removeprefix("model.").rpartition(".")
    if not stem.startswith("layers."): return f"{NAMES[stem]}.{end}"
    _, i, stem = stem.split(".", 2)
    return f"blk.{i}.{NAMES[stem]}.{end}"

def interleave(w, heads):
    """What the converter does to q and k of Llamas: halves of a head become pairs."""
    return w.reshape(heads, 2, w.shape[0] // heads // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)

def rope_factors(c):
    r, out = c.rope_parameters, []
    for i in range(0, c.head_dim, 2):
        wave, old = 2 * np.pi * r["rope_theta"] ** (i / c.head_dim), r["original_max_position_embeddings"]
        smooth = (old / wave - r["low_freq_factor"]) / (r["high_freq_factor"] - r["low_freq_factor"])
        out.append(1 if wave < old / r["high_freq_factor"] else r["factor"] if wave > old / r["low_freq_factor"]
                   else 1 / ((1 - smooth) / r["factor"] + smooth))
    return np.array(out, dtype=np.float32)

def words(n):
    """Some bytes, one merge, and behind them special tokens and padding."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spelt = {b: chr(b) for b in printable} | {b: chr(256 + k) for k, b in enumerate(sorted(set(range(256)) - set(printable)))}
    text = [spelt[b] for b in [10, *range(32, 32 + n - 7)]] + ["ab", "<|endoftext|>", "<|im_start|>", "<|im_end|>", "[PAD0]", "[PAD1]"]
    return text, [1] * (n - 5) + [3] * 3 + [5] * 2

def write_gguf(folder, c, arch, pre):
    w = GGUFWriter(os.path.join(folder, "model.gguf"), arch)
    w.add_block_count(c.num_hidden_layers); w.add_context_length(c.max_position_embeddings); w.add_embedding_length(c.hidden_size)
    w.add_feed_forward_length(c.intermediate_size); w.add_head_count(c.num_attention_heads); w.add_head_count_kv(c.num_key_value_heads)
    w.add_key_length(c.head_dim); w.add_value_length(c.head_dim); w.add_layer_norm_rms_eps(c.rms_norm_eps)
    w.add_rope_freq_base(c.rope_parameters["rope_theta"]); w.add_rope_dimension_count(c.head_dim)
    text, kinds = words(c.vocab_size)
    w.add_tokenizer_model("gpt2"); w.add_tokenizer_pre(pre); w.add_token_list(text); w.add_token_types(kinds); w.add_token_merges(["a b"])
    w.add_eos_token_id(c.vocab_size - 3); w.add_bos_token_id(c.vocab_size - 4)
    if c.rope_parameters["rope_type"] == "llama3": w.add_tensor("rope_freqs.weight", rope_factors(c))
    for name, t in load_file(os.path.join(folder, "model.safetensors")).items():
        x = t.float().numpy()
        if arch == "llama" and "q_proj" in name: x = interleave(x, c.num_attention_heads)
        if arch == "llama" and "k_proj" in name: x = interleave(x, c.num_key_value_heads)
        w.add_tensor(gguf_name(name), np.ascontiguousarray(x))
    w.write_header_to_file(); w.write_kv_data_to_file(); w.write_tensors_to_file(); w.close()

def make(root, name, seed):
    cls, config, dtype, shard = CASES[name]
    gen = torch.Generator().manual_seed(seed)
    folder = os.path.join(root, name)
    model = cls(config)
    randomise(model, gen)
    model.to(getattr(torch, dtype)).save_pretrained(folder, max_shard_size=shard)
    model, info = cls.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"], info
    save_file({k: v.contiguous() for k, v in numbers(model.eval(), gen).items()}, os.path.join(folder, "golden.safetensors"))
    if name == "llama3": write_gguf(folder, config, "llama", "llama-bpe")
    if name == "qwen2": write_gguf(folder, config, "qwen2", "qwen2")

if __name__ == "__main__":
    torch.set_num_threads(1)
    for i, name in enumerate(CASES):
        if name in (sys.argv[2:] or CASES): make(sys.argv[1], name, i + 1)
