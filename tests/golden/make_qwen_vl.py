# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/qwen_vl: tiny random Qwen2.5-VL and Qwen2-VL checkpoints as transformers saves them (bf16, to be
small), and beside each golden.safetensors with inputs and what transformers computes from them (eager attention, f32).

    python tests/golden/make_qwen_vl.py tests/golden/qwen_vl

Made with torch 2.15.0, transformers 5.23.0. Per checkpoint NAME:
    pixels           [n]                all images behind one another, each [3, h, w]
    P.images         [images, 3]        of prompt P: h, w, and where the image begins in pixels
    P.ids            [n]                prompt, image places and all
    P.prefill        [n, V]             logits of one pass over the prompt
    P.next           [k]                tokens then fed one by one, from the cache
    P.decode         [k, V]             logits behind each of them
and for the checkpoints that train, of one packed batch of all prompts with loss = mean of -log p over the marked targets:
    train.mask.P     [n - 1]            1: the token behind position i is a target
    train.loss       [1]
    grad.NAME                           gradients of the vision tower and the merger, but for the merger's large matrices
"""
import os, sys
import torch
from safetensors.torch import save_file
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2VLConfig, Qwen2VLForConditionalGeneration

VOCAB, IMAGE, DECODE, PATCH, MERGE = 71, 5, 32, 4, 2
TOKENS = dict(image_token_id=IMAGE, video_token_id=4, vision_start_token_id=2, vision_end_token_id=3)
CLASSES = {"qwen2_5_vl": (Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration),
           "qwen2_vl": (Qwen2VLConfig, Qwen2VLForConditionalGeneration)}

def text(**kw):
    d = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, intermediate_size=40,
             vocab_size=VOCAB, max_position_embeddings=256, rms_norm_eps=1e-5, bos_token_id=0, eos_token_id=1,
             rope_parameters={"rope_type": "default", "rope_theta": 1000.0, "mrope_section": [4, 6, 6]})
    return {**d, **kw}

CASES = {
    # three layers, the second of which sees whole images; windows of 2 x 2 merged patches
    "windows": ("qwen2_5_vl", dict(
        vision_config=dict(depth=3, hidden_size=40, num_heads=2, intermediate_size=20, patch_size=PATCH, spatial_merge_size=MERGE,
                           temporal_patch_size=2, window_size=16, out_hidden_size=64, fullatt_block_indexes=[1]),
        text_config=text(), tie_word_embeddings=False)),
    # tied; windows of 3 x 3, which no image fills evenly; wide heads
    "tied": ("qwen2_5_vl", dict(
        vision_config=dict(depth=2, hidden_size=32, num_heads=1, intermediate_size=28, patch_size=PATCH, spatial_merge_size=MERGE,
                           temporal_patch_size=2, window_size=24, out_hidden_size=128, fullatt_block_indexes=[0], hidden_act="gelu"),
        text_config=text(hidden_size=128, num_attention_heads=1, num_hidden_layers=1, intermediate_size=24,
                         rope_parameters={"rope_type": "default", "rope_theta": 500.0, "mrope_section": [16, 24, 24]}),
        tie_word_embeddings=True)),
    # Qwen2-VL: layer norms, a plain MLP, no windows; one frame a patch
    "qwen2": ("qwen2_vl", dict(
        vision_config=dict(depth=2, embed_dim=32, num_heads=2, mlp_ratio=2, hidden_size=64, patch_size=PATCH, spatial_merge_size=MERGE,
                           temporal_patch_size=1),
        text_config=text(num_attention_heads=1, rope_parameters={"rope_type": "default", "rope_theta": 1000.0, "mrope_section": [8, 12, 12]}),
        tie_word_embeddings=False)),
}
PROMPTS = {"text": [], "one": [(40, 24)], "two": [(8, 8), (24, 32)], "several": [(16, 48), (40, 16), (24, 24)]}     # h, w
TRAIN = ("windows", "qwen2")

def randomise(model, gen):
    """Nothing zero, nothing one; scales that keep every layer at work."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            r = torch.randn(p.shape, generator=gen)
            if "norm" in name and name.endswith("weight") or "ln_q.weight" in name: p.copy_(1 + 0.2 * r)
            elif p.ndim == 1: p.copy_(0.2 * r)
            elif "embed_tokens" in name: p.copy_(0.7 * r)
            else: p.copy_(1.2 * r / p[0].numel() ** 0.5)

def patches(image, frames):
    """As the image processor lays out a resized image: rows of (channel, frame, y, x), merged patches together."""
    c, h, w = image.shape
    gh, gw = h // PATCH, w // PATCH
    x = image.reshape(c, gh // MERGE, MERGE, PATCH, gw // MERGE, MERGE, PATCH).permute(1, 4, 2, 5, 0, 3, 6)
    x = x.unsqueeze(5).expand(-1, -1, -1, -1, -1, frames, -1, -1)
    return x.reshape(gh * gw, -1), [1, gh, gw]

def inputs(ids, images, frames):
    d = dict(input_ids=torch.tensor([ids]), mm_token_type_ids=torch.tensor([[int(i == IMAGE) for i in ids]], dtype=torch.int32))
    if images:
        rows, grid = zip(*(patches(i, frames) for i in images))
        d.update(pixel_values=torch.cat(rows), image_grid_thw=torch.tensor(grid))
    return d

def prompt(sizes, gen):
    ids = []
    word = lambda n: [int(x) for x in torch.randint(IMAGE + 1, VOCAB, (n,), generator=gen)]
    for h, w in sizes: ids += word(2) + [2] + [IMAGE] * (h * w // (PATCH * MERGE) ** 2) + [3]
    return ids + word(7)

def run_prompt(model, out, name, ids, images, frames, gen):
    nxt = torch.randint(IMAGE + 1, VOCAB, (DECODE,), generator=gen)
    with torch.no_grad():
        model.model.rope_deltas = None
        r = model(**inputs(ids, images, frames), use_cache=True)
        rows = []
        for t in nxt:
            s = model(input_ids=t.view(1, 1), past_key_values=r.past_key_values, use_cache=True)
            rows.append(s.logits[0, -1])
    out[f"{name}.ids"] = torch.tensor(ids, dtype=torch.int32)
    out[f"{name}.prefill"] = r.logits[0]
    out[f"{name}.next"] = nxt.to(torch.int32)
    out[f"{name}.decode"] = torch.stack(rows)

def file_name(n):
    return n.replace("model.language_model.", "model.").replace("model.visual.", "visual.")

def train(model, batch, out, frames):
    total, count = 0, 0
    model.model.rope_deltas = None
    for ids, images, mask in batch:
        logits = model(**inputs(ids, images, frames)).logits[0, :-1]
        nll = -torch.log_softmax(logits, -1).gather(1, torch.tensor(ids[1:]).view(-1, 1))[:, 0]
        total, count = total + (nll * mask).sum(), count + mask.sum()
    loss = total / count
    loss.backward()
    out["train.loss"] = loss.detach().view(1)
    for n, p in model.named_parameters():
        if "visual" in n and not ("merger.mlp" in n and n.endswith("weight")): out["grad." + file_name(n)] = p.grad.clone()

def load(cls, folder):
    m, info = cls.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"], info
    return m.eval()

def make(root, name, kind, cfg, seed):
    gen = torch.Generator().manual_seed(seed)
    folder = os.path.join(root, name)
    config, cls = CLASSES[kind]
    model = cls(config(**cfg, **TOKENS))
    randomise(model, gen)
    model.to(torch.bfloat16).save_pretrained(folder)
    model = load(cls, folder)
    out, batch, pixels, frames = {}, [], [], cfg["vision_config"]["temporal_patch_size"]
    for p, sizes in PROMPTS.items():
        images = [torch.randn((3, h, w), generator=gen).to(torch.bfloat16).float() for h, w in sizes]
        table = []
        for i in images:
            table.append([i.shape[1], i.shape[2], sum(x.numel() for x in pixels)])
            pixels.append(i)
        if table: out[f"{p}.images"] = torch.tensor(table, dtype=torch.int32)
        ids = prompt(sizes, gen)
        run_prompt(model, out, p, ids, images, frames, gen)
        mask = (torch.rand(len(ids) - 1, generator=gen) < 0.6).float()
        mask[-1] = 1
        batch.append((ids, images, mask))
    out["pixels"] = torch.cat([i.flatten() for i in pixels]).to(torch.bfloat16)
    if name in TRAIN:
        for p, (_, _, mask) in zip(PROMPTS, batch): out[f"train.mask.{p}"] = mask.to(torch.int32)
        train(model, batch, out, frames)
    save_file({k: v.contiguous() for k, v in out.items()}, os.path.join(folder, "golden.safetensors"))

if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(1)
    for i, (name, (kind, cfg)) in enumerate(CASES.items()): make(sys.argv[1], name, kind, cfg, i + 1)
