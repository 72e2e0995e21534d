# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/internvl_chat: tiny random checkpoints in the original layout of InternVL 2, 2.5 and 3 (model_type
internvl_chat), one of an InternLM2 on its own, and beside each golden.safetensors with inputs and expected outputs.

    python tests/golden/make_internvl_chat.py tests/golden/internvl_chat
    python tests/golden/make_internvl_chat.py --check DIR...       DIR: a checkpoint that model_save wrote

transformers carries neither InternVLChatModel nor InternLM2. What is expected comes from a rewriting of the published
modelling code in plain torch functions over the checkpoint's tensors, below; preprocessing from Pillow. Run beside the
published code (transformers 4.44.2, eager attention) it gives the same logits within 1e-6 and the same pixels. Made with
torch 2.15.0, Pillow 13.0.0. golden.safetensors holds, as make_internvl.py describes them, pixels and P.tiles, P.ids, P.prefill,
P.next, P.decode of the prompts P, image_token, and of some pictures
    image.I.rgb      [h, w, 3] u8
    image.I.pixels   [tiles, 3, side, side] f32
"""
import json, os, sys
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file, save_file

IMAGE, DECODE = 5, 32
PROMPTS = {"text": [], "one": [1], "two": [2], "several": [1, 3]}      # tiles of each image
ASKED = {"internlm2": list(PROMPTS), "qwen2": ["text", "several"], "llama": ["one", "two"], "decoder": ["text"]}
PICTURES = [(40, 30), (90, 17), (16, 16), (21, 64)]
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])

VIT_300M = dict(model_type="intern_vit_6b", architectures=["InternVisionModel"], norm_type="layer_norm", qkv_bias=True,
                qk_normalization=False, hidden_size=24, num_attention_heads=3, num_hidden_layers=2, intermediate_size=40,
                image_size=16, patch_size=4, layer_norm_eps=1e-6, hidden_act="gelu", initializer_factor=1.0, num_channels=3,
                dropout=0.0, attention_dropout=0.0, drop_path_rate=0.1, use_flash_attn=True, torch_dtype="bfloat16")
VIT_6B = dict(VIT_300M, norm_type="rms_norm", qkv_bias=False, qk_normalization=True, hidden_size=30, num_attention_heads=5,
              intermediate_size=44, initializer_factor=0.1)
DYNAMIC = {"type": "dynamic", "factor": 2.0}

def decoder(kind, arch, **kw):
    return dict(dict(model_type=kind, architectures=[arch], hidden_act="silu", rms_norm_eps=1e-5, num_hidden_layers=2,
                     max_position_embeddings=256, vocab_size=67, rope_theta=1e6, rope_scaling=None, tie_word_embeddings=False,
                     use_cache=True, torch_dtype="bfloat16"), **kw)

def chat(vision, llm, **kw):
    return dict(dict(model_type="internvl_chat", architectures=["InternVLChatModel"], vision_config=vision, llm_config=llm,
                     downsample_ratio=0.5, dynamic_image_size=True, force_image_size=16, max_dynamic_patch=6, min_dynamic_patch=1,
                     pad2square=False, ps_version="v2", select_layer=-1, template="internvl2_5", use_backbone_lora=0,
                     use_llm_lora=0, use_thumbnail=True, tie_word_embeddings=False, torch_dtype="bfloat16"), **kw)

INTERNLM2 = decoder("internlm2", "InternLM2ForCausalLM", hidden_size=96, num_attention_heads=3, num_key_value_heads=1,
                    intermediate_size=29, vocab_size=71, bias=False, rope_scaling=DYNAMIC, eos_token_id=2)
CASES = {
    # InternVL2.5-8B's form, and what the CoS models add to it: a vocabulary grown where the original code writes it
    "internlm2": chat(VIT_300M, dict(INTERNLM2, vocab_size=54), vocab_size=71),
    # InternVL2.5-38B's form
    "qwen2": chat(VIT_6B, decoder("qwen2", "Qwen2ForCausalLM", hidden_size=64, num_attention_heads=1, num_key_value_heads=1,
                                  num_hidden_layers=1, intermediate_size=35, rope_scaling=dict(DYNAMIC, rope_type="dynamic"), sliding_window=None,
                                  use_sliding_window=False, attention_dropout=0.0), max_dynamic_patch=4),
    # tied, which no released model is
    "llama": chat(VIT_300M, decoder("llama", "LlamaForCausalLM", hidden_size=128, num_attention_heads=1, num_key_value_heads=1,
                                    num_hidden_layers=1, intermediate_size=37, rope_theta=500.0, tie_word_embeddings=True),
                  use_thumbnail=False, tie_word_embeddings=True),
    # on its own, with biases, groups of two
    "decoder": dict(INTERNLM2, num_attention_heads=4, num_key_value_heads=2, num_hidden_layers=1, hidden_size=128, bias=True,
                    rope_scaling=None),
}

# ---- a random checkpoint ----
def shapes(cfg):
    out, llm = {}, cfg.get("llm_config", cfg)
    if "vision_config" in cfg:
        v = cfg["vision_config"]
        C, M, n = v["hidden_size"], v["intermediate_size"], (v["image_size"] // v["patch_size"]) ** 2
        e = "vision_model.embeddings."
        out |= {e + "class_embedding": (1, 1, C), e + "position_embedding": (1, n + 1, C), e + "patch_embedding.bias": (C,),
                e + "patch_embedding.weight": (C, 3, v["patch_size"], v["patch_size"])}
        for l in range(v["num_hidden_layers"]):
            p = f"vision_model.encoder.layers.{l}."
            out |= {p + "ls1": (C,), p + "ls2": (C,), p + "attn.qkv.weight": (3 * C, C), p + "attn.proj.weight": (C, C),
                    p + "attn.proj.bias": (C,), p + "mlp.fc1.weight": (M, C), p + "mlp.fc1.bias": (M,),
                    p + "mlp.fc2.weight": (C, M), p + "mlp.fc2.bias": (C,), p + "norm1.weight": (C,), p + "norm2.weight": (C,)}
            if v["norm_type"] == "layer_norm": out |= {p + "norm1.bias": (C,), p + "norm2.bias": (C,)}
            if v["qkv_bias"]: out[p + "attn.qkv.bias"] = (3 * C,)
            if v["qk_normalization"]: out |= {p + "attn.q_norm.weight": (C,), p + "attn.k_norm.weight": (C,)}
        T = llm["hidden_size"]
        out |= {"mlp1.0.weight": (4 * C,), "mlp1.0.bias": (4 * C,), "mlp1.1.weight": (T, 4 * C), "mlp1.1.bias": (T,),
                "mlp1.3.weight": (T, T), "mlp1.3.bias": (T,)}
    return out | text_shapes(cfg, llm)

def text_shapes(cfg, c):
    C, M, H, Hk = c["hidden_size"], c["intermediate_size"], c["num_attention_heads"], c["num_key_value_heads"]
    D, V = c.get("head_dim", C // H), cfg.get("vocab_size", c["vocab_size"])
    pre, lm2, out = "language_model." if "llm_config" in cfg else "", c["model_type"] == "internlm2", {}
    for l in range(c["num_hidden_layers"]):
        p = f"{pre}model.layers.{l}."
        if lm2:
            out |= {p + "attention.wqkv.weight": ((H + 2 * Hk) * D, C), p + "attention.wo.weight": (C, H * D),
                    p + "feed_forward.w1.weight": (M, C), p + "feed_forward.w3.weight": (M, C), p + "feed_forward.w2.weight": (C, M),
                    p + "attention_norm.weight": (C,), p + "ffn_norm.weight": (C,)}
            if c["bias"]: out |= {p + "attention.wqkv.bias": ((H + 2 * Hk) * D,), p + "attention.wo.bias": (C,)}
            continue
        out |= {p + "self_attn.q_proj.weight": (H * D, C), p + "self_attn.k_proj.weight": (Hk * D, C),
                p + "self_attn.v_proj.weight": (Hk * D, C), p + "self_attn.o_proj.weight": (C, H * D), p + "mlp.gate_proj.weight": (M, C),
                p + "mlp.up_proj.weight": (M, C), p + "mlp.down_proj.weight": (C, M), p + "input_layernorm.weight": (C,),
                p + "post_attention_layernorm.weight": (C,)}
        if c["model_type"] == "qwen2": out |= {p + f"self_attn.{x}_proj.bias": (n * D,) for x, n in (("q", H), ("k", Hk), ("v", Hk))}
    out[pre + "model.norm.weight"] = (C,)
    out[pre + ("model.tok_embeddings.weight" if lm2 else "model.embed_tokens.weight")] = (V, C)
    if not c["tie_word_embeddings"]: out[pre + ("output.weight" if lm2 else "lm_head.weight")] = (V, C)
    return out

def randomise(cfg, gen):
    """Nothing zero, nothing one; scales that keep every layer at work."""
    w = {}
    for name, shape in shapes(cfg).items():
        r = torch.randn(shape, generator=gen)
        if name.endswith((".ls1", ".ls2")): r = 0.6 + 0.2 * r
        elif name.endswith("weight") and len(shape) == 1: r = 1 + 0.2 * r
        elif len(shape) == 1 or "class_embedding" in name or "position_embedding" in name: r = 0.2 * r
        elif "embed_tokens" in name or "tok_embeddings" in name: r = 0.7 * r
        else: r = 1.2 * r / r[0].numel() ** 0.5
        w[name] = r.to(torch.bfloat16) if cfg["torch_dtype"] == "bfloat16" else r
    return w

# ---- the tower and the projector ----
def vit_norm(x, w, name, v):
    if v["norm_type"] == "layer_norm": return F.layer_norm(x, x.shape[-1:], w[name + ".weight"], w[name + ".bias"], v["layer_norm_eps"])
    return rms(x, w[name + ".weight"], v["layer_norm_eps"])

def rms(x, weight, eps): return weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps))

def vit_attention(x, w, p, v):
    n, t, C = x.shape
    q, k, val = F.linear(x, w[p + "qkv.weight"], w.get(p + "qkv.bias")).split(C, -1)
    if v["qk_normalization"]:
        q, k = (rms(a, w[f"{p}{b}_norm.weight"], v["layer_norm_eps"]) for a, b in ((q, "q"), (k, "k")))
    heads = lambda a: a.view(n, t, v["num_attention_heads"], -1).transpose(1, 2)
    q, k, val = heads(q), heads(k), heads(val)
    o = torch.softmax(q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5, -1) @ val
    return F.linear(o.transpose(1, 2).reshape(n, t, C), w[p + "proj.weight"], w[p + "proj.bias"])

def encode(cfg, w, pixels):
    v, e = cfg["vision_config"], "vision_model.embeddings."
    x = F.conv2d(pixels, w[e + "patch_embedding.weight"], w[e + "patch_embedding.bias"], stride=v["patch_size"])
    n, C, side, _ = x.shape
    x = torch.cat([w[e + "class_embedding"].expand(n, 1, C), x.flatten(2).transpose(1, 2)], 1) + w[e + "position_embedding"]
    for l in range(v["num_hidden_layers"]):
        p = f"vision_model.encoder.layers.{l}."
        x = x + vit_attention(vit_norm(x, w, p + "norm1", v), w, p + "attn.", v) * w[p + "ls1"]
        h = F.gelu(F.linear(vit_norm(x, w, p + "norm2", v), w[p + "mlp.fc1.weight"], w[p + "mlp.fc1.bias"]))
        x = x + F.linear(h, w[p + "mlp.fc2.weight"], w[p + "mlp.fc2.bias"]) * w[p + "ls2"]
    # pixel shuffle v2: two by two patches side by side, rows outermost
    x = x[:, 1:].view(n, side // 2, 2, side // 2, 2, C).permute(0, 1, 3, 2, 4, 5).reshape(-1, 4 * C)
    x = F.layer_norm(x, x.shape[-1:], w["mlp1.0.weight"], w["mlp1.0.bias"], 1e-5)
    x = F.gelu(F.linear(x, w["mlp1.1.weight"], w["mlp1.1.bias"]))
    return F.linear(x, w["mlp1.3.weight"], w["mlp1.3.bias"])

# ---- the decoder ----
def rotate(x, pos, theta):
    """x [heads, t, D]"""
    D = x.shape[-1]
    freq = 1.0 / theta ** (torch.arange(0, D, 2).float() / D)
    a = torch.outer(pos.float(), freq)
    cos, sin, (x1, x2) = a.cos(), a.sin(), x.split(D // 2, -1)
    return torch.cat([x1 * cos - x2 * sin, x2 * cos + x1 * sin], -1)

def qkv(x, w, p, c):
    """q [H, t, D], k and v [Hk, t, D]"""
    t, H, Hk = len(x), c["num_attention_heads"], c["num_key_value_heads"]
    if c["model_type"] == "internlm2":
        a = F.linear(x, w[p + "attention.wqkv.weight"], w.get(p + "attention.wqkv.bias")).view(t, Hk, H // Hk + 2, -1)
        return a[:, :, :-2].reshape(t, H, -1).transpose(0, 1), a[:, :, -2].transpose(0, 1), a[:, :, -1].transpose(0, 1)
    return [F.linear(x, w[f"{p}self_attn.{n}_proj.weight"], w.get(f"{p}self_attn.{n}_proj.bias")).view(t, h, -1).transpose(0, 1)
            for n, h in (("q", H), ("k", Hk), ("v", Hk))]

def decode(cfg, w, x, cache):
    """Logits [t, V] of the embedded tokens x [t, C], which stand behind the cached ones."""
    c, pre = cfg.get("llm_config", cfg), "language_model." if "llm_config" in cfg else ""
    lm2, eps, G = c["model_type"] == "internlm2", c["rms_norm_eps"], c["num_attention_heads"] // c["num_key_value_heads"]
    names = (("attention_norm", "ffn_norm", "attention.wo", "feed_forward.w1", "feed_forward.w3", "feed_forward.w2") if lm2 else
             ("input_layernorm", "post_attention_layernorm", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"))
    past = cache[0][0].shape[1] if cache else 0
    pos, t = torch.arange(past, past + len(x)), len(x)
    mask = torch.full((t, past + t), float("-inf")).triu(past + 1)
    for l in range(c["num_hidden_layers"]):
        p = f"{pre}model.layers.{l}."
        n1, n2, wo, gate, up, down = (p + n for n in names)
        q, k, v = qkv(rms(x, w[n1 + ".weight"], eps), w, p, c)
        q, k = rotate(q, pos, c["rope_theta"]), rotate(k, pos, c["rope_theta"])
        if len(cache) > l: k, v = torch.cat([cache[l][0], k], 1), torch.cat([cache[l][1], v], 1)
        cache[l:l + 1] = [(k, v)]
        k, v = k.repeat_interleave(G, 0), v.repeat_interleave(G, 0)
        o = torch.softmax(q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5 + mask, -1) @ v
        x = x + F.linear(o.transpose(0, 1).reshape(t, -1), w[wo + ".weight"], w.get(wo + ".bias"))
        h = rms(x, w[n2 + ".weight"], eps)
        x = x + F.linear(F.silu(F.linear(h, w[gate + ".weight"])) * F.linear(h, w[up + ".weight"]), w[down + ".weight"])
    x = rms(x, w[pre + "model.norm.weight"], eps)
    return F.linear(x, w[head_name(c, pre)])

def embed_name(c, pre): return pre + ("model.tok_embeddings.weight" if c["model_type"] == "internlm2" else "model.embed_tokens.weight")
def head_name(c, pre): return embed_name(c, pre) if c["tie_word_embeddings"] else pre + ("output.weight" if c["model_type"] == "internlm2" else "lm_head.weight")

def run_prompt(cfg, w, out, name, ids, pixels, gen):
    c, pre = cfg.get("llm_config", cfg), "language_model." if "llm_config" in cfg else ""
    table = w[embed_name(c, pre)]
    nxt = torch.randint(IMAGE + 1, len(table), (DECODE,), generator=gen)
    x, cache = table[torch.tensor(ids)].clone(), []
    if pixels is not None: x[torch.tensor(ids) == IMAGE] = encode(cfg, w, pixels)
    out[f"{name}.ids"] = torch.tensor(ids, dtype=torch.int32)
    out[f"{name}.prefill"] = decode(cfg, w, x, cache)
    out[f"{name}.next"] = nxt.to(torch.int32)
    out[f"{name}.decode"] = torch.cat([decode(cfg, w, table[t].view(1, -1), cache) for t in nxt])

# ---- pictures ----
def tiles(cfg, im):
    """The grid nearest in aspect, of equally near ones the larger while the picture fills half of it; the picture resized onto
    it and cut; behind several tiles a small one of the whole."""
    side, lo, hi = cfg["force_image_size"], cfg["min_dynamic_patch"], cfg["max_dynamic_patch"]
    aspect, area, best, far = im.width / im.height, im.width * im.height, (1, 1), float("inf")
    for n in range(lo, hi + 1):
        for cols in range(1, n + 1):
            if n % cols: continue
            d = abs(aspect - cols / (n // cols))
            if d < far or d == far and area > 0.5 * side * side * n: best, far = (cols, n // cols), d
    big = im.resize((side * best[0], side * best[1]), Image.BICUBIC)
    out = [big.crop((x * side, y * side, (x + 1) * side, (y + 1) * side)) for y in range(best[1]) for x in range(best[0])]
    if cfg["use_thumbnail"] and len(out) > 1: out.append(im.resize((side, side), Image.BICUBIC))
    return torch.stack([(tensor(t).float() / 255 - MEAN) / STD for t in out]).permute(0, 3, 1, 2).contiguous()

def tensor(im): return torch.frombuffer(bytearray(im.tobytes()), dtype=torch.uint8).view(im.height, im.width, 3)

def picture(w, h, gen):
    """Smooth colour with edges and some noise."""
    small = torch.randint(0, 256, (4, 5, 3), dtype=torch.uint8, generator=gen)
    im = tensor(Image.frombytes("RGB", (5, 4), small.numpy().tobytes()).resize((w, h), Image.BILINEAR))
    im = im.int() + torch.randint(-20, 21, im.shape, generator=gen)
    im[h // 3:h // 2, w // 4:w // 2] = torch.tensor([250, 8, 90])
    return im.clamp(0, 255).to(torch.uint8)

def put_pictures(cfg, out, gen, count):
    for i, (w, h) in enumerate(PICTURES[:count]):
        rgb = picture(w, h, gen)
        out[f"image.{i}.rgb"] = rgb
        out[f"image.{i}.pixels"] = tiles(cfg, Image.frombytes("RGB", (w, h), rgb.numpy().tobytes()))

def prompt(counts, vocab, gen):
    ids = []
    word = lambda n: [int(x) for x in torch.randint(IMAGE + 1, vocab, (n,), generator=gen)]
    for n in counts: ids += word(2) + [IMAGE] * (n * 4)
    return ids + word(7)

def make(root, name, cfg, seed):
    gen = torch.Generator().manual_seed(seed)
    folder = os.path.join(root, name)
    os.makedirs(folder, exist_ok=True)
    saved = randomise(cfg, gen)
    save_file(saved, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
    json.dump(cfg, open(os.path.join(folder, "config.json"), "w"), indent=2, sort_keys=True)
    w, out, all_tiles = {k: v.float() for k, v in saved.items()}, {"image_token": torch.tensor([IMAGE], dtype=torch.int32)}, []
    vision = "vision_config" in cfg
    for p in ASKED[name]:
        n = sum(PROMPTS[p])
        pixels = torch.randn((n, 3, 16, 16), generator=gen) if n else None
        out[f"{p}.tiles"] = torch.tensor([len(all_tiles), len(all_tiles) + n], dtype=torch.int32)
        if n: all_tiles += list(pixels)
        run_prompt(cfg, w, out, p, prompt(PROMPTS[p], 54, gen), pixels, gen)
    if vision:
        out["pixels"] = torch.stack(all_tiles)
        put_pictures(cfg, out, gen, 4 if name == "internlm2" else 2)
    save_file({k: v.contiguous() for k, v in out.items()}, os.path.join(folder, "golden.safetensors"))

def check(folder):
    """A folder our model_save wrote, with ours.safetensors: the published layout's tensors, no more, no fewer; our logits."""
    cfg, ours = json.load(open(os.path.join(folder, "config.json"))), load_file(os.path.join(folder, "ours.safetensors"))
    w, c = load_file(os.path.join(folder, "model.safetensors")), cfg.get("llm_config", cfg)
    same = {k: tuple(v.shape) for k, v in w.items()} == shapes(cfg)
    pre = "language_model." if c is not cfg else ""
    logits = decode(cfg, w, w[embed_name(c, pre)][ours["ids"].long()], [])
    error = ((logits - ours["logits"]).abs().max() / logits.abs().max()).item()
    print(f"# {folder}: relative error {error:.3g}, tensors {'as published' if same else 'DIFFER'}")
    return same and error <= 1e-4

if __name__ == "__main__":
    torch.set_num_threads(1)
    with torch.no_grad():
        if sys.argv[1] == "--check": sys.exit(not all([check(f) for f in sys.argv[2:]]))
        for i, (name, cfg) in enumerate(CASES.items()): make(sys.argv[1], name, cfg, i + 1)
