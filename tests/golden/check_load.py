# SPDX-License-Identifier: Apache-2.0
"""Loads folders that our model_save wrote in transformers: no tensor missing or unexpected, and the same logits.

    python tests/golden/check_load.py DIR...      DIR: a checkpoint, and ours.safetensors with ids, logits and perhaps pixels.K and sizes
"""
import os, sys
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

def qwen_vl_inputs(c, ids, images):
    from make_qwen_vl import patches
    d = {"mm_token_type_ids": (ids == c.image_token_id).int()}
    if images:
        rows, grid = zip(*(patches(i[0], c.vision_config.temporal_patch_size) for i in images))
        d.update(pixel_values=torch.cat(rows), image_grid_thw=torch.tensor(grid))
    return d

bad = 0
for folder in sys.argv[1:]:
    auto = AutoModelForImageTextToText if hasattr(AutoConfig.from_pretrained(folder), "vision_config") else AutoModelForCausalLM
    model, info = auto.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    ours = load_file(os.path.join(folder, "ours.safetensors"))
    inputs = {"input_ids": ours["ids"].long().view(1, -1)}
    images = [ours[f"pixels.{k}"] for k in range(8) if f"pixels.{k}" in ours]
    if hasattr(model.config, "vision_start_token_id"): inputs.update(qwen_vl_inputs(model.config, inputs["input_ids"], images))
    elif model.config.model_type in ("idefics3", "smolvlm") and images: inputs["pixel_values"] = torch.cat(images)[None]
    elif images: inputs["pixel_values"] = torch.cat(images)
    if model.config.model_type == "llava_next": inputs["image_sizes"] = ours["sizes"]
    with torch.no_grad(): logits = model.eval()(**inputs).logits[0]
    error = ((logits - ours["logits"]).abs().max() / logits.abs().max()).item()
    lost = [k for k, v in info.items() if v]
    print(f"{folder}: {type(model).__name__}, relative error {error:.3g}, loading: {lost or 'clean'}")
    bad += not (error <= 1e-4) or bool(lost)
sys.exit(bad)
