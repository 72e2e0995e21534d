# SPDX-License-Identifier: Apache-2.0
"""PyTorch on the same device and shapes as bench_cuda.c, to compare: products, attention, memory-bound ops, training of a
decoder of the size of bench_cuda's model without its tower.   bench_torch.py [small]   small: on any device, no figures"""
import sys
import time

import torch
import torch.nn.functional as F

small = sys.argv[1:] == ["small"]
if not small and not torch.cuda.is_available():
    sys.exit("bench_torch: this torch sees no GPU")
device = "cuda" if torch.cuda.is_available() else "cpu"
peak = {}


def wait():
    if device == "cuda":
        torch.cuda.synchronize()


def seconds(fn):
    """The best of five runs of many calls, as bench_cuda's."""
    times, runs = (1, 1) if small else (20, 5)
    fn()
    wait()
    best = float("inf")
    for _ in range(runs):
        begin = time.perf_counter()
        for _ in range(times):
            fn()
        wait()
        best = min(best, (time.perf_counter() - begin) / times)
    return best


def line(what, value, unit, kind):
    peak.setdefault(kind, value)
    print(f"torch: {what:<44} {value:10.1f} {unit:<9} {value / peak[kind]:6.3f}", flush=True)


def new(*shape, dtype=torch.bfloat16):
    return torch.randn(*shape, device=device, dtype=dtype)


def product(T, K, N):
    x, w = new(T, K), new(N, K)
    line(f"bf16 [{T}, {K}] x [{K}, {N}]", 2e-12 * T * K * N / seconds(lambda: F.linear(x, w)), "TFLOP/s", "product")


def attention(L, n, H, Hk, D, causal):
    q, k, v = (new(n, h, L, D).requires_grad_() for h in (H, Hk, Hk))
    pairs = n * H * (L * (L + 1) / 2 if causal else L * L)
    run = lambda: F.scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=H != Hk)
    forward = seconds(run)
    out, grad = run(), new(n, H, L, D)
    back = seconds(lambda: torch.autograd.grad(out, (q, k, v), grad, retain_graph=True))
    line(f"attention {'causal' if causal else 'full'}, {n} x {L}, {H}/{Hk} heads of {D}", 4e-12 * D * pairs / forward, "TFLOP/s", "product")
    line("  backward", 10e-12 * D * pairs / back, "TFLOP/s", "product")


def rows(T, C):
    one = 2 * T * C
    a, b, g = new(T, C), new(T, C), new(C)
    for what, fn, n in (("rms norm", lambda: F.rms_norm(a, (C,), g), 2), ("layer norm", lambda: F.layer_norm(a, (C,), g), 2),
                        ("gelu", lambda: F.gelu(a), 2), ("silu gate, two ops", lambda: F.silu(a) * b, 3), ("residual", lambda: a + b, 3)):
        line(what, 1e-9 * n * one / seconds(fn), "GB/s", "copy")


class Block(torch.nn.Module):
    def __init__(self, C, H, Hk, D, M):
        super().__init__()
        self.H, self.Hk, self.D = H, Hk, D
        for name, i, o in (("q", C, H * D), ("k", C, Hk * D), ("v", C, Hk * D), ("o", H * D, C), ("gate", C, M), ("up", C, M), ("down", M, C)):
            setattr(self, name, torch.nn.Linear(i, o, bias=False))
        self.n1, self.n2 = torch.nn.RMSNorm(C), torch.nn.RMSNorm(C)

    def forward(self, x):
        B, L, _ = x.shape
        h = self.n1(x)
        q, k, v = (f(h).view(B, L, n, self.D).transpose(1, 2) for f, n in ((self.q, self.H), (self.k, self.Hk), (self.v, self.Hk)))
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=self.H != self.Hk)
        x = x + self.o(a.transpose(1, 2).reshape(B, L, -1))
        h = self.n2(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


def training(B, L, C, layers, H, Hk, D, M, V):
    net = torch.nn.Sequential(torch.nn.Embedding(V, C), *(Block(C, H, Hk, D, M) for _ in range(layers)), torch.nn.RMSNorm(C),
                              torch.nn.Linear(C, V, bias=False)).to(device, torch.bfloat16)
    matrices = sum(p.numel() for p in net.parameters() if p.dim() > 1) - V * C
    opt = torch.optim.AdamW(net.parameters(), lr=1e-5, fused=device == "cuda")
    ids = torch.randint(V, (B, L), device=device)

    def step():
        F.cross_entropy(net(ids).view(B * L, V), ids.view(-1)).backward()
        opt.step()
        opt.zero_grad()

    flops = 6 * B * L * matrices + B * layers * H * 14 * D * L * (L + 1) / 2
    line(f"training a decoder of {sum(p.numel() for p in net.parameters()) / 1e9:.2f} G", 1e-12 * flops / seconds(step), "TFLOP/s", "product")


x = new(1 << (10 if small else 29))
y = torch.empty_like(x)
line("copy, read and written", 1e-9 * 4 * x.numel() / seconds(lambda: y.copy_(x)), "GB/s", "copy")
product(*(3 * (64 if small else 8192,)))
for T in (16384, 256):
    product(32 if small else T, 32 if small else 1536, 96 if small else 6144)
rows(32 if small else 16384, 128 if small else 4096)
for args in ((4096, 4, 16, 4, 128, True), (4096, 4, 16, 4, 64, True), (1024, 16, 16, 16, 64, False)):
    attention(*((40, 1, 4, 2, 64, args[5]) if small else args))
training(*((2, 16, 32, 2, 4, 2, 8, 64, 64) if small else (8, 2048, 1536, 20, 12, 4, 128, 6144, 32768)))
