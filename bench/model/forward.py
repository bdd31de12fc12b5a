"""The entropy model in plain PyTorch, as a peer for the benchmark: reads one JSON request a line, answers with one.

{"load": FOLDER, "threads": N}        -> {"version": "...", "sgemm": GFLOP/s}
{"ids": [[...], ...], "check": bool}  -> {"seconds": s, "entropies": [[...], ...] or null}
"""

import json
import math
import os
import struct
import sys
import time

import torch

torch.set_grad_enabled(False)


def load(folder):
    path = os.path.join(folder, "model.safetensors")
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = bytearray(file.read())
    weights = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        values = torch.frombuffer(data, dtype=torch.float32, offset=begin, count=(end - begin) // 4)
        weights[name] = values.reshape(entry["shape"])
    with open(os.path.join(folder, "config.json")) as file:
        return weights, json.load(file)["args"]


class Model:
    def __init__(self, folder):
        self.weights, args = load(folder)
        self.layers = args["n_layers"]
        self.heads = args["n_heads"]
        self.window = args["sliding_window"]
        self.eps = args.get("norm_eps", 1e-5)
        self.head_dim = args["dim"] // self.heads
        power = torch.arange(0, self.head_dim, 2)[: self.head_dim // 2].float() / self.head_dim
        self.frequencies = 1.0 / (args.get("rope_theta", 10000.0) ** power)
        self.tables = {}

    def table(self, count):
        if count not in self.tables:
            angles = torch.outer(torch.arange(count).float(), self.frequencies)
            distance = torch.arange(count)[:, None] - torch.arange(count)[None, :]
            hidden = (distance < 0) | (distance >= self.window)
            mask = torch.zeros(count, count).masked_fill(hidden, float("-inf"))
            self.tables[count] = (angles.cos()[:, None, :], angles.sin()[:, None, :], mask)
        return self.tables[count]

    def norm(self, x, weight):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * weight

    def rotate(self, x, cos, sin):
        even, odd = x[..., 0::2], x[..., 1::2]
        return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)

    def forward(self, ids):
        batch, count = ids.shape
        w = self.weights
        cos, sin, mask = self.table(count)
        x = torch.nn.functional.embedding(ids, w["tok_embeddings.weight"])
        linear = torch.nn.functional.linear
        for layer in range(self.layers):
            name = "layers.%d." % layer
            n = self.norm(x, w[name + "attention_norm.weight"])
            split = (batch, count, self.heads, self.head_dim)
            q = self.rotate(linear(n, w[name + "attention.wq.weight"]).view(split), cos, sin).transpose(1, 2)
            k = self.rotate(linear(n, w[name + "attention.wk.weight"]).view(split), cos, sin).transpose(1, 2)
            v = linear(n, w[name + "attention.wv.weight"]).view(split).transpose(1, 2)
            scores = (q @ k.transpose(2, 3)) * (1.0 / math.sqrt(self.head_dim)) + mask
            mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, count, -1)
            x = x + linear(mixed, w[name + "attention.wo.weight"])
            n = self.norm(x, w[name + "ffn_norm.weight"])
            gate = torch.nn.functional.silu(linear(n, w[name + "feed_forward.w1.weight"]))
            x = x + linear(gate * linear(n, w[name + "feed_forward.w3.weight"]), w[name + "feed_forward.w2.weight"])
        logits = linear(self.norm(x, w["norm.weight"]), w["output.weight"])
        log_probabilities = logits.log_softmax(-1)
        return -(log_probabilities.exp() * log_probabilities).sum(-1)


def sgemm():
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    best = math.inf
    for _ in range(8):
        begun = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - begun)
    return 2 * 1024**3 / best / 1e9


model = None
for line in sys.stdin:
    request = json.loads(line)
    if "load" in request:
        model = Model(request["load"])
        torch.set_num_threads(request["threads"])
        answer = {"sgemm": sgemm(), "version": torch.__version__}
    else:
        ids = torch.tensor(request["ids"])
        begun = time.perf_counter()
        entropies = model.forward(ids)
        seconds = time.perf_counter() - begun
        answer = {"seconds": seconds, "entropies": entropies.tolist() if request.get("check") else None}
    print(json.dumps(answer), flush=True)
