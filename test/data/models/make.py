#!/usr/bin/python3
"""Makes the models of this folder and what they must give; see README.md.

usage: make.py [MODEL]...
"""

import json
import os
import shutil
import struct
import subprocess
import sys
import zlib

import numpy as np

import reference
import vocab

HERE = os.path.dirname(os.path.abspath(__file__))
ALIGN = 8
LONG = " ".join(vocab.words(120)[i * 7 % 120] for i in range(140))

TEXTS = [
    "How do I draw a graph?",
    "the people of the world said: they want 3 more years",
    "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8 and \u4e2d\u6587",
    "party \U0001f600\U0001f389 time \U0001f680",
    "CAF\u00c9 caf\u00e9 cafe\u0301 f\u00fcr \uff28\uff29 \ufb01n\u2026",
    "",
    "  two  blanks\tand a tab ",
    ": https://the.world/?q=1&x=[2]",
    LONG,
]


# Weights --------------------------------------------------------------------

class Weights:
    """Random tensors by name; the same seed gives the same ones."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(zlib.crc32(seed.encode()))
        self.tensors = {}

    def add(self, name, shape, scale, mean=0.0):
        self.tensors[name] = mean + scale * self.rng.normal(size=shape)

    def linear(self, name, n, k, gain=1.0, bias=True):
        self.add(name + ".weight", (n, k), gain / k ** 0.5)
        if bias:
            self.add(name + ".bias", n, 0.3)

    def norm(self, name, n, weight="weight", bias="bias"):
        self.add(f"{name}.{weight}", n, 0.3, 1.0)
        if bias:
            self.add(f"{name}.{bias}", n, 0.3)


# Queries and keys are scaled up so that attention is neither flat nor all on
# one token: scores have a standard deviation of about SHARP squared.
SHARP = 1.3


def bert_weights(w, c, prefix="", weight="weight", bias="bias", types=2):
    h = c["hidden_size"]
    w.add(prefix + "embeddings.word_embeddings.weight", (c["vocab_size"], h), 1.0)
    w.add(prefix + "embeddings.position_embeddings.weight",
          (c["max_position_embeddings"], h), 0.4)
    w.add(prefix + "embeddings.token_type_embeddings.weight", (types, h), 0.4)
    w.norm(prefix + "embeddings.LayerNorm", h, weight, bias)
    for l in range(c["num_hidden_layers"]):
        p = f"{prefix}encoder.layer.{l}."
        for name, gain in (("query", SHARP), ("key", SHARP), ("value", 1.0)):
            w.linear(p + "attention.self." + name, h, h, gain)
        w.linear(p + "attention.output.dense", h, h, 2.5)
        w.norm(p + "attention.output.LayerNorm", h, weight, bias)
        w.linear(p + "intermediate.dense", c["intermediate_size"], h)
        w.linear(p + "output.dense", h, c["intermediate_size"], 1.5)
        w.norm(p + "output.LayerNorm", h, weight, bias)


def distilbert_weights(w, c):
    h = c["dim"]
    w.add("distilbert.embeddings.word_embeddings.weight", (c["vocab_size"], h), 1.0)
    w.add("distilbert.embeddings.position_embeddings.weight",
          (c["max_position_embeddings"], h), 0.4)
    w.norm("distilbert.embeddings.LayerNorm", h)
    for l in range(c["n_layers"]):
        p = f"distilbert.transformer.layer.{l}."
        for name, gain in (("q", SHARP), ("k", SHARP), ("v", 1.0), ("out", 2.0)):
            w.linear(f"{p}attention.{name}_lin", h, h, gain)
        w.norm(p + "sa_layer_norm", h)
        w.linear(p + "ffn.lin1", c["hidden_dim"], h)
        w.linear(p + "ffn.lin2", h, c["hidden_dim"], 1.5)
        w.norm(p + "output_layer_norm", h)


def mpnet_weights(w, c):
    h = c["hidden_size"]
    w.add("embeddings.word_embeddings.weight", (c["vocab_size"], h), 1.0)
    w.add("embeddings.position_embeddings.weight", (c["max_position_embeddings"], h), 0.4)
    w.norm("embeddings.LayerNorm", h)
    w.add("encoder.relative_attention_bias.weight", (32, c["num_attention_heads"]), 1.0)
    for l in range(c["num_hidden_layers"]):
        p = f"encoder.layer.{l}."
        for name, gain in (("q", SHARP), ("k", SHARP), ("v", 1.0), ("o", 2.0)):
            w.linear(p + "attention.attn." + name, h, h, gain)
        w.norm(p + "attention.LayerNorm", h)
        w.linear(p + "intermediate.dense", c["intermediate_size"], h)
        w.linear(p + "output.dense", h, c["intermediate_size"], 1.5)
        w.norm(p + "output.LayerNorm", h)


def t5_weights(w, c):
    h, inner = c["d_model"], c["num_heads"] * c["d_kv"]
    sharp = SHARP / c["d_kv"] ** 0.25       # scores are not scaled
    w.add("shared.weight", (c["vocab_size"], h), 1.0)
    for l in range(c["num_layers"]):
        p = f"encoder.block.{l}.layer."
        w.norm(p + "0.layer_norm", h, bias=None)
        for name, gain in (("q", sharp), ("k", sharp), ("v", 1.0)):
            w.linear(f"{p}0.SelfAttention.{name}", inner, h, gain, bias=False)
        w.linear(p + "0.SelfAttention.o", h, inner, 1.3, bias=False)
        if l == 0:
            w.add(p + "0.SelfAttention.relative_attention_bias.weight",
                  (c["relative_attention_num_buckets"], c["num_heads"]), 1.0)
        w.norm(p + "1.layer_norm", h, bias=None)
        gated = c["feed_forward_proj"].startswith("gated-")
        for name in ("wi_0", "wi_1") if gated else ("wi",):
            w.linear(f"{p}1.DenseReluDense.{name}", c["d_ff"], h, bias=False)
        w.linear(p + "1.DenseReluDense.wo", h, c["d_ff"], 1.5, bias=False)
    w.norm("encoder.final_layer_norm", h, bias=None)


def nomic_weights(w, c):
    h = c["n_embd"]
    w.add("embeddings.word_embeddings.weight", (c["vocab_size"], h), 1.0)
    w.add("embeddings.token_type_embeddings.weight", (2, h), 0.4)
    w.norm("emb_ln", h)
    for l in range(c["n_layer"]):
        p = f"encoder.layers.{l}."
        w.linear(p + "attn.Wqkv", 3 * h, h, SHARP, bias=False)
        w.linear(p + "attn.out_proj", h, h, bias=False)
        w.norm(p + "norm1", h)
        for name in ("fc11", "fc12"):
            w.linear(p + "mlp." + name, c["n_inner"], h, bias=False)
        w.linear(p + "mlp.fc2", h, c["n_inner"], 1.5, bias=False)
        w.norm(p + "norm2", h)


def use_lite_weights(w, c):
    h = c["hidden_size"]
    w.add("embeddings.word_embeddings.weight", (c["vocab_size"], c["embedding_size"]), 0.5)
    for l in range(c["num_hidden_layers"]):
        p, k = f"encoder.layer.{l}.", h if l else c["embedding_size"]
        w.norm(p + "ln1", k)
        w.linear(p + "attention.qkv", 3 * k, k, SHARP)
        w.linear(p + "attention.out", h, k)
        if l == 0:
            w.linear(p + "residual", h, k)
        w.norm(p + "ln2", h)
        w.linear(p + "ffn.up", c["intermediate_size"], h)
        w.linear(p + "ffn.down", h, c["intermediate_size"], 1.5)


# Files ----------------------------------------------------------------------

def encode(tensor, dtype):
    """Bytes of a tensor, and the numbers that they stand for."""
    if dtype == "F16":
        stored = tensor.astype("<f2")
        return stored.tobytes(), stored.astype(np.float64)
    stored = tensor.astype("<f4")
    if dtype == "BF16":
        bits = stored.view("<u4").astype(np.uint64)
        bits = ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16).astype("<u2")
        return bits.tobytes(), (bits.astype("<u4") << 16).view("<f4").astype(np.float64)
    return stored.tobytes(), stored.astype(np.float64)


def write_safetensors(path, tensors, dtype, others=()):
    """Writes the file and gives the tensors as they can be read from it."""
    header, pieces, at, read = {"__metadata__": {"format": "pt"}}, [], 0, {}
    items = [(n, dtype, *encode(a, dtype)) for n, a in tensors.items()]
    items += [(n, "I64", a.astype("<i8").tobytes(), a) for n, a in others]
    for name, kind, data, values in sorted(items, key=lambda item: item[0]):
        header[name] = {"dtype": kind, "shape": list(values.shape),
                        "data_offsets": [at, at + len(data)]}
        pieces.append(data)
        at += len(data)
        if kind != "I64":
            read[name] = values
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGN)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text + b"".join(pieces))
    return read


def write_json(path, content, indent=2):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as out:
        json.dump(content, out, ensure_ascii=False, indent=indent,
                  separators=None if indent else (",", ":"))
        out.write("\n")


POOLINGS = {"cls": "cls_token", "max": "max_tokens", "mean": "mean_tokens",
            "mean_sqrt_len": "mean_sqrt_len_tokens", "weightedmean": "weightedmean_tokens",
            "lasttoken": "lasttoken"}


def pooling_config(width, poolings, include_prompt=None):
    config = {"word_embedding_dimension": width}
    config.update({"pooling_mode_" + key: name in poolings for name, key in POOLINGS.items()})
    if include_prompt is not None:
        config["include_prompt"] = include_prompt
    return config


TORCH_NAMES = {"tanh": "activation.Tanh", "identity": "linear.Identity"}


def write_stages(folder, spec, width):
    """modules.json and the folders it names; gives the stages to compute."""
    modules = [{"idx": 0, "name": "0", "path": "",
                "type": "sentence_transformers.models.Transformer"}]
    stages = []
    for kind, *arguments in [("Pooling",)] + spec["stages"]:
        at = f"{len(modules)}_{kind}"
        modules.append({"idx": len(modules), "name": str(len(modules)), "path": at,
                        "type": "sentence_transformers.models." + kind})
        if kind == "Pooling":
            write_json(f"{folder}/{at}/config.json", pooling_config(
                width, spec["poolings"], spec.get("include_prompt")))
        elif kind == "Dense":
            n, bias, activation = arguments
            k = width * len(spec["poolings"])
            w = Weights(spec["name"] + at)
            w.linear("linear", n, k, bias=bias)
            write_json(f"{folder}/{at}/config.json", {
                "in_features": k, "out_features": n, "bias": bias,
                "activation_function": "torch.nn.modules." + TORCH_NAMES[activation]})
            stages.append((kind, activation, write_safetensors(
                f"{folder}/{at}/model.safetensors", w.tensors, spec.get("dtype", "F32"))))
        else:
            stages.append((kind, None, None))
    write_json(folder + "/modules.json", modules)
    return stages


# What the models must give --------------------------------------------------

def official_ids(folder, limit, texts):
    """(ids, special flags) of each text, by the tokenizers library."""
    run = subprocess.run(["node", HERE + "/encode.js", folder + "/tokenizer.json", str(limit)],
                         input=json.dumps(texts).encode(), stdout=subprocess.PIPE, check=True)
    return [(r["ids"], r["special"]) for r in json.loads(run.stdout)]


def tokenize(spec, folder, texts):
    if spec.get("lower_case"):
        texts = [t.lower() for t in texts]
    official = official_ids(folder, spec["max_tokens"], texts)
    if spec["config"]["model_type"] != "use_lite":
        return official
    pieces = spec["tokenizer"]["model"]["vocab"]
    ids = [vocab.use_lite_ids(t, pieces, spec["max_tokens"]) for t in texts]
    for text, own, (other, _) in zip(texts, ids, official):
        if not text.startswith(":"):        # one of the known differences
            assert own == other, text
    return [(i, [0] * len(i)) for i in ids]


def cases(spec):
    """(text, task, instruction, prompt, whether pooling leaves it out)"""
    prompts = spec.get("prompts", {})
    left_out = spec.get("include_prompt") is False
    default = spec.get("default_task")
    for text in TEXTS:
        yield text, None, None, prompts.get(default, ""), left_out and default is not None
    for task in prompts:
        for text in (TEXTS[0], TEXTS[2], TEXTS[8]):
            yield text, task, None, prompts[task], left_out
    # An instruction is left out unless the files say otherwise.
    for text in (TEXTS[0], TEXTS[3], TEXTS[5]):
        instruction = "Find what they say about the group:"
        yield text, None, instruction, instruction, spec.get("include_prompt") is not True


def skipped(prompt_tokens):
    ids, special = prompt_tokens
    return len(ids) - (1 if special and special[-1] else 0)


def quoted(text):
    if text is None:
        return "\\N"
    for char, escape in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
        text = text.replace(char, escape)
    return text


def vector(x):
    return "[" + ",".join(f"{v:.8g}" for v in x) + "]"


def array(ids):
    return "{" + ",".join(map(str, ids)) + "}"


def write_expected(path, spec, folder, model):
    rows = list(cases(spec))
    tokens = tokenize(spec, folder, [prompt + text for text, _, _, prompt, _ in rows])
    prompts = tokenize(spec, folder, [prompt for _, _, _, prompt, _ in rows])
    vectors = []
    with open(path, "w", encoding="utf-8") as out:
        for row, (ids, _), prompt in zip(rows, tokens, prompts):
            skip = skipped(prompt) if row[4] and row[3] else 0
            y = reference.embed(model, ids, skip)
            vectors.append(y / np.linalg.norm(y))
            out.write("\t".join([*map(quoted, row[:3]), array(ids), vector(y)]) + "\n")
    return np.array(vectors)


def write_variants(path, spec, folder, model):
    """Every pooling, and fewer layers, with what is to be changed for it."""
    variants = [(name, "1_Pooling/config.json",
                 pooling_config(model["width"], poolings), {"poolings": poolings})
                for name, poolings in [(p, [p]) for p in POOLINGS] + [
                    ("cls+mean", ["cls", "mean"]), ("all", list(POOLINGS))]]
    for layers in (0, 1):
        config = dict(spec["config"], num_hidden_layers=layers)
        variants.append((f"{layers} layers", "config.json", config, {"config": config}))
    texts = [TEXTS[i] for i in (0, 2, 5, 8)]
    tokens = tokenize(spec, folder, texts)
    with open(path, "w", encoding="utf-8") as out:
        for name, file, content, change in variants:
            for text, (ids, _) in zip(texts, tokens):
                y = reference.embed({**model, **change}, ids)
                out.write("\t".join([name, file, quoted(json.dumps(content)), quoted(text),
                                     array(ids), vector(y)]) + "\n")


def write_dimensions(path, spec, folder, model):
    """Vectors cut to fewer dimensions, and of length 1 again."""
    texts = [TEXTS[i] for i in (0, 2, 5)]
    with open(path, "w", encoding="utf-8") as out:
        for dimensions in (1, 7, 16):
            for text, (ids, _) in zip(texts, tokenize(spec, folder, texts)):
                y = reference.embed(model, ids)
                if "matryoshka_layer_norm" in spec.get("more", {}):
                    y = reference.layer_norm(y, eps=1e-5)
                y = y[:dimensions]
                out.write("\t".join([str(dimensions), quoted(text),
                                     vector(y / np.linalg.norm(y))]) + "\n")


# The models -----------------------------------------------------------------

def bert_config(model_type, vocab_size, **more):
    return dict({"model_type": model_type, "vocab_size": vocab_size, "hidden_size": 24,
                 "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40,
                 "hidden_act": "gelu", "layer_norm_eps": 1e-12, "max_position_embeddings": 64,
                 "type_vocab_size": 2, "pad_token_id": 0,
                 "position_embedding_type": "absolute"}, **more)


def t5_config(vocab_size, **more):
    return dict({"model_type": "t5", "vocab_size": vocab_size, "d_model": 24, "d_kv": 8,
                 "d_ff": 40, "num_layers": 2, "num_heads": 4, "layer_norm_epsilon": 1e-6,
                 "feed_forward_proj": "relu", "relative_attention_num_buckets": 32,
                 "relative_attention_max_distance": 128, "pad_token_id": 0,
                 "eos_token_id": 1}, **more)


BERT_SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def bert():
    tokenizer = vocab.word_piece(BERT_SPECIALS, "[CLS]", "[SEP]", "[UNK]")
    config = bert_config("bert", len(tokenizer["model"]["vocab"]))
    return dict(config=config, tokenizer=tokenizer, weights=bert_weights, max_tokens=64,
                poolings=["mean"], stages=[("Normalize",)], variants=True, dimensions=True,
                prompts={"query": "query: ", "document": "passage: "},
                others=[("embeddings.position_ids", np.arange(64)[None])])


def roberta():
    # With most other seeds its first token sees little but itself.
    tokenizer = vocab.byte_level_bpe()
    config = bert_config("roberta", len(tokenizer["model"]["vocab"]), hidden_size=20,
                         num_attention_heads=2, layer_norm_eps=1e-5, type_vocab_size=1,
                         max_position_embeddings=98, pad_token_id=1)
    return dict(config=config, tokenizer=tokenizer, max_tokens=96, lower_case=False,
                weights=lambda w, c: bert_weights(w, c, "roberta.", "gamma", "beta", 1),
                poolings=["cls"], stages=[], seed="r2")


def xlm():
    specials = ["<s>", "<pad>", "</s>", "<unk>"]
    tokenizer = vocab.unigram(["<s>"], ["</s>"], specials, True)
    config = bert_config("xlm-roberta", len(tokenizer["model"]["vocab"]), layer_norm_eps=1e-5,
                         type_vocab_size=1, max_position_embeddings=82, pad_token_id=1)
    return dict(config=config, tokenizer=tokenizer, max_tokens=80,
                weights=lambda w, c: bert_weights(w, c, types=1),
                poolings=["mean"], stages=[("Normalize",)], default_task="query",
                prompts={"query": "query: ", "passage": "passage: "}, include_prompt=True)


def distilbert():
    tokenizer = vocab.word_piece(BERT_SPECIALS, "[CLS]", "[SEP]", "[UNK]", lower_case=False,
                                 processor="BertProcessing")
    config = {"model_type": "distilbert", "vocab_size": len(tokenizer["model"]["vocab"]),
              "dim": 28, "n_heads": 2, "n_layers": 2, "hidden_dim": 36, "activation": "gelu",
              "max_position_embeddings": 72, "sinusoidal_pos_embds": False, "pad_token_id": 0}
    return dict(config=config, tokenizer=tokenizer, weights=distilbert_weights, max_tokens=48,
                poolings=["max"], lower_case=True, stages=[("Dense", 17, True, "tanh")])


def mpnet():
    tokenizer = vocab.word_piece(["<s>", "<pad>", "</s>", "[UNK]", "<mask>"], "<s>", "</s>",
                                 "[UNK]", processor="RobertaProcessing")
    config = bert_config("mpnet", len(tokenizer["model"]["vocab"]), layer_norm_eps=1e-5,
                         max_position_embeddings=162, pad_token_id=1,
                         relative_attention_num_buckets=32)
    return dict(config=config, tokenizer=tokenizer, weights=mpnet_weights, max_tokens=160,
                poolings=["mean"], stages=[("Normalize",)], dtype="F16")


def t5():
    tokenizer = vocab.unigram([], ["</s>"], ["<pad>", "</s>", "<unk>"], False)
    return dict(config=t5_config(len(tokenizer["model"]["vocab"])), tokenizer=tokenizer,
                weights=t5_weights, max_tokens=200, poolings=["mean"], include_prompt=False,
                stages=[("Dense", 20, False, "identity"), ("Normalize",)],
                prompts={"query": "Represent the question:", "document": "Represent the text:"})


def t5_gated():
    tokenizer = vocab.unigram([], ["</s>"], ["<pad>", "</s>", "<unk>"], False)
    config = t5_config(len(tokenizer["model"]["vocab"]), d_kv=6, num_heads=3,
                       feed_forward_proj="gated-gelu")
    return dict(config=config, tokenizer=tokenizer, weights=t5_weights, max_tokens=160,
                poolings=["mean"], stages=[])


def nomic():
    tokenizer = vocab.word_piece(BERT_SPECIALS, "[CLS]", "[SEP]", "[UNK]")
    config = {"model_type": "nomic_bert", "vocab_size": len(tokenizer["model"]["vocab"]),
              "n_embd": 32, "n_head": 2, "n_layer": 2, "n_inner": 48, "n_positions": 8192,
              "activation_function": "swiglu", "causal": False, "layer_norm_epsilon": 1e-12,
              "max_trained_positions": 2048, "mlp_fc1_bias": False, "mlp_fc2_bias": False,
              "prenorm": False, "qkv_proj_bias": False, "rotary_emb_base": 1000,
              "rotary_emb_fraction": 1.0, "rotary_emb_interleaved": False,
              "rotary_emb_scale_base": None, "rotary_scaling_factor": None,
              "parallel_block": False, "type_vocab_size": 2, "use_rms_norm": False}
    return dict(config=config, tokenizer=tokenizer, weights=nomic_weights, max_tokens=128,
                poolings=["mean"], stages=[("Normalize",)], dtype="BF16", dimensions=True,
                more={"matryoshka_layer_norm": True},
                prompts={"search_query": "search_query: ",
                         "search_document": "search_document: "})


def use_lite():
    tokenizer = vocab.use_lite()
    config = {"model_type": "use_lite", "vocab_size": len(tokenizer["model"]["vocab"]) + 2,
              "embedding_size": 24, "hidden_size": 32, "num_hidden_layers": 2,
              "num_attention_heads": 4, "intermediate_size": 40, "hidden_act": "relu",
              "layer_norm_eps": 1e-6, "max_position_embeddings": 64}
    return dict(config=config, tokenizer=tokenizer, weights=use_lite_weights, max_tokens=64,
                poolings=["mean"], stages=[("Dense", 32, True, "tanh"), ("Normalize",)])


MODELS = {"bert": bert, "roberta": roberta, "xlm-roberta": xlm, "distilbert": distilbert,
          "mpnet": mpnet, "t5": t5, "t5-gated": t5_gated, "nomic-bert": nomic,
          "use-lite": use_lite}


def width_of(config):
    return next(config[k] for k in ("hidden_size", "dim", "d_model", "n_embd") if k in config)


def make(name):
    spec = dict(MODELS[name](), name=name)
    folder, width = os.path.join(HERE, name), width_of(spec["config"])
    shutil.rmtree(folder, ignore_errors=True)
    write_json(folder + "/config.json", spec["config"])
    write_json(folder + "/tokenizer.json", spec["tokenizer"], None)
    write_json(folder + "/sentence_bert_config.json", {
        "max_seq_length": spec["max_tokens"], "do_lower_case": spec.get("lower_case", False)})
    if "prompts" in spec:
        write_json(folder + "/config_sentence_transformers.json", {
            "prompts": spec["prompts"], "default_prompt_name": spec.get("default_task"),
            "similarity_fn_name": "cosine", **spec.get("more", {})})
    weights = Weights(spec.get("seed", name))
    spec["weights"](weights, spec["config"])
    tensors = write_safetensors(folder + "/model.safetensors", weights.tensors,
                                spec.get("dtype", "F32"), spec.get("others", ()))
    model = {"config": spec["config"], "tensors": tensors, "width": width,
             "poolings": spec["poolings"], "stages": write_stages(folder, spec, width)}
    vectors = write_expected(f"{HERE}/{name}.tsv", spec, folder, model)
    if spec.get("variants"):
        write_variants(f"{HERE}/{name}-variants.tsv", spec, folder, model)
    if spec.get("dimensions"):
        write_dimensions(f"{HERE}/{name}-dimensions.tsv", spec, folder, model)
    size = sum(os.path.getsize(os.path.join(d, f)) for d, _, fs in os.walk(folder) for f in fs)
    alike = (vectors @ vectors.T)[np.triu_indices(len(TEXTS), 1)]
    print(f"{name}: {size} bytes; cosines of different texts"
          f" {alike.min():.2f} to {alike.max():.2f}")


for which in sys.argv[1:] or MODELS:
    make(which)
