# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/internvl: tiny random InternVLForConditionalGeneration checkpoints as transformers saves them, and
beside each golden.safetensors with inputs and what transformers computes from them (eager attention, f32).

    python tests/golden/make_internvl.py tests/golden/internvl

Made with torch 2.15.0, transformers 5.23.0. Per checkpoint NAME:
    pixels           [tiles, 3, h, w]   of prompt P the tiles P.tiles[0] .. P.tiles[1]
    P.ids            [n]                prompt, image places and all
    P.prefill        [n, V]             logits of one pass over the prompt
    P.next           [k]                tokens then fed one by one, from the cache
    P.decode         [k, V]             logits behind each of them
and for the first checkpoint, of one packed batch of all prompts with loss = mean of -log p over the marked targets:
    train.mask.P     [n - 1]            1: the token behind position i is a target
    train.hyper      lr, b1, b2, eps, decay, clip
    train.loss       [10]               ten AdamW steps; train.frozen.loss with the vision tower frozen
    train.norm       [10]               gradient norms
    grad.NAME                           gradients of the first step
    after.NAME                          weights after the ten steps; after.frozen.NAME of a few with a frozen tower
"""
import os, sys
import torch
from safetensors.torch import save_file
from transformers import InternVLConfig, InternVLForConditionalGeneration

VOCAB, IMAGE, STEPS, DECODE = 67, 5, 10, 12

def vision(**kw):
    d = dict(model_type="internvl_vision", hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40,
             image_size=[16, 16], patch_size=[4, 4], layer_norm_eps=1e-5)
    return {**d, **kw}

def text(**kw):
    d = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=56,
             vocab_size=VOCAB, max_position_embeddings=256, rms_norm_eps=1e-5)
    return {**d, **kw}

CASES = {
    "qwen2": dict(
        vision_config=vision(attention_bias=True, use_mean_pooling=True),
        text_config=text(model_type="qwen2", rope_parameters={"rope_type": "default", "rope_theta": 1000.0}),
        image_token_id=IMAGE, image_seq_length=4, tie_word_embeddings=False),
    "llama": dict(
        vision_config=vision(norm_type="rms_norm", use_qk_norm=True, use_mean_pooling=False, image_size=[12, 12], patch_size=[2, 2],
                             num_hidden_layers=1, hidden_act="gelu_pytorch_tanh"),
        text_config=text(model_type="llama", attention_bias=True, mlp_bias=True, head_dim=12, num_attention_heads=3,
                         num_key_value_heads=1, hidden_size=30, rope_parameters={
                             "rope_type": "llama3", "rope_theta": 500.0, "factor": 4.0, "low_freq_factor": 1.0,
                             "high_freq_factor": 4.0, "original_max_position_embeddings": 32}),
        image_token_id=IMAGE, image_seq_length=9, tie_word_embeddings=True, projector_hidden_act="silu"),
    # the file in bf16 and in shards
    "bf16": dict(
        vision_config=vision(use_absolute_position_embeddings=False, hidden_size=16, num_attention_heads=2, num_hidden_layers=1),
        text_config=text(model_type="qwen2", num_attention_heads=2, num_key_value_heads=2,
                         rope_parameters={"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0}),
        image_token_id=IMAGE, image_seq_length=4, tie_word_embeddings=False),
}
PROMPTS = {"text": [], "one": [1], "two": [2], "several": [1, 3]}      # tiles of each image

def randomise(model, gen):
    """Nothing zero, nothing one; scales that keep every layer at work."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            r = torch.randn(p.shape, generator=gen)
            if name.endswith(("lambda_1", "lambda_2")): p.copy_(0.6 + 0.2 * r)
            elif "norm" in name and name.endswith("weight"): p.copy_(1 + 0.2 * r)
            elif p.ndim == 1 or "cls_token" in name or "position_embeddings" in name: p.copy_(0.2 * r)
            elif "embed_tokens" in name: p.copy_(0.7 * r)
            else: p.copy_(1.2 * r / p[0].numel() ** 0.5)

def prompt(tiles, per_tile, gen):
    ids = []
    word = lambda n: [int(x) for x in torch.randint(IMAGE + 1, VOCAB, (n,), generator=gen)]
    for n in tiles: ids += word(2) + [IMAGE] * (n * per_tile)
    return ids + word(7)

def run_prompt(model, out, name, ids, pixels, gen):
    nxt = torch.randint(IMAGE + 1, VOCAB, (DECODE,), generator=gen)
    with torch.no_grad():
        r = model(input_ids=torch.tensor([ids]), pixel_values=pixels, use_cache=True)
        rows = []
        for t in nxt:
            s = model(input_ids=t.view(1, 1), past_key_values=r.past_key_values, use_cache=True)
            rows.append(s.logits[0, -1])
    out[f"{name}.ids"] = torch.tensor(ids, dtype=torch.int32)
    out[f"{name}.prefill"] = r.logits[0]
    out[f"{name}.next"] = nxt.to(torch.int32)
    out[f"{name}.decode"] = torch.stack(rows)

def loss_of(model, batch):
    total, count = 0, 0
    for ids, pixels, mask in batch:
        logits = model(input_ids=torch.tensor([ids]), pixel_values=pixels).logits[0, :-1]
        nll = -torch.log_softmax(logits, -1).gather(1, torch.tensor(ids[1:]).view(-1, 1))[:, 0]
        total, count = total + (nll * mask).sum(), count + mask.sum()
    return total / count

def groups(model, decay):
    """Decay for matrices, none for vectors and position tables: the engine's rule."""
    mats = [p for n, p in model.named_parameters() if p.requires_grad and p.ndim in (2, 4)]
    rest = [p for n, p in model.named_parameters() if p.requires_grad and p.ndim not in (2, 4)]
    return [{"params": mats, "weight_decay": decay}, {"params": rest, "weight_decay": 0.0}]

def file_name(n):
    n = n.replace("model.language_model.", "language_model.model.").replace("lm_head.", "language_model.lm_head.")
    return n.replace("model.vision_tower.", "vision_tower.").replace("model.multi_modal_projector.", "multi_modal_projector.")

def train(folder, batch, out, frozen):
    # eps: gradients that are zero but for rounding (a key's bias under softmax) must stay small after division by sqrt(v)
    lr, b1, b2, eps, decay, clip = 3e-3, 0.9, 0.95, 1e-5, 0.1, 1.0
    model = load(folder)
    if frozen:
        for p in model.model.vision_tower.parameters(): p.requires_grad = False
    opt = torch.optim.AdamW(groups(model, decay), lr=lr, betas=(b1, b2), eps=eps)
    losses, norms = [], []
    for step in range(STEPS):
        opt.zero_grad()
        loss = loss_of(model, batch)
        loss.backward()
        if step == 0 and not frozen:
            for n, p in model.named_parameters(): out["grad." + file_name(n)] = p.grad.clone()
        norms.append(torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], clip))
        opt.step()
        losses.append(loss.detach())
    tag = "frozen." if frozen else ""
    out["train.hyper"] = torch.tensor([lr, b1, b2, eps, decay, clip])
    out[f"train.{tag}loss"], out[f"train.{tag}norm"] = torch.stack(losses), torch.stack(norms)
    keep = ["multi_modal_projector", "lm_head", "layers.1.self_attn"] if frozen else [""]
    for n, p in model.named_parameters():
        if any(k in n for k in keep): out[f"after.{tag}" + file_name(n)] = p.detach().clone()

def load(folder):
    m, info = InternVLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager",
                                                               output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"], info
    return m.eval()

def make(root, name, cfg, seed):
    gen = torch.Generator().manual_seed(seed)
    folder = os.path.join(root, name)
    model = InternVLForConditionalGeneration(InternVLConfig(**cfg))
    randomise(model, gen)
    if name == "bf16": model.to(torch.bfloat16)
    model.save_pretrained(folder, max_shard_size="30KB" if name == "bf16" else "5GB")
    model = load(folder)
    out, batch, all_tiles = {}, [], []
    side = cfg["vision_config"]["image_size"][0]
    for p, tiles in PROMPTS.items():
        n = sum(tiles)
        pixels = torch.randn((n, 3, side, side), generator=gen) if n else None
        out[f"{p}.tiles"] = torch.tensor([len(all_tiles), len(all_tiles) + n], dtype=torch.int32)
        if n: all_tiles += list(pixels)
        ids = prompt(tiles, cfg["image_seq_length"], gen)
        run_prompt(model, out, p, ids, pixels, gen)
        mask = (torch.rand(len(ids) - 1, generator=gen) < 0.6).float()
        mask[-1] = 1
        batch.append((ids, pixels, mask))
    out["pixels"] = torch.stack(all_tiles)
    if name == "qwen2":
        for p, (_, _, mask) in zip(PROMPTS, batch): out[f"train.mask.{p}"] = mask.to(torch.int32)
        train(folder, batch, out, False)
        train(folder, batch, out, True)
    save_file({k: v.contiguous() for k, v in out.items()}, os.path.join(folder, "golden.safetensors"))

if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(1)
    for i, (name, cfg) in enumerate(CASES.items()): make(sys.argv[1], name, cfg, i + 1)
