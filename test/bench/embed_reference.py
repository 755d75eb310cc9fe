#!/usr/bin/python3
"""What USE-lite must give, computed in float64 without vecsearch.

usage: embed_reference.py MODEL_DIRECTORY [REFERENCE_JSON] <TEXTS

Prints rows as COPY wants them: origin, text, ids, embedding.  Texts are lines
of standard input and a list of awkward ones; those of the JSON file come with
their own ids (which may go beyond the model's limit) and embeddings.
"""

import json
import os
import struct
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "data", "models"))
import reference        # noqa: E402
import vocab            # noqa: E402

MAX_TOKENS = 128
AWKWARD = [
    "", " ", "   three blanks   ", "\t", "a\nb\r\nc", ":", "::", ": begins with a colon",
    "http://www.example.org/a?b=c&d=%20", "---", "-----", "!!!???", "caf\u00e9", "cafe\u0301",
    "\u0301", "\ufb01ne \ufb02ow", "\uff21\uff22\uff23 \uff11\uff12\uff13", "x\u00a0y\u3000z",
    "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8", "\u4e2d\u6587\u5206\u8bcd", "\uac00\uac01 \u1100\u1161",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440", "\u0645\u0631\u062d\u0628\u0627",
    "\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467 family", "\U0001f1e9\U0001f1ea",
    "SELECT * FROM t WHERE a = 'b';", "for (int i = 0; i < n; i++) { x += y[i]; }",
    "\u2581\u2581 the blank's own sign", "1234567890 3.14159 1e-5 0x1F", "\u00bd \u00b2 \u2122 \u2126",
    "a" * 300, "word " * 200, "\u6f22" * 200, "The quick brown fox jumps over the lazy dog. " * 20,
    "ALL CAPITALS AND Some Title Case", "it's John's, isn't it?", "e-mail/web-site", "C++ and C#",
]


def read_safetensors(path):
    with open(path, "rb") as file:
        size, = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        data = file.read()
    return {name: np.frombuffer(data[t["data_offsets"][0]:t["data_offsets"][1]], "<f4")
            .reshape(t["shape"]).astype(np.float64)
            for name, t in header.items() if name != "__metadata__"}


def read_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def row(origin, text, ids, embedding):
    for char, escape in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
        text = text.replace(char, escape)
    print(origin, text, "{" + ",".join(map(str, ids)) + "}",
          "[" + ",".join(f"{x:.9g}" for x in embedding) + "]", sep="\t")


def main(directory, given=None):
    model = {"config": read_json(directory + "/config.json"), "poolings": ["mean"],
             "tensors": read_safetensors(directory + "/model.safetensors"),
             "stages": [("Dense", "tanh",
                         read_safetensors(directory + "/2_Dense/model.safetensors")),
                        ("Normalize", None, None)]}
    pieces = read_json(directory + "/tokenizer.json")["model"]["vocab"]
    sys.stdin.reconfigure(encoding="utf-8")
    sys.stdout.reconfigure(encoding="utf-8")
    for origin, texts in (("awkward", AWKWARD), ("packages", sys.stdin.read().splitlines())):
        for text in texts:
            ids = vocab.use_lite_ids(text, pieces, MAX_TOKENS)
            row(origin, text, ids, reference.embed(model, ids))
    for entry in read_json(given) if given else ():
        row("given", entry["text"], entry["ids"][:MAX_TOKENS], entry["embedding"])


main(*sys.argv[1:])
