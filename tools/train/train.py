"""Trains the embedded byte-entropy model on the CPU within a given time, and writes it in the released layout.

  python3 train.py --data DIR --out DIR --minutes 120 [--resume]

The learning rate follows the clock: warm-up, constant, then a linear fall to zero over the last 40 % of the time, so
that a run ends with a finished model whenever it is told to. Hidden matrices are updated by orthogonalised momentum
(Muon, https://kellerjordan.github.io/posts/muon), all other parameters by Adam.
Every --save-minutes the model so far and its bits per byte on held-back text are written to --out.
"""
import argparse
import json
import math
import os
import time

import numpy as np
import torch
import torch.nn.functional as F

from model import ByteModel, export_tensors
from safetensors_file import write_safetensors

MIX = {"english": 0.66, "code": 0.2, "languages": 0.14}
ARGS = {
    "attn_bias_type": "local_block_causal", "attn_impl": "xformers", "dim": 128, "eos_id": 2,
    "ffn_dim_multiplier": 1.0, "head_dim": None, "init_base_std": None, "init_std_factor": "disabled",
    "max_seqlen": 8192, "multiple_of": 32, "n_heads": 2, "n_kv_heads": None, "n_layers": 4, "norm_eps": 1e-05,
    "rope_theta": 10000.0, "rope_use_fp32_in_outer_product": False, "seed": 42, "sliding_window": 256,
    "vocab_size": 260, "weight_tying": False,
}


def orthogonalise(g):
    """Five Newton-Schulz steps towards the nearest semi-orthogonal matrix."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g / (g.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.t() if tall else x
    for _ in range(5):
        s = x @ x.t()
        x = a * x + (b * s + c * s @ s) @ x
    return x.t() if tall else x


class Muon:
    def __init__(self, parts, momentum=0.95):
        """parts: (parameter, number of matrices stacked in its rows)."""
        self.parts, self.momentum = parts, momentum
        self.buffers = [torch.zeros_like(p) for p, _ in parts]

    @torch.no_grad()
    def step(self, lr, decay=0.01):
        for (p, n), buffer in zip(self.parts, self.buffers):
            buffer.mul_(self.momentum).add_(p.grad)
            g = p.grad.add(buffer, alpha=self.momentum)
            update = torch.cat([orthogonalise(m) * math.sqrt(max(1, m.shape[0] / m.shape[1])) for m in g.chunk(n)])
            p.mul_(1 - lr * decay).add_(update, alpha=-lr)


class Mix:
    def __init__(self, folder, seed):
        self.data = {k: np.memmap(f"{folder}/{k}.bin", dtype=np.uint8, mode="r") for k in MIX}
        self.random = np.random.default_rng(seed)

    def batch(self, rows, length):
        kinds = self.random.choice(list(MIX), rows, p=list(MIX.values()))
        out = np.empty((rows, length + 1), dtype=np.int64)
        for i, kind in enumerate(kinds):
            data = self.data[kind]
            start = int(self.random.integers(0, len(data) - length - 600))
            if self.random.random() < 0.5:  # as a document begins: BOS, then the start of a line
                line = np.flatnonzero(data[start:start + 500] == 10)
                start += int(line[0]) + 1 if len(line) else 0
                out[i, 0], out[i, 1:] = 1, data[start:start + length].astype(np.int64) + 4
            else:
                out[i] = data[start:start + length + 1].astype(np.int64) + 4
        return torch.from_numpy(out)


@torch.no_grad()
def bits_per_byte(model, data, limit, length=1024):
    """Mean over `data[:limit]`, in pieces of `length` bytes that each begin with BOS and no other context."""
    model.eval()
    data = np.asarray(data[:limit]).astype(np.int64) + 4
    pieces = torch.from_numpy(data[: len(data) // length * length].reshape(-1, length))
    total = 0.0
    for rows in pieces.split(8):
        ids = torch.cat([torch.ones(len(rows), 1, dtype=torch.long), rows[:, :-1]], 1)
        total += F.cross_entropy(model(ids).view(-1, 260), rows.reshape(-1), reduction="sum").item()
    model.train()
    return total / pieces.numel() / math.log(2)


def save(out, model, card):
    os.makedirs(out, exist_ok=True)
    write_safetensors(f"{out}/model.safetensors", export_tensors(model), {"format": "pt"})
    with open(f"{out}/config.json", "w") as f:
        f.write(json.dumps({"args": ARGS}, sort_keys=True, indent=2))
    with open(f"{out}/training.json", "w") as f:
        f.write(json.dumps(card, sort_keys=True, indent=1) + "\n")


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--data", required=True)
    a.add_argument("--out", required=True)
    a.add_argument("--minutes", type=float, default=120)
    a.add_argument("--save-minutes", type=float, default=10)
    a.add_argument("--rows", type=int, default=8)
    a.add_argument("--length", type=int, default=512)
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--muon-lr", type=float, default=0.02)
    a.add_argument("--adam-lr", type=float, default=0.003)
    a.add_argument("--until", help="a file that, once it holds a number, replaces --minutes")
    a.add_argument("--resume", action="store_true")
    a = a.parse_args()
    torch.manual_seed(ARGS["seed"])
    torch.set_num_threads(a.threads)
    model = ByteModel(ARGS)
    stacked = {"wqkv": 3, "w13": 2}
    hidden = [(p, next((n for k, n in stacked.items() if k in name), 1))
              for name, p in model.named_parameters() if p.ndim == 2 and name.startswith("layers")]
    ids = {id(p) for p, _ in hidden}
    rest = [p for p in model.parameters() if id(p) not in ids]
    muon, adam = Muon(hidden), torch.optim.AdamW(rest, lr=a.adam_lr, betas=(0.9, 0.98), weight_decay=0.0)
    mix, step, seen, spent = Mix(a.data, ARGS["seed"]), 0, 0, 0.0
    held = {k: np.memmap(f"{a.data}/{k}.held.bin", dtype=np.uint8, mode="r") for k in MIX}
    state_file = f"{a.out}/state.pt"
    if a.resume and os.path.exists(state_file):
        s = torch.load(state_file)
        model.load_state_dict(s["model"])
        adam.load_state_dict(s["adam"])
        muon.buffers, step, seen, spent = s["muon"], s["step"], s["seen"], s["spent"]
        mix.random = np.random.default_rng(ARGS["seed"] + step)
    begun, saved, average = time.time() - spent, time.time(), None
    while True:
        elapsed = (time.time() - begun) / 60
        if a.until and os.path.exists(a.until):
            a.minutes = float(open(a.until).read() or a.minutes)
        done = elapsed / a.minutes
        if done >= 1:
            break
        scale = min(1.0, (step + 1) / 100, (1 - done) / 0.4)
        batch = mix.batch(a.rows, a.length)
        loss = F.cross_entropy(model(batch[:, :-1]).view(-1, 260), batch[:, 1:].reshape(-1))
        adam.zero_grad()
        for p, _ in hidden:
            p.grad = None
        loss.backward()
        muon.step(a.muon_lr * scale)
        for group in adam.param_groups:
            group["lr"] = a.adam_lr * scale
        adam.step()
        step, seen = step + 1, seen + a.rows * a.length
        bits = loss.item() / math.log(2)
        average = bits if average is None else 0.98 * average + 0.02 * bits
        if step % 100 == 0:
            print(f"{elapsed:7.1f} min  step {step}  {seen / 1e6:.2f} MB  train {average:.3f} bits/byte  "
                  f"lr {scale:.2f}  {seen / (elapsed * 60):.0f} B/s", flush=True)
        if (time.time() - saved) / 60 > a.save_minutes:
            save(a.out, model, card(a, model, held, step, seen, elapsed, 1 << 17))
            torch.save({"model": model.state_dict(), "adam": adam.state_dict(), "muon": muon.buffers, "step": step,
                        "seen": seen, "spent": time.time() - begun}, state_file + ".tmp")
            os.replace(state_file + ".tmp", state_file)
            saved = time.time()
    save(a.out, model, card(a, model, held, step, seen, (time.time() - begun) / 60, 1 << 20))


def card(a, model, held, step, seen, minutes, limit):
    facts = {
        "parameters": sum(p.numel() for p in model.parameters()), "steps": step, "bytes_seen": seen,
        "minutes": round(minutes, 1), "rows": a.rows, "length": a.length,
        "bits_per_byte_held_back": {k: round(bits_per_byte(model, d, limit), 4) for k, d in held.items()},
        "held_back_bytes_measured": {k: min(limit, len(d)) for k, d in held.items()},
        "mix": MIX, "sources": json.load(open(f"{a.data}/sources.json")),
    }
    print(json.dumps(facts["bits_per_byte_held_back"]), flush=True)
    return facts


main()
