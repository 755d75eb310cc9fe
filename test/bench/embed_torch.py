#!/usr/bin/python3
"""PyTorch on one core: tokens a second of encoders with the shapes of BERT-base
and MiniLM-L6 and random weights, in float32.

usage: embed_torch.py SECONDS    (for each shape and way)

For each shape three ways are tried, as a user might: the layers spelled out
with torch.nn.functional, the same traced and optimized by TorchScript (which
has oneDNN pack the weights), and PyTorch's own TransformerEncoder, which takes
its fused path.  Lines: model, shape, way, tokens/s of the fastest call.
"""

import math
import sys
import time

import torch
import torch.nn.functional as F

VOCAB = 30522
MODELS = {"bert-base": (12, 768, 12, 3072), "minilm": (6, 384, 12, 1536)}
SHAPES = {"16": (1, 16), "8x16": (8, 16), "256": (1, 256)}


class Embeddings(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.word = torch.nn.Embedding(VOCAB, width)
        self.position = torch.nn.Embedding(512, width)
        self.kind = torch.nn.Parameter(torch.randn(width))
        self.norm = torch.nn.LayerNorm(width, eps=1e-12)

    def forward(self, ids):
        position = self.position.weight[:ids.shape[1]]
        return self.norm(self.word(ids) + position + self.kind)


class Layer(torch.nn.Module):
    """A layer of BERT with one matrix for queries, keys and values."""

    def __init__(self, width, heads, ffn):
        super().__init__()
        self.heads, self.scale = heads, 1 / math.sqrt(width // heads)
        self.qkv = torch.nn.Linear(width, 3 * width)
        self.out = torch.nn.Linear(width, width)
        self.up = torch.nn.Linear(width, ffn)
        self.down = torch.nn.Linear(ffn, width)
        self.norm1 = torch.nn.LayerNorm(width, eps=1e-12)
        self.norm2 = torch.nn.LayerNorm(width, eps=1e-12)

    def forward(self, x):
        batch, tokens, width = x.shape
        q, k, v = (self.qkv(x).view(batch, tokens, 3, self.heads, width // self.heads)
                   .permute(2, 0, 3, 1, 4).unbind(0))
        p = torch.softmax((q * self.scale) @ k.transpose(2, 3), -1)
        a = (p @ v).transpose(1, 2).reshape(batch, tokens, width)
        x = self.norm1(x + self.out(a))
        return self.norm2(x + self.down(F.gelu(self.up(x))))


class Pooled(torch.nn.Module):
    """From ids to vectors of length 1."""

    def __init__(self, width, encoder):
        super().__init__()
        self.embeddings, self.encoder = Embeddings(width), encoder

    def forward(self, ids):
        return F.normalize(self.encoder(self.embeddings(ids)).mean(1), dim=1)


def ways(layers, width, heads, ffn, ids):
    plain = Pooled(width, torch.nn.Sequential(
        *[Layer(width, heads, ffn) for _ in range(layers)])).eval()
    yield "functional", plain
    yield "TorchScript", torch.jit.optimize_for_inference(torch.jit.trace(plain, ids))
    layer = torch.nn.TransformerEncoderLayer(width, heads, ffn, activation="gelu",
                                             layer_norm_eps=1e-12, batch_first=True)
    yield "TransformerEncoder", Pooled(
        width, torch.nn.TransformerEncoder(layer, layers)).eval()


def fastest(run, ids, seconds):
    """Seconds of the fastest call within about that time, three at least."""
    best, calls, end = math.inf, 0, time.perf_counter() + seconds
    run(ids), run(ids)
    while calls < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        run(ids)
        best = min(best, time.perf_counter() - start)
        calls += 1
    return best


def main(seconds):
    torch.set_num_threads(1)
    torch.manual_seed(1)
    with torch.inference_mode():
        for model, sizes in MODELS.items():
            for shape, (batch, tokens) in SHAPES.items():
                ids = torch.randint(VOCAB, (batch, tokens))
                for way, run in ways(*sizes, ids):
                    best = fastest(run, ids, seconds)
                    print(model, shape, way, f"{batch * tokens / best:.0f}", sep="\t", flush=True)


main(float(sys.argv[1]))
