"""The byte-level language model in PyTorch, for training only.

Same architecture as the released BLT entropy model: pre-norm RMSNorm, interleaved RoPE, causal sliding-window
attention, SwiGLU, no biases, untied output, vocabulary of 260 (byte + 4; BOS 1, EOS 2). Q, K and V, and the two
gate matrices, are fused while training because small matrix products are slow; `export_tensors` takes them apart.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn


def ffn_hidden(dim, multiple_of):
    hidden = int(2 * 4 * dim / 3)
    return multiple_of * ((hidden + multiple_of - 1) // multiple_of)


class RMSNorm(nn.Module):
    def __init__(self, dim, eps):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


def rope_table(length, head_dim, theta):
    k = torch.arange(0, head_dim, 2, dtype=torch.float32)
    freqs = 1.0 / (theta ** (k / head_dim))
    angle = torch.outer(torch.arange(length, dtype=torch.float32), freqs)
    return torch.cos(angle), torch.sin(angle)


def rope(x, cos, sin):
    """x: [batch, heads, time, head_dim]; rotates adjacent pairs."""
    b, h, t, d = x.shape
    pairs = x.view(b, h, t, d // 2, 2)
    even, odd = pairs[..., 0], pairs[..., 1]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).view(b, h, t, d)


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        dim, hidden = c["dim"], ffn_hidden(c["dim"], c["multiple_of"])
        self.heads, self.head_dim, self.window = c["n_heads"], dim // c["n_heads"], c["sliding_window"]
        self.attention_norm = RMSNorm(dim, c["norm_eps"])
        self.ffn_norm = RMSNorm(dim, c["norm_eps"])
        self.wqkv = nn.Linear(dim, 3 * dim, bias=False)
        self.wo = nn.Linear(dim, dim, bias=False)
        self.w13 = nn.Linear(dim, 2 * hidden, bias=False)
        self.w2 = nn.Linear(hidden, dim, bias=False)

    def attend(self, q, k, v, mask):
        """Blocks of `window` queries look at the `2 * window` keys that end with their own block."""
        b, h, t, d = q.shape
        w, n = self.window, t // self.window
        pad = lambda y: F.pad(y, (0, 0, w, 0))
        band = lambda y: pad(y).unfold(2, 2 * w, w)  # [b, h, n, d, 2w]
        qb = q.reshape(b * h * n, w, d)
        kb = band(k).reshape(b * h * n, d, 2 * w)
        vb = band(v).reshape(b * h * n, d, 2 * w).transpose(1, 2)
        scores = torch.baddbmm(mask.repeat(b * h, 1, 1), qb, kb, alpha=1 / math.sqrt(d))
        return torch.bmm(scores.softmax(-1), vb).view(b, h, t, d)

    def forward(self, x, cos, sin, mask):
        b, t, dim = x.shape
        qkv = self.wqkv(self.attention_norm(x)).view(b, t, 3, self.heads, self.head_dim).permute(2, 0, 3, 1, 4)
        q, k = rope(qkv[0], cos, sin), rope(qkv[1], cos, sin)
        x = x + self.wo(self.attend(q, k, qkv[2], mask).transpose(1, 2).reshape(b, t, dim))
        gate, up = self.w13(self.ffn_norm(x)).chunk(2, -1)
        return x + self.w2(F.silu(gate) * up)


class ByteModel(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        dim = c["dim"]
        self.tok_embeddings = nn.Embedding(c["vocab_size"], dim)
        self.layers = nn.ModuleList(Layer(c) for _ in range(c["n_layers"]))
        self.norm = RMSNorm(dim, c["norm_eps"])
        self.output = nn.Linear(dim, c["vocab_size"], bias=False)
        nn.init.normal_(self.tok_embeddings.weight, std=0.3)
        for layer in self.layers:
            for linear in (layer.wqkv, layer.w13):
                nn.init.uniform_(linear.weight, -math.sqrt(3 / dim), math.sqrt(3 / dim))
            nn.init.zeros_(layer.wo.weight)
            nn.init.zeros_(layer.w2.weight)
        nn.init.zeros_(self.output.weight)

    def mask(self, t):
        """Additive mask [blocks, window, 2 * window]: query i sees keys i - window + 1 .. i of the sequence."""
        w, n = self.c["sliding_window"], t // self.c["sliding_window"]
        query = torch.arange(w).view(1, w, 1) + torch.arange(n).view(n, 1, 1) * w
        key = torch.arange(2 * w).view(1, 1, 2 * w) + torch.arange(n).view(n, 1, 1) * w - w
        visible = (key >= 0) & (key <= query) & (key > query - w)
        return torch.where(visible, 0.0, -1e30)

    def forward(self, ids):
        t = ids.shape[1]
        cos, sin = rope_table(t, self.c["dim"] // self.c["n_heads"], self.c["rope_theta"])
        mask = self.mask(t)
        x = self.tok_embeddings(ids)
        for layer in self.layers:
            x = layer(x, cos, sin, mask)
        return self.output(self.norm(x))


def export_tensors(model):
    """Tensors under the names and shapes of the released layout."""
    dim = model.c["dim"]
    hidden = ffn_hidden(dim, model.c["multiple_of"])
    out = {
        "tok_embeddings.weight": model.tok_embeddings.weight,
        "norm.weight": model.norm.weight,
        "output.weight": model.output.weight,
    }
    for i, layer in enumerate(model.layers):
        p = f"layers.{i}."
        q, k, v = layer.wqkv.weight.split(dim)
        w1, w3 = layer.w13.weight.split(hidden)
        out.update({
            p + "attention_norm.weight": layer.attention_norm.weight,
            p + "attention.wq.weight": q,
            p + "attention.wk.weight": k,
            p + "attention.wv.weight": v,
            p + "attention.wo.weight": layer.wo.weight,
            p + "ffn_norm.weight": layer.ffn_norm.weight,
            p + "feed_forward.w1.weight": w1,
            p + "feed_forward.w3.weight": w3,
            p + "feed_forward.w2.weight": layer.w2.weight,
        })
    return {name: tensor.detach().float().contiguous() for name, tensor in out.items()}
