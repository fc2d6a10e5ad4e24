# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# What bench_kernels_cuda measures, by eager PyTorch, torch.compile and Triton, on the same device in the same sizes under the
# same names, so that table.cmake can put them beside each other.
#
#     python3 bench/cuda/contenders.py                      everything
#     python3 bench/cuda/contenders.py norms products       parts, as bench_kernels_cuda has them
#     python3 bench/cuda/contenders.py --json FILE          a line of JSON for each line printed
#     python3 bench/cuda/contenders.py --seconds 90         what there is no time for is said
#     python3 bench/cuda/contenders.py --dry                tiny sizes on the CPU: shows that the calls are right
# Things take turns, each behind a cache emptied by reading three times its size, between two events; medians of 21 rounds.
# What is compiled comes after what needn't be, in one size, because it takes seconds each. Kernels for Triton are written here, a row a program.
# Exit: 77 with "no device" where PyTorch sees none.
import argparse
import json
import statistics
import sys
import time
import warnings

warnings.simplefilter("ignore")

import torch
from torch.nn import functional as F

try:
    import triton
    import triton.language as tl
except ImportError:
    triton = None

started = time.monotonic()
bf16, fp16, fp32 = torch.bfloat16, torch.float16, torch.float32
type_names = {bf16: "bf16", fp16: "fp16", fp32: "fp32"}
epsilon = 1e-5


if triton is not None:

    @triton.jit
    def rms_norm_row(x, weight, y, inverse, columns, epsilon, wide: tl.constexpr):
        row = tl.program_id(0).to(tl.int64)
        i = tl.arange(0, wide)
        there = i < columns
        a = tl.load(x + row * columns + i, mask=there, other=0.0).to(tl.float32)
        r = tl.rsqrt(tl.sum(a * a, axis=0) / columns + epsilon)
        w = tl.load(weight + i, mask=there, other=0.0).to(tl.float32)
        tl.store(y + row * columns + i, (a * r * w).to(y.dtype.element_ty), mask=there)
        tl.store(inverse + row, r)

    @triton.jit
    def softmax_row(x, y, columns, wide: tl.constexpr):
        row = tl.program_id(0).to(tl.int64)
        i = tl.arange(0, wide)
        there = i < columns
        a = tl.load(x + row * columns + i, mask=there, other=float("-inf")).to(tl.float32)
        e = tl.exp(a - tl.max(a, axis=0))
        tl.store(y + row * columns + i, (e / tl.sum(e, axis=0)).to(y.dtype.element_ty), mask=there)


def wide_of(columns):
    wide = 1
    while wide < columns:
        wide *= 2
    return wide


def warps_of(wide):
    return max(1, min(16, wide // 512))


class Turns:
    """Entries that take turns; what fails says so and stays out."""

    def __init__(self, machine):
        self.machine, self.entries = machine, []

    def add(self, by, name, dtype, size, put):
        self.add_made(by, name, dtype, size, lambda: put)

    def add_gradient(self, by, name, dtype, size, forward, inputs, dy):
        """The way back alone, of what is computed once."""

        def make():
            y = forward()
            return lambda: torch.autograd.grad(y, inputs, dy, retain_graph=True)

        self.add_made(by, name, dtype, size, make)

    def add_made(self, by, name, dtype, size, make):
        if self.machine.out_of_time():
            print(f"{name} {dtype} {size} by {by}: no time", flush=True)
            return
        try:
            put = make()
            put()
            put()
            self.machine.wait()
        except Exception as e:  # whatever a version of PyTorch can't do
            words = str(e).strip().splitlines() or [""]
            print(f"{name} {dtype} {size} by {by}: {type(e).__name__}: {words[0][:160]}", flush=True)
            return
        self.entries.append((by, name, dtype, size, put, []))

    def run(self):
        m = self.machine
        for turn in range(m.rounds if self.entries else 0):
            for _ in range(20):
                m.forget()
            watches = []
            for k in range(len(self.entries)):
                entry = self.entries[(k + turn) % len(self.entries)]
                for _ in range(3):
                    m.forget()
                watches.append((entry, m.watch(entry[4])))
            m.wait()
            for entry, read in watches:
                entry[5].append(read())
        for by, name, dtype, size, _, us in self.entries:
            middle = statistics.median(us)
            quarters = statistics.quantiles(us, n=4) if len(us) > 1 else [middle] * 3
            spread = (quarters[2] - quarters[0]) / middle * 100 if middle > 0 else 0.0
            print(f"{name:28} {dtype:5} {size:16} {middle:9.1f} us ({spread:.1f} %)  {by}", flush=True)
            line = {"what": "contender", "by": by, "name": name, "type": dtype, "size": size, "us": round(middle, 1), "spread": round(spread, 1)}
            if m.json is not None:
                m.json.write(json.dumps(line) + "\n")
                m.json.flush()


class Machine:
    def __init__(self, o):
        self.dry, self.seconds = o.dry, o.seconds
        self.device = "cpu" if o.dry else "cuda"
        self.compiles = not o.dry or o.compile
        self.rounds = 2 if o.dry else 21
        self.json = open(o.json, "w") if o.json else None
        if not o.dry:
            cache = getattr(torch.cuda.get_device_properties(0), "L2_cache_size", 64 << 20)
            self.flush = torch.zeros(3 * cache // 4, device="cuda")
        torch.manual_seed(1)

    def out_of_time(self):
        return time.monotonic() - started > self.seconds

    def wait(self):
        if not self.dry:
            torch.cuda.synchronize()

    def forget(self):
        if not self.dry:
            self.flush.sum()

    def watch(self, put):
        """Puts it between two events; what comes back reads the microseconds, when it has been waited for."""
        if self.dry:
            begin = time.perf_counter()
            put()
            taken = (time.perf_counter() - begin) * 1e6
            return lambda: taken
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        put()
        end.record()
        return lambda: begin.elapsed_time(end) * 1000

    def matrix(self, dtype, columns):
        """Rows and columns as machine.cuh has them."""
        elements = ((1 << 16) if self.dry else (512 << 20)) // torch.empty(0, dtype=dtype).element_size()
        return max(elements // columns, 4), columns

    def drawn(self, *shape, dtype=bf16, low=-1.0, high=1.0):
        t = torch.empty(*shape, dtype=dtype, device=self.device)
        return t.uniform_(low, high)


def by(*extents):
    return "x".join(str(e) for e in extents)


def compiled(f):
    return torch.compile(f, dynamic=False)


# Parts, as bench_kernels_cuda has them ------------------------------------------------------------------------------------


def plain_rms_norm(x, weight):
    a = x.float()
    return (a * torch.rsqrt(a.pow(2).mean(-1, keepdim=True) + epsilon) * weight.float()).to(x.dtype)


def plain_add_rms_norm(x, residual, weight):
    s = x + residual
    return s, plain_rms_norm(s, weight)


def norms(m, compiles):
    for dtype, columns in [(bf16, 768), (bf16, 1024), (bf16, 4096), (bf16, 8192), (bf16, 16384), (fp32, 4096)]:
        if compiles and (dtype != bf16 or columns != 4096):
            continue
        rows, n = m.matrix(dtype, columns)
        x, dy = m.drawn(rows, n, dtype=dtype), m.drawn(rows, n, dtype=dtype)
        weight, bias = m.drawn(n, dtype=dtype), m.drawn(n, dtype=dtype)
        y, inverse = torch.empty_like(x), torch.empty(rows, dtype=fp32, device=m.device)
        name, size = type_names[dtype], by(rows, n)
        t = Turns(m)
        if compiles:
            f, g = compiled(plain_rms_norm), compiled(plain_add_rms_norm)
            t.add("torch.compile", "rms_norm", name, size, lambda: f(x, weight))
            t.add("torch.compile", "add_rms_norm", name, size, lambda: g(x, dy, weight))
            xg, wg, bg = (a.detach().requires_grad_() for a in (x, weight, bias))
            t.add_gradient("torch.compile", "rms_norm_backward", name, size, lambda: f(xg, wg), (xg, wg), dy)
            h = compiled(lambda a, w, b: F.layer_norm(a, (n,), w, b, epsilon))
            t.add("torch.compile", "layer_norm", name, size, lambda: h(x, weight, bias))
            t.add_gradient("torch.compile", "layer_norm_backward", name, size, lambda: h(xg, wg, bg), (xg, wg, bg), dy)
        else:
            t.add("PyTorch", "rms_norm", name, size, lambda: F.rms_norm(x, (n,), weight, epsilon))
            if triton is not None and not m.dry:
                wide = wide_of(n)
                t.add("Triton", "rms_norm", name, size, lambda: rms_norm_row[(rows,)](x, weight, y, inverse, n, epsilon, wide=wide, num_warps=warps_of(wide)))
            xg, wg, bg = (a.detach().requires_grad_() for a in (x, weight, bias))
            t.add_gradient("PyTorch", "rms_norm_backward", name, size, lambda: F.rms_norm(xg, (n,), wg, epsilon), (xg, wg), dy)
            t.add("PyTorch", "layer_norm", name, size, lambda: F.layer_norm(x, (n,), weight, bias, epsilon))
            t.add_gradient("PyTorch", "layer_norm_backward", name, size, lambda: F.layer_norm(xg, (n,), wg, bg, epsilon), (xg, wg, bg), dy)
        t.run()


def losses(m, compiles):
    for dtype, columns in [(bf16, 1024), (bf16, 4096), (bf16, 32768), (fp32, 4096)]:
        if compiles and (dtype != bf16 or columns != 4096):
            continue
        rows, n = m.matrix(dtype, columns)
        x, dy = m.drawn(rows, n, dtype=dtype, low=-4, high=4), m.drawn(rows, n, dtype=dtype)
        y = torch.softmax(x, -1)
        name, size = type_names[dtype], by(rows, n)
        t = Turns(m)
        if compiles:
            f = compiled(lambda a: torch.softmax(a, -1))
            t.add("torch.compile", "softmax", name, size, lambda: f(x))
        else:
            t.add("PyTorch", "softmax", name, size, lambda: torch.softmax(x, -1))
            if triton is not None and not m.dry:
                wide, into = wide_of(n), torch.empty_like(x)
                t.add("Triton", "softmax", name, size, lambda: softmax_row[(rows,)](x, into, n, wide=wide, num_warps=warps_of(wide)))
            t.add("PyTorch", "softmax_backward", name, size, lambda: torch.ops.aten._softmax_backward_data(dy, y, -1, dtype))
        t.run()
    for dtype, vocabulary in [(bf16, 50304), (bf16, 128256), (fp32, 50304)]:
        if compiles and (dtype != bf16 or vocabulary != 50304):
            continue
        rows, n = m.matrix(dtype, vocabulary)
        x = m.drawn(rows, n, dtype=dtype, low=-4, high=4)
        labels = torch.arange(rows, device=m.device) * 7919 % n
        xg = x.detach().requires_grad_()
        name, size = type_names[dtype], by(rows, n)
        t = Turns(m)
        if compiles:
            f = compiled(lambda a, l: F.cross_entropy(a.float(), l))
            t.add("torch.compile", "cross_entropy", name, size, lambda: f(x, labels))
            t.add_gradient("torch.compile", "cross_entropy_backward", name, size, lambda: f(xg, labels), (xg,), None)
        else:
            t.add("PyTorch", "cross_entropy", name, size, lambda: F.cross_entropy(x, labels))
            t.add_gradient("PyTorch", "cross_entropy_backward", name, size, lambda: F.cross_entropy(xg, labels), (xg,), None)
        t.run()


def silu_slope(gate, up, dh):
    a, b, d = gate.float(), up.float(), dh.float()
    s = torch.sigmoid(a)
    return (d * b * (s + a * s * (1 - s))).to(gate.dtype), (d * a * s).to(gate.dtype)


def each(m, compiles):
    for dtype in (bf16,) if compiles else (bf16, fp32):
        rows, n = m.matrix(dtype, 4096)
        x, up, dy = (m.drawn(rows, n, dtype=dtype) for _ in range(3))
        bias = m.drawn(n, dtype=dtype)
        name, size = type_names[dtype], by(rows, n)
        t = Turns(m)
        if compiles:
            f, g = compiled(lambda a, b: F.silu(a) * b), compiled(silu_slope)
            t.add("torch.compile", "gated_unit silu", name, size, lambda: f(x, up))
            t.add("torch.compile", "gated_unit_backward silu", name, size, lambda: g(x, up, dy))
        else:
            aten = torch.ops.aten
            t.add("PyTorch", "activate gelu", name, size, lambda: F.gelu(x))
            t.add("PyTorch", "activate gelu_tanh", name, size, lambda: F.gelu(x, approximate="tanh"))
            t.add("PyTorch", "activate_backward gelu", name, size, lambda: aten.gelu_backward(dy, x, approximate="none"))
            t.add("PyTorch", "activate_backward gelu_tanh", name, size, lambda: aten.gelu_backward(dy, x, approximate="tanh"))
            t.add("PyTorch", "gated_unit silu", name, size, lambda: F.silu(x) * up)
            t.add("PyTorch", "add", name, size, lambda: x + up)
            t.add("PyTorch", "add_bias", name, size, lambda: x + bias)
            t.add("PyTorch", "bias_gradient", name, size, lambda: dy.sum(0, dtype=fp32))
            t.add("PyTorch", "dropout", name, size, lambda: F.dropout(x, 0.1, training=True))
        t.run()
    if compiles:
        return
    rows, n = m.matrix(fp32, 4096)
    wide, narrow = m.drawn(rows, n, dtype=fp32), m.drawn(rows, n)
    t = Turns(m)
    t.add("PyTorch", "cast to bf16", "fp32", by(rows, n), lambda: wide.to(bf16))
    t.add("PyTorch", "cast to fp32", "bf16", by(rows, n), lambda: narrow.to(fp32))
    t.run()


def turned(x, cosines, sines):
    a, b = x.chunk(2, -1)
    return torch.cat((a * cosines - b * sines, b * cosines + a * sines), -1)


def ids_of(tokens, vocabulary, as_text, device):
    """As bench_kernels_cuda draws them, but for the numbers themselves."""
    weights = 1.0 / (torch.arange(vocabulary, dtype=torch.float64) + 2.7) if as_text else torch.ones(vocabulary, dtype=torch.float64)
    up_to = weights.cumsum(0)
    at = torch.rand(tokens, dtype=torch.float64) * up_to[-1]
    return (torch.searchsorted(up_to, at).clamp(max=vocabulary - 1) * 7919 % vocabulary).to(device)


def gathers(m, compiles):
    heads, width, positions = 32, 128, 4096
    rows, n = m.matrix(bf16, heads * width)
    x = m.drawn(rows, heads, width)
    angles = (torch.arange(rows) % positions).double()[:, None] * 10000.0 ** (-torch.arange(0, width, 2).double() / width)
    cosines, sines = (f(angles).to(bf16)[:, None, :].to(m.device) for f in (torch.cos, torch.sin))
    t = Turns(m)
    if compiles:
        f = compiled(turned)
        t.add("torch.compile", "rotary", "bf16", by(rows, n), lambda: f(x, cosines, sines))
        t.run()
        return
    t.add("PyTorch", "rotary", "bf16", by(rows, n), lambda: turned(x, cosines, sines))
    t.run()
    vocabulary = 500 if m.dry else 50304
    for columns, as_text in [(4096, False), (4096, True), (1024, True)]:
        rows, n = m.matrix(bf16, columns)
        ids = ids_of(rows, vocabulary, as_text, m.device)
        weight, dy = m.drawn(vocabulary, n), m.drawn(rows, n)
        name = "ids as in text" if as_text else "all ids alike"
        t = Turns(m)
        t.add("PyTorch", f"embedding, {name}", "bf16", by(rows, n), lambda: F.embedding(ids, weight))
        t.add("PyTorch", f"embedding_backward, {name}", "bf16", by(rows, n), lambda: torch.ops.aten.embedding_dense_backward(dy, ids, vocabulary, -1, False))
        t.run()


def steps(m, compiles):
    if compiles:
        return
    n = m.matrix(fp32, 1)[0]
    p = torch.nn.Parameter(m.drawn(n, dtype=fp32))
    p.grad = m.drawn(n, dtype=fp32)
    o = torch.optim.AdamW([p], lr=1e-3, fused=True)
    t = Turns(m)
    t.add("PyTorch", "adamw_step", "fp32", str(n), o.step)
    t.add("PyTorch", "sum_of_squares", "fp32", str(n), lambda: torch.linalg.vector_norm(p.grad))
    t.run()


def attentions(m, compiles):
    if compiles:
        return
    cases = [(4096, 16, 16, 128, True, 0), (4096, 16, 16, 128, False, 0), (16384, 16, 16, 128, True, 0), (8192, 32, 8, 128, True, 0), (16384, 12, 12, 64, True, 1024), (4096, 16, 16, 64, True, 0)]
    for tokens, heads, shared, width, causal, document in [(128, 2, 1, 64, True, 64)] if m.dry else cases:
        length = document or tokens
        q = m.drawn(tokens // length, heads, length, width)
        k, v = (m.drawn(tokens // length, shared, length, width) for _ in range(2))
        dy = m.drawn(tokens // length, heads, length, width)
        kind = (", causal" if causal else ", all pairs") + (f", documents of {document}" if document else "") + (f", {shared} heads of keys" if shared < heads else "")
        size = by(tokens, heads, width)
        attention = lambda a, b, c: F.scaled_dot_product_attention(a, b, c, is_causal=causal, enable_gqa=shared < heads)
        t = Turns(m)
        t.add("PyTorch", "attention" + kind, "bf16", size, lambda: attention(q, k, v))
        g = [a.detach().requires_grad_() for a in (q, k, v)]
        t.add_gradient("PyTorch", "attention_backward" + kind, "bf16", size, lambda: attention(*g), g, dy)
        t.run()


def products(m, compiles):
    if compiles:
        return
    cases = [("bf16", 8192, 4096, 4096), ("bf16", 8192, 16384, 4096), ("bf16", 8192, 4096, 16384), ("bf16", 16384, 3072, 768), ("bf16", 16384, 768, 3072), ("fp16", 8192, 4096, 4096),
             ("tf32", 8192, 4096, 4096), ("fp32", 4096, 4096, 1024)]
    for name, tokens, outputs, inputs in [("bf16", 64, 96, 128)] if m.dry else cases:
        torch.backends.cuda.matmul.allow_tf32 = name == "tf32"
        dtype = {"bf16": bf16, "fp16": fp16}.get(name, fp32)
        x, w, dy = m.drawn(tokens, inputs, dtype=dtype), m.drawn(outputs, inputs, dtype=dtype), m.drawn(tokens, outputs, dtype=dtype)
        bias, dw = m.drawn(outputs, dtype=dtype), torch.zeros(outputs, inputs, dtype=fp32, device=m.device)
        y, dx = torch.empty_like(dy), torch.empty_like(x)
        size = by(tokens, outputs, inputs)

        def add_weight_gradient():
            if dtype == fp32:
                dw.addmm_(dy.t(), x)
            else:
                dw.add_(torch.mm(dy.t(), x, out_dtype=fp32))

        t = Turns(m)
        t.add("PyTorch", "y = x w'", name, size, lambda: torch.mm(x, w.t(), out=y))
        t.add("PyTorch", "y = gelu_tanh(x w' + b)", name, size, lambda: F.gelu(F.linear(x, w, bias), approximate="tanh"))
        t.add("PyTorch", "dx = dy w", name, size, lambda: torch.mm(dy, w, out=dx))
        t.add("PyTorch", "dw += dy' x", name, size, add_weight_gradient)
        t.run()


parts = {"norms": norms, "losses": losses, "each": each, "gathers": gathers, "steps": steps, "attentions": attentions, "products": products}


def main():
    a = argparse.ArgumentParser(description="the operations of bench_kernels_cuda by PyTorch and Triton")
    a.add_argument("parts", nargs="*", metavar="part", help=" ".join(parts))
    a.add_argument("--json", metavar="FILE")
    a.add_argument("--seconds", type=float, default=600)
    a.add_argument("--dry", action="store_true", help="tiny sizes on the CPU")
    a.add_argument("--compile", action="store_true", help="with --dry, compile, too")
    o = a.parse_args()
    for name in o.parts:
        if name not in parts:
            a.error(f"no part is called '{name}'; give {', '.join(parts)}")
    if not o.dry and not torch.cuda.is_available():
        print("no device")
        return 77
    try:
        torch._dynamo.config.recompile_limit = 64
        torch._functorch.config.donated_buffer = False  # gradients are taken more than once
    except AttributeError:
        pass
    m = Machine(o)
    print(f"PyTorch {torch.__version__}, {'Triton ' + triton.__version__ if triton is not None else 'no Triton'}", flush=True)
    failed = 0
    for compiles in (False, True):
        for name in o.parts or parts:
            if compiles and not m.compiles:
                continue
            try:
                parts[name](m, compiles)
            except RuntimeError as e:  # no memory left, say
                failed += 1
                print(f"FAIL {name}: {str(e).strip()[:300]}", flush=True)
            if not m.dry:
                torch.cuda.empty_cache()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
