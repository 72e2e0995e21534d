# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/llava_next, idefics3 and smolvlm: tiny random checkpoints as transformers saves them, whole folders
with tokenizer and image processor, and beside each golden.safetensors with what transformers makes of four questions.

    python tests/golden/make_vlm.py tests/golden

Made with torch 2.15.0, transformers 5.23.0, on the CPU, eager attention, f32. Per checkpoint and question P (text, one, two,
several: without images, with one, two, three):
    P.sizes      [images, 2]    width and height of the images, which are pattern() of make_preprocess.py
    P.ids        [n]            of the processor: chat template, image places and all
    P.rows       [r]            rows of the prompt whose logits are kept
    P.prefill    [r, V]
    P.next       [32]           tokens then fed one by one, from the cache
    P.decode     [32, V]        logits behind each of them
and P.question, as bytes. Of the checkpoints marked train, over all questions, the loss being the mean of -log p of the marked targets:
    train.mask.P [n - 1]        1: the token behind position i is a target
    train.loss   [1]
    grad.NAME                   gradients of the tower, the projector and some of the decoder The tokenizers know little more than the letters used here, and as many special tokens as needed.
"""
import os, sys
import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (Idefics3Config, Idefics3ForConditionalGeneration, Idefics3ImageProcessor, Idefics3Processor, LlavaNextConfig,
                          LlavaNextForConditionalGeneration, LlavaNextImageProcessor, LlavaNextProcessor, PreTrainedTokenizerFast,
                          SmolVLMConfig, SmolVLMForConditionalGeneration, SmolVLMImageProcessor)
from transformers.models.idefics3.configuration_idefics3 import Idefics3VisionConfig
from transformers.models.idefics3.modeling_idefics3 import Idefics3VisionEmbeddings
from make_preprocess import pattern

DECODE = 32
QUESTIONS = {"text": ("how far is it", []), "one": ("what is this", [(37, 21)]),
             "two": ("<image>left or <image> right", [(16, 16), (9, 40)]),
             "several": ("<image>\nfirst<image>then<image>last", [(50, 30), (5, 5), (31, 64)])}

def tokenizer(specials, eos, every):
    """Byte-level BPE over the characters in use, or over all bytes; a few merges."""
    chars = sorted(set("abcdefghijklmnopqrstuvwxyzAINSTUu:;!.,[]/Ġ?<>_0123456789-Ċ"))
    if every: chars = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("i", "s"), ("t", "h"), ("Ġ", "t"), ("Ċ", "Ċ"), ("e", "r"), ("i", "m")]
    vocab = {c: i for i, c in enumerate(chars + [a + b for a, b in merges])}
    t = Tokenizer(models.BPE(vocab, merges))
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.add_special_tokens(specials)
    return PreTrainedTokenizerFast(tokenizer_object=t, eos_token=eos, pad_token=eos)

def text(kind, **kw):
    d = dict(model_type=kind, hidden_size=40, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=32,
             intermediate_size=56, max_position_embeddings=1024, rms_norm_eps=1e-5)
    return {**d, **kw}

def clip(**kw):
    d = dict(model_type="clip_vision_model", hidden_size=24, num_hidden_layers=3, num_attention_heads=2, intermediate_size=36,
             image_size=16, patch_size=4)
    return {**d, **kw}

def siglip(**kw):
    return {**dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=2, intermediate_size=36, image_size=24, patch_size=4), **kw}

LLAMA3 = {"rope_type": "llama3", "rope_theta": 500.0, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 64}
SIZES = [[16, 32], [32, 16], [32, 32], [48, 16]]
CASES = {
    "llava_next/llama3": dict(text=text("llama", rope_parameters=LLAMA3, rope_theta=500.0), vision=clip(), sizes=SIZES, tie=True, train=True),
    "llava_next/mistral": dict(text=text("mistral", head_dim=48, num_attention_heads=3, num_key_value_heads=1, sliding_window=None),
                               vision=clip(), sizes=SIZES, layer=-1, old=True, bf16=True),
    "llava_next/vicuna": dict(text=text("llama", num_key_value_heads=4, head_dim=10), vision=clip(image_size=12), layer=1,
                              sizes=[[12, 24], [24, 12], [36, 12]], inner=True, bf16=True),
    "llava_next/qwen2": dict(text=text("qwen2", head_dim=128, num_attention_heads=2, num_key_value_heads=1), vision=clip(image_size=8),
                             sizes=[[8, 16], [24, 24], [16, 16]], bias=False, bf16=True),
    # tiles of another size than the positions were made for
    "idefics3/llama": dict(text=text("llama", head_dim=64, num_attention_heads=2, num_key_value_heads=1, num_hidden_layers=1), vision=siglip(), tile=32,
                           longest=96, scale=4, train=True),
    "idefics3/whole": dict(text=text("llama"), vision=siglip(image_size=25), tile=25, longest=60, scale=3, split=False, tie=True, bf16=True),
    # 25 patches a side: transformers' positions are no longer 0, 1, 2, ...
    "smolvlm/llama": dict(text=text("llama", num_hidden_layers=1), vision=siglip(image_size=50, patch_size=2, hidden_size=12, num_hidden_layers=1), tile=50,
                          longest=100, scale=5, tie=True, train=True),
    # for tests/tools/vlm.bats: whole alphabets, no numbers beside them
    "llava_next/tools": dict(text=text("llama", hidden_size=16, head_dim=8, num_hidden_layers=1), vision=clip(hidden_size=16), sizes=SIZES,
                             bf16=True, tools=True),
    "smolvlm/tools": dict(text=text("llama", hidden_size=16, head_dim=8, num_hidden_layers=1), vision=siglip(hidden_size=16, num_hidden_layers=1),
                          tile=24, longest=48, scale=3, tie=True, bf16=True, tools=True),
}

def randomise(model, gen):
    """Nothing zero, nothing one; scales that keep every layer at work."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            r = torch.randn(p.shape, generator=gen)
            if "norm" in name and name.endswith("weight"): p.copy_(1 + 0.2 * r)
            elif p.ndim == 1 or "position_embedding" in name: p.copy_(0.2 * r)
            elif "embed_tokens" in name: p.copy_(0.7 * r)
            else: p.copy_(1.2 * r / p[0].numel() ** 0.5)

# ---- the families ----
def llava(c):
    tok = tokenizer(["<image>", "<s>", "</s>"], "</s>", "tools" in c)
    side = c["vision"]["image_size"]
    images = LlavaNextImageProcessor(size={"shortest_edge": side}, crop_size={"height": side, "width": side}, image_grid_pinpoints=c["sizes"])
    proc = LlavaNextProcessor(images, tok, patch_size=c["vision"]["patch_size"], vision_feature_select_strategy="default", num_additional_image_tokens=1)
    cfg = LlavaNextConfig(vision_config=c["vision"], text_config={**c["text"], "vocab_size": len(tok)}, image_grid_pinpoints=c["sizes"],
                          image_token_index=tok.convert_tokens_to_ids("<image>"), vision_feature_layer=c.get("layer", -2),
                          multimodal_projector_bias=c.get("bias", True), tie_word_embeddings=c.get("tie", False))
    return LlavaNextForConditionalGeneration, cfg, proc, tok

def idefics(c, smol):
    tags = [f"<row_{r + 1}_col_{k + 1}>" for r in range(3) for k in range(3)] + ["<global-img>"]
    # Idefics3's tokenizer spells the tags out, SmolVLM's has tokens for them
    tok = tokenizer(["<image>", "<fake_token_around_image>", "<end_of_utterance>", "<|im_start|>" if smol else "<|begin_of_text|>"] +
                    (tags if smol else []), "<end_of_utterance>", "tools" in c)
    images = (SmolVLMImageProcessor if smol else Idefics3ImageProcessor)(
        size={"longest_edge": c["longest"]}, max_image_size={"longest_edge": c["tile"]}, do_image_splitting=c.get("split", True))
    tokens = (c["tile"] // c["vision"]["patch_size"] // c["scale"]) ** 2
    proc = Idefics3Processor(images, tok, image_seq_len=tokens)       # SmolVLM's differs in what it does with videos
    cls, config = ((SmolVLMForConditionalGeneration, SmolVLMConfig) if smol else (Idefics3ForConditionalGeneration, Idefics3Config))
    cfg = config(vision_config=c["vision"], text_config={**c["text"], "vocab_size": len(tok), "pad_token_id": 0}, scale_factor=c["scale"],
                 image_token_id=tok.convert_tokens_to_ids("<image>"), tie_word_embeddings=c.get("tie", False))
    return cls, cfg, proc, tok

def rendered(name, question, images):
    """The family's chat template; images without a mark come first."""
    q = question if "<image>" in question else ("<image>\n" if name.startswith("llava") else "<image>") * len(images) + question
    if name.startswith("llava"): return f"<s>[INST] {q} [/INST]"
    begin = "<|im_start|>" if name.startswith("smolvlm") else "<|begin_of_text|>"
    return f"{begin}User:{'' if q.startswith('<image>') else ' '}{q}<end_of_utterance>\nAssistant:"

# ---- checkpoints in the layouts there have been ----
def relayout(folder, rename):
    path = os.path.join(folder, "model.safetensors")
    save_file({rename(k): v.contiguous() for k, v in load_file(path).items()}, path, metadata={"format": "pt"})

def old_names(k):
    """Of the checkpoints on the hub, written by transformers 4."""
    return k.replace("vision_tower.", "vision_tower.vision_model.")

def inner_names(k):
    """Of transformers 5's modules."""
    k = k.replace("language_model.model.", "model.language_model.").replace("language_model.lm_head.", "lm_head.")
    return k if k.startswith(("model.", "lm_head.")) else "model." + k

def run_question(model, proc, out, name, p, gen):
    question, sizes = QUESTIONS[p]
    images = [Image.fromarray(pattern(w, h)) for w, h in sizes]
    t = rendered(name, question, images)
    inputs = proc(text=[t], images=[images] if name[0] != "l" and images else images or None, return_tensors="pt")
    ids = inputs["input_ids"][0]
    inputs = {k: v for k, v in inputs.items() if k in ("input_ids", "pixel_values", "image_sizes", "pixel_attention_mask")}
    nxt = torch.randint(5, 40, (DECODE,), generator=gen)
    with torch.no_grad():
        r = model(**inputs, use_cache=True)
        steps = [model(input_ids=n.view(1, 1), past_key_values=r.past_key_values, use_cache=True).logits[0, -1] for n in nxt]
    n = len(ids)
    rows = sorted({0, 1, n - 1, *torch.randint(0, n, (14,), generator=gen).tolist()})
    out[f"{p}.sizes"] = torch.tensor(sizes, dtype=torch.int32).reshape(-1, 2)
    out[f"{p}.question"] = torch.tensor(list(question.encode()), dtype=torch.uint8)
    out[f"{p}.ids"] = ids.to(torch.int32)
    out[f"{p}.rows"] = torch.tensor(rows, dtype=torch.int32)
    out[f"{p}.prefill"] = r.logits[0, rows]
    out[f"{p}.next"] = nxt.to(torch.int32)
    out[f"{p}.decode"] = torch.stack(steps)
    return inputs

def train(model, name, batch, out, gen):
    total, count = 0, 0
    for p, inputs in batch.items():
        ids = inputs["input_ids"][0]
        mask = (torch.rand(len(ids) - 1, generator=gen) < 0.3).float()
        nll = -torch.log_softmax(model(**inputs).logits[0, :-1], -1).gather(1, ids[1:, None])[:, 0]
        total, count = total + (nll * mask).sum(), count + mask.sum()
        out[f"train.mask.{p}"] = mask.to(torch.int32)
    loss = total / count
    loss.backward()
    out["train.loss"] = loss.detach().view(1)
    for k, w in model.named_parameters():
        if w.grad is None or "language_model" in k or "text_model" in k and "layers.0.self_attn" not in k: continue
        k = k.replace("model.vision_tower.", "vision_tower.vision_model.") if name.startswith("llava") else k
        out["grad." + k.removeprefix("model.") if name.startswith("llava") else "grad." + k] = w.grad.clone()

def make(root, name, c, seed):
    gen = torch.Generator().manual_seed(seed)
    folder = os.path.join(root, name)
    cls, cfg, proc, tok = llava(c) if name.startswith("llava") else idefics(c, name.startswith("smol"))
    model = cls(cfg)
    randomise(model, gen)
    if c.get("bf16"): model.to(torch.bfloat16)
    model.save_pretrained(folder)
    os.remove(os.path.join(folder, "generation_config.json"))
    proc.image_processor.save_pretrained(folder)
    tok.save_pretrained(folder)
    if c.get("tools"): return
    if c.get("old"): relayout(folder, old_names)
    if c.get("inner"): relayout(folder, inner_names)
    model, info = cls.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"], info
    out = {}
    batch = {p: run_question(model.eval(), proc, out, name, p, gen) for p in QUESTIONS}
    if c.get("train"): train(model, name, batch, out, gen)
    save_file({k: v.contiguous() for k, v in out.items()}, os.path.join(folder, "golden.safetensors"))

def write_buckets(path):
    """positions.tsv: positions a side, patches a side, and the position that Idefics3VisionEmbeddings gives each of the first row."""
    with open(path, "w") as f:
        for n in (1, 2, 6, 16, 19, 25, 26, 27, 32, 41, 70):
            for side in sorted({n, 1, 5, 25, 38, 64, 77}):
                cfg = Idefics3VisionConfig(hidden_size=1, num_attention_heads=1, num_hidden_layers=0, image_size=n, patch_size=1)
                e = Idefics3VisionEmbeddings(cfg)
                with torch.no_grad():
                    for p in e.parameters(): p.zero_()
                    e.position_embedding.weight.copy_(torch.arange(n * n).view(-1, 1))
                    row = e(torch.zeros(1, 3, side, side), torch.ones(1, side, side, dtype=torch.bool))[0, :side, 0].long().tolist()
                f.write("\t".join(map(str, [n, side] + row)) + "\n")

if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(1)
    only = sys.argv[2:]
    for i, (name, c) in enumerate(CASES.items()):
        if not only or name in only: make(sys.argv[1], name, c, i + 1)
    write_buckets(os.path.join(sys.argv[1], "idefics3", "positions.tsv"))
