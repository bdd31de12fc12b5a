"""PyTorch on the shapes of bench/kernels and bench/gpuModel.bench.ts, as a peer for them.

torchKernels.py CASES [MODEL [SHAPES]]: CASES is a file of what bench/gpu/cases.ts writes, MODEL a model folder, SHAPES such
as "8,2048 32,2048" (documents, tokens). Writes one JSON object a line:

{"bench": "torch", "case": "...", "seconds": {"eager": s, "compile": s, "graph": s}, "tokens": n}

eager: operator by operator. compile: torch.compile. graph: the same in a CUDA graph of many calls, which leaves out what it
costs to launch them, as commands that were recorded ahead do. What cannot be run is left out and named on stderr. Float32,
without TF32. After TORCH_SECONDS (300) nothing more is compiled. Seconds are medians of 9 rounds on the wall, each long enough to measure, from an idle device to an idle one.
"""

import io
import json
import math
import os
import re
import statistics
import sys
import time

import torch
import torch.nn.functional as F

ROUNDS = 9
ROUND_SECONDS = 0.02
MOST_CALLS = 64
WINDOW = 512
HEADS = 12
EPS = 1e-5
# nothing is compiled any more after that
DEADLINE = time.perf_counter() + float(os.environ.get("TORCH_SECONDS", "300"))

torch.set_grad_enabled(False)
torch.backends.cuda.matmul.allow_tf32 = False
torch.backends.cudnn.allow_tf32 = False

GPU = torch.cuda.is_available()
DEVICE = "cuda" if GPU else "cpu"


def say(text):
    print(text, file=sys.stderr, flush=True)


def idle():
    if GPU:
        torch.cuda.synchronize()


def entropy(logits):
    log_p = logits.log_softmax(-1)
    return -(log_p.exp() * log_p).sum(-1)


def rms_norm(x, weight):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPS) * weight


def silu_gate(both):
    gate, up = both.chunk(2, -1)
    return F.silu(gate) * up


def attention(q, k, v, mask):
    if hasattr(F, "scaled_dot_product_attention"):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    scores = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(q.shape[-1]))
    return scores.masked_fill(~mask, float("-inf")).softmax(-1) @ v


def window_mask(count, window):
    distance = torch.arange(count, device=DEVICE)[:, None] - torch.arange(count, device=DEVICE)[None, :]
    return (distance >= 0) & (distance < window)


def random(*shape):
    return torch.randn(*shape, device=DEVICE)


def flex(q, k, v, window):
    """Attention that skips what no query sees, where this PyTorch has it."""
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    def seen(_batch, _head, query, key):
        return (query >= key) & (query - key < window)

    count = q.shape[2]
    blocks = create_block_mask(seen, None, None, count, count, device=DEVICE)
    compiled = torch.compile(flex_attention)
    return lambda: compiled(q, k, v, block_mask=blocks)


def kernel_of(case):
    """The function of a case, and what else to compile than itself; None where PyTorch is no peer."""
    name, rest = case.split(" ", 1)
    numbers = [int(number.replace(",", "")) for number in re.findall(r"\d+", rest.split("(", 1)[-1])]
    if name in ("entropy", "softmax"):
        x = random(*numbers)
        return (lambda: entropy(x)) if name == "entropy" else (lambda: x.softmax(-1)), None
    if name == "rmsNorm":
        x, weight = random(*numbers), random(numbers[-1])
        return lambda: rms_norm(x, weight), None
    if name == "l2Norm":
        x = random(*numbers)
        return lambda: x.norm(dim=-1), None
    if name == "siluGate":
        both = random(*numbers[:-1], 2 * numbers[-1])
        return lambda: silu_gate(both), None
    if name == "matmul" and rest.startswith("f32"):
        rows, inputs, outputs = numbers
        x, weight, before = random(rows, inputs), random(outputs, inputs), random(rows, outputs)
        return lambda: before + x @ weight.T, None
    if name == "attention":
        batch, count, width, window = numbers
        q, k, v = (random(batch, HEADS, count, width // HEADS) for _ in range(3))
        mask = window_mask(count, window)
        return lambda: attention(q, k, v, mask), lambda: flex(q, k, v, window)
    return None


def measure(call):
    """Seconds of one call."""
    call()
    idle()
    begun = time.perf_counter()
    call()
    idle()
    calls = max(1, min(MOST_CALLS, math.ceil(ROUND_SECONDS / max(1e-9, time.perf_counter() - begun))))
    seconds = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for _ in range(calls):
            call()
        idle()
        seconds.append((time.perf_counter() - begun) / calls)
    return statistics.median(seconds)


def measure_graph(call):
    """Seconds of one call in a CUDA graph of many."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(side)
    idle()
    begun = time.perf_counter()
    call()
    idle()
    calls = max(1, min(MOST_CALLS, math.ceil(ROUND_SECONDS / max(1e-9, time.perf_counter() - begun))))
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(calls):
            call()
    return measure(graph.replay) / calls


def attempt(seconds, kind, case, run):
    try:
        seconds[kind] = run()
    except Exception as error:  # whatever a compiler or driver throws: the other figures still count
        say("%s, %s: left out, %s" % (case, kind, str(error).strip().split("\n")[0]))
    idle()


def report(case, call, other=None, tokens=None):
    seconds = {}
    attempt(seconds, "eager", case, lambda: measure(call))
    if hasattr(torch, "compile") and time.perf_counter() < DEADLINE:
        compiled = []

        def compile_and_measure():
            # what was compiled before is forgotten: of many shapes of one function it would make one for all
            torch._dynamo.reset()
            compiled.append(other() if other else torch.compile(call, dynamic=False))
            return measure(compiled[0])

        attempt(seconds, "compile", case, compile_and_measure)
        if GPU and compiled:
            attempt(seconds, "graph", case, lambda: measure_graph(compiled[0]))
    print(json.dumps({"bench": "torch", "case": case, "seconds": seconds, "tokens": tokens}), flush=True)


def load_model(folder):
    """The model of bench/model/forward.py, which reads requests from stdin until there are no more."""
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../model"))
    requests, sys.stdin = sys.stdin, io.StringIO("")
    import forward

    sys.stdin = requests

    class FusedAttention(forward.Model):
        """The same with PyTorch's own attention."""

        def __init__(self, folder):
            super().__init__(folder)
            self.weights = {name: values.to(DEVICE) for name, values in self.weights.items()}

        def table(self, count):
            if count not in self.tables:
                self.tables[count] = tuple(part.to(DEVICE) for part in super().table(count))
            return self.tables[count]

        def forward(self, ids):
            batch, count = ids.shape
            w = self.weights
            cos, sin, mask = self.table(count)
            x = F.embedding(ids, w["tok_embeddings.weight"])
            for layer in range(self.layers):
                name = "layers.%d." % layer
                n = self.norm(x, w[name + "attention_norm.weight"])
                split = (batch, count, self.heads, self.head_dim)
                q = self.rotate(F.linear(n, w[name + "attention.wq.weight"]).view(split), cos, sin).transpose(1, 2)
                k = self.rotate(F.linear(n, w[name + "attention.wk.weight"]).view(split), cos, sin).transpose(1, 2)
                v = F.linear(n, w[name + "attention.wv.weight"]).view(split).transpose(1, 2)
                mixed = attention(q, k, v, mask == 0).transpose(1, 2).reshape(batch, count, -1)
                x = x + F.linear(mixed, w[name + "attention.wo.weight"])
                n = self.norm(x, w[name + "ffn_norm.weight"])
                gate = F.silu(F.linear(n, w[name + "feed_forward.w1.weight"]))
                x = x + F.linear(gate * F.linear(n, w[name + "feed_forward.w3.weight"]), w[name + "feed_forward.w2.weight"])
            return entropy(F.linear(self.norm(x, w["norm.weight"]), w["output.weight"]))

    return FusedAttention(folder)


def main():
    torch.manual_seed(1)
    name = torch.cuda.get_device_name() if GPU else "the CPU"
    say("PyTorch %s on %s" % (torch.__version__, name))
    with open(sys.argv[1]) as lines:
        cases = [json.loads(line)["case"] for line in lines]
    for case in cases:
        peer = kernel_of(case)
        if peer is not None:
            report(case, *peer)
            del peer
            if GPU:
                torch.cuda.empty_cache()
    if len(sys.argv) < 3:
        return
    model = load_model(sys.argv[2])
    for shape in (sys.argv[3] if len(sys.argv) > 3 else "1,512 1,2048 8,512 8,2048 64,512 32,2048").split():
        count, tokens = (int(number) for number in shape.split(","))
        ids = torch.randint(4, 260, (count, tokens), device=DEVICE)
        report("model (%d, %d)" % (count, tokens), lambda: model.forward(ids), tokens=count * tokens)


main()
