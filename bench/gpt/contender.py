# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# The model of bench_gpt in eager PyTorch, on one thread: pre-norm GPT-2 with learned positions, tanh GELU, biases, a tied
# head and no dropout; AdamW; gradients of the micro-batches of a step add up. Of attention (torch's own, and written out)
# and of AdamW (loop, foreach, fused) it takes what is fastest here, and says so in its first line. Then it makes a step for
# each line that it reads: seconds on the wall, seconds of CPU, loss.
#
#     echo step | python3 contender.py --layers 6 --width 384 --heads 6 --vocabulary 4096 --sequence 256 --samples 4 --micro-batches 16
import argparse
import os
import sys
import time
import warnings

warnings.simplefilter("ignore")  # of what torch misses and this doesn't use
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

import torch
from torch import nn
from torch.nn import functional as F


def plain_attention(q, k, v):
    n = q.shape[-2]
    later = torch.ones(n, n, dtype=torch.bool).triu(1)
    scores = (q @ k.transpose(-2, -1)) * q.shape[-1] ** -0.5
    return scores.masked_fill(later, float("-inf")).softmax(-1) @ v


def torch_attention(q, k, v):
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x, attention):
        samples, tokens, width = x.shape
        q, k, v = (
            t.view(samples, tokens, self.heads, width // self.heads).transpose(1, 2)
            for t in self.qkv(self.norm1(x)).split(width, dim=2)
        )
        x = x + self.out(attention(q, k, v).transpose(1, 2).reshape(samples, tokens, width))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class Model(nn.Module):
    def __init__(self, o):
        super().__init__()
        self.attention = torch_attention
        self.table, self.positions = nn.Embedding(o.vocabulary, o.width), nn.Embedding(o.sequence, o.width)
        self.blocks = nn.ModuleList(Block(o.width, o.heads) for _ in range(o.layers))
        self.norm = nn.LayerNorm(o.width)
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.normal_(p, std=0.02)
        for b in self.blocks:
            for weight in (b.out.weight, b.down.weight):
                nn.init.normal_(weight, std=0.02 / (2 * o.layers) ** 0.5)
            for linear in (b.qkv, b.out, b.up, b.down):
                nn.init.zeros_(linear.bias)

    def forward(self, tokens, labels):
        x = self.table(tokens) + self.positions.weight[: tokens.shape[1]]
        for b in self.blocks:
            x = b(x, self.attention)
        logits = F.linear(self.norm(x), self.table.weight)
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), labels.view(-1))


def best_of(choices, run):
    """The name of the fastest, after a turn for each to get ready."""
    for name in choices:
        run(name)
    times = dict.fromkeys(choices, float("inf"))
    for _ in range(3):
        for name in choices:
            begin = time.perf_counter()
            run(name)
            times[name] = min(times[name], time.perf_counter() - begin)
    return min(times, key=times.get)


def main():
    a = argparse.ArgumentParser()
    for name in ("layers", "width", "heads", "vocabulary", "sequence", "samples", "micro-batches"):
        a.add_argument("--" + name, type=int, required=True)
    o = a.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    model = Model(o)
    i = torch.arange(o.micro_batches * o.samples * o.sequence + 1, dtype=torch.int64)
    numbers = (i * i % 8191 + 3 * i) % o.vocabulary
    shape = (o.micro_batches, o.samples, o.sequence)
    tokens, labels = numbers[:-1].view(shape), numbers[1:].view(shape)

    def gradients(m):
        loss = model(tokens[m], labels[m]) / o.micro_batches
        loss.backward()
        return loss.detach()

    attentions = {"scaled_dot_product_attention": torch_attention, "attention written out": plain_attention}

    def with_attention(name):
        model.attention = attentions[name]
        gradients(0)

    attention = best_of(list(attentions), with_attention)
    model.attention = attentions[attention]

    matrices = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() == 1]
    before = [p.detach().clone() for p in model.parameters()]

    def adamw(**how):
        groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
        return torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95), **how)

    hows = {"AdamW": {"foreach": False}, "AdamW foreach": {"foreach": True}, "AdamW fused": {"fused": True}}
    optimizers = {name: adamw(**how) for name, how in hows.items()}
    optimizer = best_of(list(optimizers), lambda name: optimizers[name].step())
    steps = adamw(**hows[optimizer])
    del optimizers
    with torch.no_grad():
        for p, value in zip(model.parameters(), before):
            p.copy_(value)
    count = sum(p.numel() for p in model.parameters())
    print(f"{count} parameters, PyTorch {torch.__version__}, one thread, {attention}, {optimizer}", flush=True)

    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        steps.zero_grad(set_to_none=True)
        loss = sum(gradients(m) for m in range(o.micro_batches)).item()
        steps.step()
        print(time.perf_counter() - wall, time.process_time() - cpu, loss, flush=True)


main()
