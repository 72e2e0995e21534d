# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/objectives/golden.safetensors: losses and gradients of the reward model and preference objectives, by
torch's own functions and autograd, on numbers alone and through the whole model of tests/golden/internvl/qwen2.

    python tests/golden/make_objectives.py tests/golden

Made with torch 2.15.0, transformers 5.23.0. On numbers, f64:
    prm.numbers      [n, 4]     logit difference d, target t -> loss, d loss / d d       (d up to +-800: saturated)
    dpo.numbers      [n, 16]    beta, weights (sigmoid, ipo, bco, nll), D, lp (chosen, rejected), reference's, lengths
                                -> loss, d loss / d lp (chosen, rejected), margin
Through the model, f32 (case C of the lists below; P: prompts of the checkpoint's golden.safetensors):
    prm.ids.P        [n]        a response with tags, put behind prompt P
    dpo.ids.P.S      [n]        responses, S: chosen, rejected
    C.tags           [tags, 2]  targets and weights, of all prompts in turn
    C.head           [1]        factor of the head's two rows
    C.ref            [P, 2]     the reference's sums
    C.terms          [6]        beta, weights, D
    C.loss           [1]
    C.grad           [params, 2]    for each parameter, ascending by name: the gradient's norm, and its product with
                                    the vector cos(i), i = 0, 1, ...
"""
import os, sys
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from make_internvl import IMAGE, PROMPTS, VOCAB, file_name, load

TAG, BAD, GOOD = 60, 61, 62

# case: hard targets, k of n, k of n with weight n, some neutral and some unknown; head: the two rows times this (saturation)
PRM = {"prm.hard": dict(kind="hard"), "prm.soft": dict(kind="soft"), "prm.count": dict(kind="count"), "prm.neutral": dict(kind="neutral"),
       "prm.saturated": dict(kind="hard", head=300.0)}
# case: beta, sigmoid, ipo, bco, nll, D; far: how far the reference is off (beta d beyond +-100: saturated)
DPO = {"dpo.sigmoid": dict(w=(0.1, 1, 0, 0, 0, 0)), "dpo.ipo": dict(w=(0.3, 0, 1, 0, 0, 0)), "dpo.bco": dict(w=(0.1, 0, 0, 1, 0, 0.25)),
       "dpo.nll": dict(w=(0.1, 0, 0, 0, 1, 0)), "dpo.all": dict(w=(0.2, 0.8, 0.3, 0.2, 1, -0.5)),
       "dpo.saturated": dict(w=(0.1, 1, 0, 1, 0, 0.25), far=1500.0)}

# ---- on numbers ----

def prm_loss(bad, good, t):
    """Cross entropy of the softmax over the two logits against (1 - t, t)."""
    return F.cross_entropy(torch.stack([bad, good], -1), torch.stack([1 - t, t], -1), reduction="none")

def prm_numbers():
    d, t = [x.flatten() for x in torch.meshgrid(
        torch.tensor([0.0, 0.5, -0.5, 3, -3, 20, -20, 100, -100, 800, -800], dtype=torch.float64),
        torch.tensor([0.0, 0.3125, 0.5, 1], dtype=torch.float64), indexing="ij")]
    good = d.clone().requires_grad_()
    loss = prm_loss(torch.zeros_like(d), good, t)
    loss.sum().backward()
    return torch.stack([d, t, loss.detach(), good.grad], 1)

def dpo_loss(w, lp, ref, n):
    """lp, ref, n: [pairs, 2], chosen and rejected. DPO, IPO (by token, as TRL), BCO with its shift given, NLL by token."""
    beta, sigmoid, ipo, bco, nll, shift = w
    gain = lp - ref
    margin = gain[:, 0] - gain[:, 1]
    loss = sigmoid * -F.logsigmoid(beta * margin)
    loss = loss + ipo * (gain[:, 0] / n[:, 0] - gain[:, 1] / n[:, 1] - 1 / (2 * beta)) ** 2
    loss = loss + bco * (-F.logsigmoid(beta * gain[:, 0] - shift) - F.logsigmoid(-(beta * gain[:, 1] - shift)))
    return loss + nll * -lp[:, 0] / n[:, 0], margin

def dpo_numbers():
    rows = []
    for w in [c["w"] for c in DPO.values()]:
        for a, b in [(-20, -30), (-30, -20), (-25, -25), (-10, -1010), (-1010, -10), (-3, -9000), (-9000, -3)]:
            lp = torch.tensor([[a, b]], dtype=torch.float64, requires_grad=True)
            ref, n = torch.tensor([[-24.0, -26.5]], dtype=torch.float64), torch.tensor([[7.0, 11.0]], dtype=torch.float64)
            loss, margin = dpo_loss(w, lp, ref, n)
            loss.sum().backward()
            rows.append(torch.cat([torch.tensor(w, dtype=torch.float64), lp.detach()[0], ref[0], n[0], loss.detach(), lp.grad[0],
                                   margin.detach()]))
    return torch.stack(rows)

# ---- through the model ----

def words(n, gen):
    return [int(x) for x in torch.randint(IMAGE + 1, TAG, (n,), generator=gen)]

def logits_of(model, golden, p, ids):
    tiles = golden[f"{p}.tiles"]
    pixels = golden["pixels"][tiles[0]:tiles[1]] if tiles[1] > tiles[0] else None
    return model(input_ids=torch.tensor([golden[f"{p}.ids"].tolist() + ids]), pixel_values=pixels).logits[0]

def put_gradients(model, out, name, loss):
    model.zero_grad()
    loss.backward()
    grads = sorted((file_name(n), p.grad.flatten().double()) for n, p in model.named_parameters())
    out[f"{name}.loss"] = loss.detach().view(1)
    wave = lambda n: torch.cos(torch.arange(n, dtype=torch.float64))
    out[f"{name}.grad"] = torch.stack([torch.stack([g.norm(), g @ wave(len(g))]) for _, g in grads])

def prm_targets(kind, n, gen):
    k, of = torch.randint(0, 17, (n,), generator=gen), torch.randint(1, 17, (n,), generator=gen)
    share, one = torch.minimum(k, of) / of, torch.ones(n)
    if kind == "hard": return (share >= 0.5).float(), one
    if kind == "soft": return share, one
    if kind == "count": return share, of.float()
    pick = torch.arange(n) % 3                 # neutral, unknown, soft
    return torch.where(pick == 0, 0.5, share), torch.where(pick == 1, 0.0, 1.0)

def prm_case(folder, golden, out, name, kind, gen, responses, head=1.0):
    model = load(folder)
    with torch.no_grad(): model.lm_head.weight[[BAD, GOOD]] *= head
    n = sum(r.count(TAG) for r in responses.values())
    target, weight = prm_targets(kind, n, gen)
    total, at = 0, 0
    for p, ids in responses.items():
        logits = logits_of(model, golden, p, ids)
        rows = logits[-len(ids):][torch.tensor(ids) == TAG]
        k = len(rows)
        total = total + (weight[at:at + k] * prm_loss(rows[:, BAD], rows[:, GOOD], target[at:at + k])).sum()
        at += k
    out[f"{name}.tags"], out[f"{name}.head"] = torch.stack([target, weight], 1), torch.tensor([head])
    put_gradients(model, out, name, total / weight.sum())

def sum_logp(model, golden, p, ids):
    prompt = len(golden[f"{p}.ids"])
    logits = logits_of(model, golden, p, ids)[prompt - 1:-1]
    return torch.log_softmax(logits, -1).gather(1, torch.tensor(ids).view(-1, 1)).sum()

def dpo_case(folder, golden, out, name, w, gen, pairs, far=0.0):
    model = load(folder)
    lp = torch.stack([torch.stack([sum_logp(model, golden, p, ids) for ids in sides]) for p, sides in pairs.items()])
    n = torch.tensor([[float(len(ids)) for ids in sides] for sides in pairs.values()])
    sign = torch.tensor([1.0, -1.0]).repeat(len(pairs) // 2)[:, None] * torch.tensor([1.0, -1.0])
    ref = lp.detach() + 4 * torch.randn(lp.shape, generator=gen) + far * sign
    out[f"{name}.ref"], out[f"{name}.terms"] = ref, torch.tensor(w, dtype=torch.float64)
    put_gradients(model, out, name, dpo_loss(w, lp, ref, n)[0].mean())

def main(root):
    folder = os.path.join(root, "internvl", "qwen2")
    golden = load_file(os.path.join(folder, "golden.safetensors"))
    gen = torch.Generator().manual_seed(11)
    out = {"prm.numbers": prm_numbers(), "dpo.numbers": dpo_numbers()}
    responses = {p: sum([words(3, gen) + [TAG] for _ in range(3)], []) for p in PROMPTS}
    pairs = {p: [words(5 + i, gen), words(9 - i, gen)] for i, p in enumerate(PROMPTS)}
    for p in PROMPTS:
        out[f"prm.ids.{p}"] = torch.tensor(responses[p], dtype=torch.int32)
        for side, ids in zip(("chosen", "rejected"), pairs[p]): out[f"dpo.ids.{p}.{side}"] = torch.tensor(ids, dtype=torch.int32)
    for name, case in PRM.items(): prm_case(folder, golden, out, name, gen=gen, responses=responses, **case)
    for name, case in DPO.items(): dpo_case(folder, golden, out, name, gen=gen, pairs=pairs, **case)
    os.makedirs(os.path.join(root, "objectives"), exist_ok=True)
    save_file({k: v.contiguous() for k, v in out.items()}, os.path.join(root, "objectives", "golden.safetensors"))

if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(1)
    main(sys.argv[1])
