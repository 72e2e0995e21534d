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
The folder "input" has a tokenizer and image settings beside its weights; its golden.safetensors, for each of QUESTIONS:
    Q.ids            [n]                what the processor makes of the question and its images (make_preprocess.pattern)
    Q.image.K        [3, h, w]          image K of it, its patches put together again
"""
import json, os, sys
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

QUESTIONS = [                                  # the images' w, h; <image> marks where they stand in the text
    ("How many?", []),
    ("What is\n  this?", [(30, 21)]),
    ("Compare <image> with <image>: which is 12 wide?", [(17, 40), (9, 9)]),
    ("Then <image>\nthere.", [(50, 12), (16, 24)]),
]
CHAT = ("{% for m in messages %}{% if loop.first and m['role'] != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        "{% endif %}<|im_start|>{{ m['role'] }}\n{% for c in m['content'] %}{% if c['type'] == 'image' %}<|vision_start|><|image_pad|>"
        "<|vision_end|>{% else %}{{ c['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")      # what the published template does with these
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]

def make_tokenizer():
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast
    t = Tokenizer(models.BPE())
    split = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(split), "isolated"),
                                               pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    lines = [q for q, _ in QUESTIONS] * 5 + ["system You are a helpful assistant. user assistant"] * 5
    t.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=300, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    t.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in SPECIAL])
    return PreTrainedTokenizerFast(tokenizer_object=t, eos_token="<|im_end|>", pad_token="<|endoftext|>")

def messages(question, images):
    parts, rest = question.split("<image>"), list(images)
    content = [{"type": "image", "image": rest.pop(0)} for _ in range(len(images) - len(parts) + 1)]
    for i, p in enumerate(parts):
        if i: content.append({"type": "image", "image": rest.pop(0)})
        if p: content.append({"type": "text", "text": p})
    return [{"role": "user", "content": content}]

def make_input(root):
    from PIL import Image
    from transformers import Qwen2_5_VLProcessor, Qwen2VLImageProcessor, Qwen2VLVideoProcessor
    from make_preprocess import pattern
    folder, out = os.path.join(root, "input"), {}
    os.makedirs(folder, exist_ok=True)
    tok, images = make_tokenizer(), Qwen2VLImageProcessor(patch_size=PATCH, merge_size=MERGE, min_pixels=256, max_pixels=1024)
    p = Qwen2_5_VLProcessor(images, tok, Qwen2VLVideoProcessor(), chat_template=CHAT)
    small = dict(hidden_size=16, num_heads=1, depth=2, out_hidden_size=32)
    cfg = dict(vision_config={**CASES["windows"][1]["vision_config"], **small}, tie_word_embeddings=True,
               **{**TOKENS, "image_token_id": tok.convert_tokens_to_ids("<|image_pad|>")},
               text_config=text(hidden_size=32, num_attention_heads=1, num_hidden_layers=1, intermediate_size=24, vocab_size=len(tok),
                                max_position_embeddings=512, eos_token_id=tok.eos_token_id))
    model = Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(**cfg))
    randomise(model, torch.Generator().manual_seed(9))
    model.to(torch.bfloat16).save_pretrained(folder)
    images.to_json_file(os.path.join(folder, "preprocessor_config.json"))
    tok.backend_tokenizer.save(os.path.join(folder, "tokenizer.json"))
    for i, (question, sizes) in enumerate(QUESTIONS):
        m = messages(question, [Image.fromarray(pattern(w, h)) for w, h in sizes])
        r = p.apply_chat_template(m, tokenize=True, add_generation_prompt=True, return_dict=True, return_tensors="pt")
        out[f"{i}.ids"] = r["input_ids"][0].to(torch.int32)
        at = 0
        for k, (_, gh, gw) in enumerate(r["image_grid_thw"].tolist() if sizes else []):
            x = r["pixel_values"][at:at + gh * gw].reshape(gh // MERGE, gw // MERGE, MERGE, MERGE, 3, 2, PATCH, PATCH)[:, :, :, :, :, 0]
            out[f"{i}.image.{k}"] = x.permute(4, 0, 2, 5, 1, 3, 6).reshape(3, gh * PATCH, gw * PATCH)
            at += gh * gw
    with open(os.path.join(folder, "questions.json"), "w") as f: json.dump(QUESTIONS, f)
    save_file({k: v.contiguous() for k, v in out.items()}, os.path.join(folder, "golden.safetensors"))

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
    make_input(sys.argv[1])
