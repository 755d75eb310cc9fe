"""Forward passes of the encoders in float64, from the published formulas.

Each takes the tensors of a model by the names of its files, its config.json
and token ids, and gives the last hidden states, one row for each token.  Where
PyTorch has a module for the purpose, that is what runs; the rest is written
out plainly.  Nothing here was taken from, or looked up in, the C sources.
"""

import math

import numpy as np
import torch


def linear(x, t, name):
    """x W^T + b, if there is a b."""
    y = x @ t[name + ".weight"].T
    return y + t[name + ".bias"] if name + ".bias" in t else y


def layer_norm(x, weight=1.0, bias=0.0, eps=1e-12):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred ** 2).mean(-1, keepdims=True) + eps) * weight + bias


def norm(x, t, name, eps):
    return layer_norm(x, t[name + ".weight"], t[name + ".bias"], eps)


def rms_norm(x, weight, eps):
    return x / np.sqrt((x ** 2).mean(-1, keepdims=True) + eps) * weight


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def gelu_tanh(x):
    return x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))


def silu(x):
    return x / (1 + np.exp(-x))


ERF = np.vectorize(math.erf, otypes=[np.float64])


def gelu(x):
    return x / 2 * (1 + ERF(x / math.sqrt(2)))


ACTIVATIONS = {"gelu": gelu, "gelu_new": gelu_tanh, "silu": silu, "tanh": np.tanh,
               "relu": lambda x: np.maximum(x, 0), "identity": lambda x: x}


def split(x, heads):
    """[tokens, heads * d] -> [heads, tokens, d]"""
    return x.reshape(len(x), heads, -1).transpose(1, 0, 2)


def attend(q, k, v, heads, scale, bias=0.0):
    """Attention of all heads; bias [heads, tokens, tokens] adds to the scores."""
    q, k, v = (split(a, heads) for a in (q, k, v))
    p = softmax(scale * (q @ k.transpose(0, 2, 1)) + bias)
    return (p @ v).transpose(1, 0, 2).reshape(q.shape[1], -1)


# BERT and its kin -----------------------------------------------------------

def torch_layers(x, layers, heads, ffn, eps):
    """Post-norm layers with erf GELU, by torch.nn.TransformerEncoderLayer.

    layers are lists of tensors: q, k, v, out, norm, up, down, norm, each with
    weight and bias.
    """
    x = torch.from_numpy(x)[None]
    for q, k, v, out, norm1, up, down, norm2 in layers:
        layer = torch.nn.TransformerEncoderLayer(
            x.shape[2], heads, ffn, dropout=0.0, activation="gelu", layer_norm_eps=eps,
            batch_first=True, norm_first=False, dtype=torch.float64)
        values = {"self_attn.in_proj_weight": np.concatenate([q[0], k[0], v[0]]),
                  "self_attn.in_proj_bias": np.concatenate([q[1], k[1], v[1]])}
        for name, (weight, bias) in {"self_attn.out_proj": out, "norm1": norm1,
                                     "linear1": up, "linear2": down, "norm2": norm2}.items():
            values[name + ".weight"], values[name + ".bias"] = weight, bias
        layer.load_state_dict({n: torch.from_numpy(a) for n, a in values.items()})
        layer.train()           # evaluation would take another, fused path
        with torch.no_grad():
            x = layer(x)
    return x[0].numpy()


def layers_of(t, count, pattern, names):
    """The weights and biases of all layers; pattern has one %d."""
    def pair(name):
        for weight, bias in ((".weight", ".bias"), (".gamma", ".beta")):
            if name + weight in t:
                return t[name + weight], t[name + bias]
        raise KeyError(name)
    return [[pair(pattern % l + n) for n in names] for l in range(count)]


def bert(t, c, ids):
    """BERT; RoBERTa and XLM-R too, whose positions begin behind the padding's."""
    prefix = next(p for p in ("", "bert.", "roberta.")
                  if p + "embeddings.word_embeddings.weight" in t)
    t = {n[len(prefix):]: a for n, a in t.items() if n.startswith(prefix)}
    first = 0 if c["model_type"] == "bert" else c["pad_token_id"] + 1
    eps = c["layer_norm_eps"]
    x = (t["embeddings.word_embeddings.weight"][ids]
         + t["embeddings.position_embeddings.weight"][first:first + len(ids)]
         + t["embeddings.token_type_embeddings.weight"][0])
    [[(weight, bias)]] = layers_of(t, 1, "embeddings%.0s.", ["LayerNorm"])
    x = layer_norm(x, weight, bias, eps)
    names = ["attention.self.query", "attention.self.key", "attention.self.value",
             "attention.output.dense", "attention.output.LayerNorm",
             "intermediate.dense", "output.dense", "output.LayerNorm"]
    return torch_layers(x, layers_of(t, c["num_hidden_layers"], "encoder.layer.%d.", names),
                        c["num_attention_heads"], c["intermediate_size"], eps)


def distilbert(t, c, ids):
    t = {n[len("distilbert."):]: a for n, a in t.items()}
    x = (t["embeddings.word_embeddings.weight"][ids]
         + t["embeddings.position_embeddings.weight"][:len(ids)])
    x = norm(x, t, "embeddings.LayerNorm", 1e-12)
    names = ["attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin",
             "sa_layer_norm", "ffn.lin1", "ffn.lin2", "output_layer_norm"]
    return torch_layers(x, layers_of(t, c["n_layers"], "transformer.layer.%d.", names),
                        c["n_heads"], c["hidden_dim"], 1e-12)


# Relative positions ---------------------------------------------------------

def bucket(rel):
    """Bucket of a distance key - query; 32 of them, up to a distance of 128.

    Per direction: 8 for the distances 0 to 7, then 8 whose widths grow by the
    square root of 2: bucket 8 + j begins at 8 * 2^(j/2).
    """
    a = abs(rel)
    near = a if a < 8 else 8 + sum(a * a >= 64 << j for j in range(1, 8))
    return near + (16 if rel > 0 else 0)


def relative_bias(table, n):
    """[heads, n, n] from a table [buckets, heads]; rows are queries."""
    buckets = np.array([[bucket(k - q) for k in range(n)] for q in range(n)], dtype=int)
    return table[buckets.reshape(n, n)].transpose(2, 0, 1)


def mpnet(t, c, ids):
    eps, heads = c["layer_norm_eps"], c["num_attention_heads"]
    first = c["pad_token_id"] + 1
    x = (t["embeddings.word_embeddings.weight"][ids]
         + t["embeddings.position_embeddings.weight"][first:first + len(ids)])
    x = norm(x, t, "embeddings.LayerNorm", eps)
    bias = relative_bias(t["encoder.relative_attention_bias.weight"], len(ids))
    for l in range(c["num_hidden_layers"]):
        p = f"encoder.layer.{l}."
        q, k, v = (linear(x, t, p + "attention.attn." + n) for n in "qkv")
        a = attend(q, k, v, heads, 1 / math.sqrt(q.shape[1] // heads), bias)
        x = norm(x + linear(a, t, p + "attention.attn.o"), t, p + "attention.LayerNorm", eps)
        h = ACTIVATIONS[c["hidden_act"]](linear(x, t, p + "intermediate.dense"))
        x = norm(x + linear(h, t, p + "output.dense"), t, p + "output.LayerNorm", eps)
    return x


def t5(t, c, ids):
    eps, heads = c["layer_norm_epsilon"], c["num_heads"]
    x = t["shared.weight"][ids]
    bias = relative_bias(
        t["encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"], len(ids))
    for l in range(c["num_layers"]):
        p = f"encoder.block.{l}.layer."
        y = rms_norm(x, t[p + "0.layer_norm.weight"], eps)
        q, k, v = (linear(y, t, p + "0.SelfAttention." + n) for n in "qkv")
        x = x + linear(attend(q, k, v, heads, 1.0, bias), t, p + "0.SelfAttention.o")
        y = rms_norm(x, t[p + "1.layer_norm.weight"], eps)
        if c["feed_forward_proj"] == "gated-gelu":
            h = (gelu_tanh(linear(y, t, p + "1.DenseReluDense.wi_0"))
                 * linear(y, t, p + "1.DenseReluDense.wi_1"))
        else:
            h = np.maximum(linear(y, t, p + "1.DenseReluDense.wi"), 0)
        x = x + linear(h, t, p + "1.DenseReluDense.wo")
    return rms_norm(x, t["encoder.final_layer_norm.weight"], eps)


# Rotary positions -----------------------------------------------------------

def rotate(x, heads, base):
    """Pair i of a head, elements i and i + d/2, turns by position * base^(-2i/d)."""
    x = split(x, heads)
    half = x.shape[2] // 2
    angle = np.arange(x.shape[1])[:, None] * base ** (-np.arange(half) / half)[None]
    turned = (x[..., :half] + 1j * x[..., half:]) * np.exp(1j * angle)
    y = np.concatenate([turned.real, turned.imag], axis=2)
    return y.transpose(1, 0, 2).reshape(x.shape[1], -1)


def nomic_bert(t, c, ids):
    eps, heads = c["layer_norm_epsilon"], c["n_head"]
    x = (t["embeddings.word_embeddings.weight"][ids]
         + t["embeddings.token_type_embeddings.weight"][0])
    x = norm(x, t, "emb_ln", eps)
    for l in range(c["n_layer"]):
        p = f"encoder.layers.{l}."
        q, k, v = np.split(linear(x, t, p + "attn.Wqkv"), 3, axis=1)
        q, k = (rotate(a, heads, c["rotary_emb_base"]) for a in (q, k))
        a = attend(q, k, v, heads, 1 / math.sqrt(q.shape[1] // heads))
        x = norm(x + linear(a, t, p + "attn.out_proj"), t, p + "norm1", eps)
        h = linear(x, t, p + "mlp.fc11") * silu(linear(x, t, p + "mlp.fc12"))
        x = norm(x + linear(h, t, p + "mlp.fc2"), t, p + "norm2", eps)
    return x


# USE-lite -------------------------------------------------------------------

def use_lite(t, c, ids):
    eps, heads = c["layer_norm_eps"], c["num_attention_heads"]
    if len(ids) == 0:
        return np.zeros((0, c["hidden_size"]))
    half = c["embedding_size"] // 2
    angle = (np.arange(len(ids))[:, None]
             * 10000.0 ** (-np.arange(half) / (half - 1))[None])
    x = (2 * t["embeddings.word_embeddings.weight"][ids]
         + np.concatenate([np.sin(angle), np.cos(angle)], axis=1))
    for l in range(c["num_hidden_layers"]):
        p = f"encoder.layer.{l}."
        q, k, v = np.split(linear(norm(x, t, p + "ln1", eps), t, p + "attention.qkv"), 3, axis=1)
        a = attend(q, k, v, heads, 1 / math.sqrt(q.shape[1] // heads))
        around = linear(x, t, p + "residual") if p + "residual.weight" in t else x
        x = linear(a, t, p + "attention.out") + around
        h = np.maximum(linear(norm(x, t, p + "ln2", eps), t, p + "ffn.up"), 0)
        x = x + linear(h, t, p + "ffn.down")
    return x


ENCODERS = {"bert": bert, "roberta": bert, "xlm-roberta": bert, "distilbert": distilbert,
            "mpnet": mpnet, "t5": t5, "nomic_bert": nomic_bert, "use_lite": use_lite}


# From hidden states to a vector ---------------------------------------------

def pool(x, mode, skip):
    """One pooling over the rows of x but the first skip."""
    rows = x[skip:]
    if mode == "cls":
        return x[0]
    if mode == "lasttoken":
        return x[-1]
    if mode == "max":
        return rows.max(0)
    if mode == "mean":
        return rows.sum(0) / max(len(rows), 1)
    if mode == "mean_sqrt_len":
        return rows.sum(0) / math.sqrt(max(len(rows), 1))
    if mode == "weightedmean":
        weight = np.arange(1, len(x) + 1)[skip:]
        return weight @ rows / weight.sum()
    raise ValueError(mode)


def embed(model, ids, skip=0):
    """The vector of a text; model has tensors, config, poolings and stages."""
    x = ENCODERS[model["config"]["model_type"]](model["tensors"], model["config"], ids)
    y = np.concatenate([pool(x, mode, skip) for mode in model["poolings"]])
    for kind, activation, t in model["stages"]:
        if kind == "Dense":
            y = ACTIVATIONS[activation](linear(y, t, "linear"))
        else:
            y = y / max(math.sqrt((y ** 2).sum()), 1e-12)
    return y


# Checks by hand -------------------------------------------------------------

def check():
    # 8 * 2^(j/2) is 11.3, 16, 22.6, 32, 45.3, 64, 90.5
    steps = {0: 0, 1: 1, 7: 7, 8: 8, 11: 8, 12: 9, 15: 9, 16: 10, 22: 10, 23: 11, 31: 11,
             32: 12, 45: 12, 46: 13, 63: 13, 64: 14, 90: 14, 91: 15, 1000: 15}
    for distance, which in steps.items():
        assert bucket(-distance) == which
        assert distance == 0 or bucket(distance) == which + 16

    # Rotation: nothing at position 0; products depend on the distance alone;
    # one radian a step where the base does not matter.
    rng = np.random.default_rng(1)
    q, k = (np.tile(rng.normal(size=(1, 8)), (6, 1)) for _ in range(2))
    rq, rk = rotate(q, 1, 1000.0), rotate(k, 1, 1000.0)
    assert np.allclose(rq[0], q[0])
    assert np.allclose(rq[1] @ rk[3], rq[3] @ rk[5])
    assert np.allclose(rotate(np.array([[1.0, 0], [1, 0]]), 1, 1000.0)[1],
                       [math.cos(1), math.sin(1)])

    assert abs(gelu(np.array(1.0)) - 0.8413447460685429) < 1e-15
    assert abs(gelu_tanh(np.array(1.0)) - 0.8411919906082768) < 1e-15
    assert np.allclose(rms_norm(np.array([3.0, 4.0]), 1.0, 0), [3 / math.sqrt(12.5), 4 / math.sqrt(12.5)])

    # The plain attention against PyTorch's layer: all of a BERT layer by hand.
    t = {f"{n}.{p}": rng.normal(size=(8, 8) if p == "weight" else 8) / 3
         for n in ("q", "k", "v", "o", "up", "down", "n1", "n2") for p in ("weight", "bias")}
    for n in ("n1", "n2"):
        t[n + ".weight"] = rng.normal(size=8)
    x = rng.normal(size=(5, 8))
    by_torch = torch_layers(x, layers_of(t, 1, "%.0s", ["q", "k", "v", "o", "n1", "up", "down", "n2"]),
                            2, 8, 1e-5)
    a = attend(*(linear(x, t, n) for n in "qkv"), 2, 0.5)
    y = norm(x + linear(a, t, "o"), t, "n1", 1e-5)
    y = norm(y + linear(gelu(linear(y, t, "up")), t, "down"), t, "n2", 1e-5)
    assert np.abs(y - by_torch).max() < 1e-12


check()
