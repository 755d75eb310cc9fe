"""Small vocabularies, as tokenizer.json: WordPiece, byte-level BPE, Unigram."""

import base64
import collections
import math
import os
import subprocess
import tempfile
import unicodedata

BLANK = "\u2581"
PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
LETTERS = "abcdefghijklmnopqrstuvwxyz"
DIGITS = "0123456789"
OTHERS = "\u00e9\u00fc\u00df\u0434\u0430\u03c3\u65e5\u672c\u8a9e\u4e2d\u6587\u306e\u30c6\u30ad\U0001f600\U0001f389"
ENDINGS = ["ing", "ed", "er", "ly", "es", "tion", "al", "th", "ou", "nd"]

# Rules of the normalizer of the Unigram vocabularies, in hexadecimal code
# points: full-width forms, ligatures, blanks, a letter in two pieces.
CHARACTER_RULES = (
    [(f"{0xff21 + i:x}", f"{0x41 + i:x}") for i in range(26)]
    + [(f"{0xff10 + i:x}", f"{0x30 + i:x}") for i in range(10)]
    + [("9", "20"), ("a", "20"), ("d", "20"), ("a0", "20"), ("3000", "20"), ("200b", "20"),
       ("fb01", "66 69"), ("fb02", "66 6c"), ("2026", "2e 2e 2e"), ("2122", "54 4d"),
       ("65 301", "e9"), ("75 308", "fc")])


def words(count):
    """The most frequent words, from the word vectors that tests have anyway."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "words.tsv")
    with open(path, encoding="utf-8") as lines:
        return [line.split("\t")[1] for line in lines][:count]


def added(pieces, vocab):
    return [{"id": vocab.index(p), "content": p, "single_word": False, "lstrip": p == "<mask>",
             "rstrip": False, "normalized": False, "special": True} for p in pieces]


def document(model, normalizer, pre_tokenizer, post_processor, decoder, added_tokens=()):
    return {"version": "1.0", "truncation": None, "padding": None,
            "added_tokens": list(added_tokens), "normalizer": normalizer,
            "pre_tokenizer": pre_tokenizer, "post_processor": post_processor,
            "decoder": decoder, "model": model}


def template(before, after, vocab):
    """The post-processor that puts special tokens round a text."""
    def special(piece):
        return {"SpecialToken": {"id": piece, "type_id": 0}}
    single = ([special(p) for p in before] + [{"Sequence": {"id": "A", "type_id": 0}}]
              + [special(p) for p in after])
    pair = single + [{"Sequence": {"id": "B", "type_id": 1}}] + [special(p) for p in after]
    return {"type": "TemplateProcessing", "single": single, "pair": pair,
            "special_tokens": {p: {"id": p, "ids": [vocab.index(p)], "tokens": [p]}
                               for p in before + after}}


# WordPiece ------------------------------------------------------------------

def word_piece(specials, cls, sep, unknown, lower_case=True, processor="TemplateProcessing"):
    vocab = (specials + list(PUNCTUATION + DIGITS + LETTERS + OTHERS)
             + ["##" + x for x in list(DIGITS + LETTERS) + ENDINGS] + words(70))
    if not lower_case:
        vocab += list("ABCQS")
    if processor == "TemplateProcessing":
        post = template([cls], [sep], vocab)
    else:
        post = {"type": processor, "sep": [sep, vocab.index(sep)], "cls": [cls, vocab.index(cls)]}
        if processor == "RobertaProcessing":
            post.update(trim_offsets=True, add_prefix_space=False)
    return document(
        {"type": "WordPiece", "unk_token": unknown, "continuing_subword_prefix": "##",
         "max_input_chars_per_word": 100, "vocab": {p: i for i, p in enumerate(vocab)}},
        {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
         "strip_accents": None, "lowercase": lower_case},
        {"type": "BertPreTokenizer"}, post,
        {"type": "WordPiece", "prefix": "##", "cleanup": True}, added(specials, vocab))


# Byte-level BPE -------------------------------------------------------------

def byte_characters():
    """A printable character for each byte, as GPT-2 has them."""
    printable = (list(range(0x21, 0x7f)) + list(range(0xa1, 0xad)) + list(range(0xae, 0x100)))
    other = iter(range(0x100, 0x200))
    return [chr(b) if b in printable else chr(next(other)) for b in range(256)]


def learn_merges(count):
    """The most frequent pair of neighbors becomes one, again and again."""
    space = byte_characters()[0x20]
    texts = [[space] + list(w) for w in words(400)]
    merges = []
    for _ in range(count):
        pairs = collections.Counter()
        for rank, t in enumerate(texts):
            for pair in zip(t, t[1:]):
                pairs[pair] += 1 / (rank + 20)
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        for t in texts:
            i = 0
            while i + 1 < len(t):
                if (t[i], t[i + 1]) == best:
                    t[i:i + 2] = ["".join(best)]
                i += 1
    return merges


def byte_level_bpe():
    merges = learn_merges(60)
    specials = ["<s>", "<pad>", "</s>", "<unk>"]
    vocab = specials + byte_characters() + ["".join(m) for m in merges] + ["<mask>"]
    return document(
        {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "",
         "end_of_word_suffix": "", "fuse_unk": False,
         "vocab": {p: i for i, p in enumerate(vocab)}, "merges": [" ".join(m) for m in merges]},
        None, {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True},
        {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0],
         "trim_offsets": True, "add_prefix_space": False},
        {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True},
        added(specials + ["<mask>"], vocab))


# Unigram --------------------------------------------------------------------

def fields(message):
    """(number, value) for each field of a protocol buffer."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        else:
            size = {1: 8, 5: 4}.get(key & 7)
            size = varint() if size is None else size
            yield key >> 3, message[at:at + size]
            at += size


def train_sentencepiece(count):
    """The character map that SentencePiece compiles from our rules, and pieces
    with scores, by its trainer."""
    import struct
    lines = [" ".join(words(400)[i % 37::1 + i % 11]) for i in range(120)]
    lines += ["\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8 \u4e2d\u6587",
              "\u0434\u0430 caf\u00e9 f\u00fcr 0123456789 ABCDEFGHIJKLMNOPQRSTUVWXYZ " + PUNCTUATION] * 3
    with tempfile.TemporaryDirectory() as folder:
        with open(folder + "/text", "w", encoding="utf-8") as out:
            out.write("\n".join(lines) + "\n")
        with open(folder + "/rules", "w", encoding="utf-8") as out:
            out.writelines(f"{a}\t{b}\n" for a, b in CHARACTER_RULES)
        subprocess.run(["spm_train", f"--input={folder}/text", f"--model_prefix={folder}/m",
                        f"--vocab_size={count}", "--model_type=unigram", "--num_threads=1",
                        "--character_coverage=1.0", "--hard_vocab_limit=false",
                        f"--normalization_rule_tsv={folder}/rules", "--minloglevel=2"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(folder + "/m.model", "rb") as model:
            message = model.read()
    pieces, characters = [], b""
    for number, value in fields(message):
        if number == 1:
            piece = dict(fields(value))
            if piece.get(3, 1) == 1:        # neither control nor unknown
                pieces.append((piece[1].decode(), struct.unpack("<f", piece[2])[0]))
        elif number == 3:
            characters = dict(fields(value))[2]
    return pieces, characters


def metaspace():
    return {"type": "Metaspace", "replacement": BLANK, "add_prefix_space": True,
            "prepend_scheme": "always"}


def unigram(before, after, specials, split):
    """specials come first, "<mask>" last; split: on blanks first, as XLM-R."""
    pieces, characters = train_sentencepiece(240)
    vocab = [(p, 0.0) for p in specials] + [(p, round(s, 6)) for p, s in pieces]
    if split:
        vocab.append(("<mask>", 0.0))
    names = [p for p, _ in vocab]
    pre = metaspace()
    if split:
        pre = {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, pre]}
    return document(
        {"type": "Unigram", "unk_id": names.index("<unk>"), "vocab": vocab},
        {"type": "Precompiled",
         "precompiled_charsmap": base64.b64encode(characters).decode()},
        pre, template(before, after, names), metaspace(),
        added(specials + (["<mask>"] if split else []), names))


# USE-lite -------------------------------------------------------------------

def use_lite():
    """As test/model/convert.js writes it.  Every piece's first character is a
    piece, and one piece has the score 0, as some have there."""
    specials = ["\ufffd", "<s>", "</s>", "extra_token_id_1", "extra_token_id_2",
                "extra_token_id_3"]
    pieces = [(BLANK + w, -3 - math.log(i + 1)) for i, w in enumerate(words(90))]
    pieces += [(e, -6 - i / 10) for i, e in enumerate(ENDINGS)]
    pieces += [(c, -8 - i / 50) for i, c in
               enumerate(BLANK + LETTERS + LETTERS.upper() + DIGITS + ".,-'?" + OTHERS)]
    pieces += [(":", 0.0), ("://", -7.25)]
    vocab = [(p, 0.0) for p in specials] + [(p, round(s, 6)) for p, s in pieces]
    return document(
        {"type": "Unigram", "variant": "tfjs", "unk_id": 0, "vocab": vocab,
         "byte_fallback": False},
        {"type": "Sequence", "normalizers": [
            {"type": "NFKC"}, {"type": "Prepend", "prepend": BLANK},
            {"type": "Replace", "pattern": {"String": " "}, "content": BLANK}]},
        None, None,
        {"type": "Metaspace", "replacement": BLANK, "prepend_scheme": "always", "split": True})


def use_lite_ids(text, vocab, limit):
    """Token ids by the rules of the package's own JavaScript: the best path,
    where a sum of 0 counts as none yet and a later start wins a tie; reserved
    pieces do not match; of a piece that is there twice the later one counts."""
    text = unicodedata.normalize("NFKC", text)
    if text == "":
        return []
    text = BLANK + text.replace(" ", BLANK)
    scores = {p: (s, i) for i, (p, s) in enumerate(vocab) if i >= 6}
    longest = max(map(len, scores))
    known = [any(text[i:i + n] in scores for n in range(1, longest + 1))
             for i in range(len(text))]
    best, last = [0.0] * (len(text) + 1), [(0, 0)] * (len(text) + 1)
    for end in range(1, len(text) + 1):
        for start in range(max(0, end - longest), end):
            score = scores.get(text[start:end])
            if score is None and start == end - 1 and not known[start]:
                score = (0.0, 0)
            if score is None:
                continue
            value = score[0] + best[start]
            if best[end] == 0 or value >= best[end]:
                best[end], last[end] = value, (start, score[1])
    ids, at = [], len(text)
    while at > 0:
        at, token = last[at]
        if token != 0 or ids[-1:] != [0]:
            ids.append(token)
    return ids[::-1][:limit]
