# SPDX-License-Identifier: Apache-2.0
"""Makes tokenizer/*.json and *.model: small tokenizers in the forms that checkpoints use, and the ids Hugging Face `tokenizers`
gives for texts chosen to hurt. Run: python make_tokenizer.py [folder]. Written with tokenizers 0.23, sentencepiece 0.2."""
import io, json, sys, os
import sentencepiece
from tokenizers import Tokenizer, AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, trainers

STEPS = """<|reasoning_start|> <|reasoning_end|> <|reasoning_proceed|> <|reasoning_backtrack|> <|reasoning_step_start|>
<|reasoning_step_end|> <|reasoning_step_name_start|> <|reasoning_step_name_end|> <|reasoning_step_thought_start|>
<|reasoning_step_thought_end|> <|reasoning_step_reflection_start|> <|reasoning_step_reflection_end|> <|answer_start|>
<|answer_end|> ки к+и к-и""".split()

QWEN2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
O200K = "|".join([
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])

CORPUS = [
    "How many red circles are in the picture? There are three red circles, so the answer is 3.",
    "The bar for 2019 is 42.5 % and the bar for 2020 is 37 %, a difference of 5.5 points.",
    "def area(width, height):\n    return width * height  # in pixels\n\n\nfor i in range(10):\n\tprint(i, area(i, i))\n",
    "I'm sure they'll say it's what we've done; you're right, he'd go, don't WE'LL.",
    "Книги и знаки: сколько стоит одна книга? Ответ: двадцать рублей.",
    "图中有三个红色的圆形，所以答案是三。東京は日本の首都です。ひらがなとカタカナ。",
    "다음 그림에서 빨간 원은 몇 개입니까? 세 개입니다.",
    "كم عدد الدوائر الحمراء في الصورة؟ שלוש עיגולים אדומים",
    "चित्र में कितने लाल वृत्त हैं? तीन। ไทย ภาษาไทย",
    "Ünïcödé çà et là, naïve café, Straße, ĳ, œuvre, Ångström, fiancée, piñata.",
    "a b c d e f g h i j k l m n o p q r s t u v w x y z 0 1 2 3 4 5 6 7 8 9",
    "x = {'key': [1, 2, 3]}; y <= z && z != w || !(a + b == c) // comment /* block */ https://example.org/a?b=c&d=%20e",
    "    four spaces\n\t\ttwo tabs\r\nline end   trailing   \n\n\n\nmany",
]

TEXTS = [
    "", " ", "  ", "   ", "\n", "\n\n", " \n", "\r\n", "\t\t x", "a", " a", "a ", "  a  b   c    d", "Hello world", "hello   world  ",
    "I'm you're we've they'll he'd it's don't 'Tis 'S 'LL'RE", "O\u2019Neil\u2019s 'ſ", "x'tt 's's", "1", "12", "123", "1234567890", "3.14159 1,000,000 ٣٤٥ ½ Ⅷ ² x²",
    "foo(bar)[baz]{qux}", "a+b-c*d/e%f^g&h|i~j!k@l#m$n", "...!!!???---", "--\n--\n\n  --", "for (i = 0; i < n; i++) {\n    x[i] += y;\n}\n",
    "path/to/file.txt C:\\dir\\x", "\u00a0nbsp\u2003em\u3000ideographic\u1680ogham\u180emongolian\u200bzero\u2028line\u2029par\u0085nel", "\x01\x02\x03\x1f\x7f", "a\x0bb\x0cc",
    "naïve café Å Å Ω ﬁ ﬀ ℌ ①", "e\u0301 a\u0308\u0323 \u0301x q\u0307\u0323 \uac00 \u1100\u1161 \u1100\u1161\u11a8", "が か\u3099 ﾊﾟ",
    "नमस्ते हिन्दी क्षत्रिय", "สวัสดีครับ", "مرحبا بالعالم", "שָׁלוֹם עולם", "Привет, мир! знаки книги ки", "中文字符测试。，！", "日本語テスト「かぎ」", "한국어 테스트", "ქართული Հայերեն አማርኛ",
    "😀😃 👨‍👩‍👧‍👦 👍🏽 🇩🇪🇫🇷 ❤️ ☺︎ 1️⃣", "𝔘𝔫𝔦 𝕏 𐍈 𠜎", "\ufeffBOM", "\ue000 private \U0010ffff", "zalgo Z̷̢a̴l̵g̶o̸", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "abcdefghijklmnopqrstuvwxyz" * 6, "the the the the" * 20, " " * 70 + "x", "\n" * 50, "0" * 60,
    "<|endoftext|>", "a<|endoftext|>b", " <|endoftext|> ", "<|endoftext|><|endoftext|>", "<|endoftext", "<<|endoftext|>>", "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    "<img><IMG_CONTEXT><IMG_CONTEXT></img>\nWhat?", "<IMG_CONTEXT", "<tool_call>{}</tool_call>", "x <mask> y", "x<mask>y", "  <mask>\t z", "<mask><mask>",
    "word inword word, word2 wörd _word word\u0301", "LEFT  <L> right", "a <R>  b", "a <LR> b <LR>\n\nc", "é<é>e\u0301", "e\u0301<e\u0301>", "ab abc abcd abcde", "<a<ab>>",
    "<|reasoning_start|>\n<|reasoning_step_start|>\n<|reasoning_step_name_start|>Look<|reasoning_step_name_end|>\n", "<|reasoning_step_end|>ки\n<|reasoning_end|>\nAnswer:\n<|answer_start|>3<|answer_end|>к+и",
    "Картинки и знаки", "ﬃ <|IM_START|>", "Answer: 5\r\n\r\n  Step 2:\tnext\n", "It\u2019s \u201cquoted\u201d \u2014 dash \u2026", "e\u0301'S \u212a 'ſ", "\u1f600 \u2126 \u212b", "a\u0300\u0301\u0302b",
]


def train(pre, size, normalizer=None):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre
    if normalizer:
        t.normalizer = normalizer
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    t.decoder = decoders.ByteLevel()
    return t


def special(*names):
    return [AddedToken(n, special=True, normalized=False) for n in names]


def with_pattern(pattern, how="isolated"):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), how), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def edit(t, change):
    doc = json.loads(t.to_str())
    change(doc)
    return doc


def merges_as_strings(doc):
    doc["model"]["merges"] = [" ".join(m) if isinstance(m, list) else m for m in doc["model"]["merges"]]


def make_all():
    out = {}
    t = train(pre_tokenizers.ByteLevel(add_prefix_space=False), 520)
    t.add_special_tokens(special("<|endoftext|>"))
    out["gpt2"] = edit(t, merges_as_strings)

    t = train(with_pattern(QWEN2), 560, normalizers.NFC())
    t.add_special_tokens(special("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<img>", "</img>", "<IMG_CONTEXT>"))
    t.add_tokens([AddedToken("<tool_call>", normalized=False), AddedToken("</tool_call>", normalized=False)])
    t.add_special_tokens(special(*STEPS))
    out["qwen2"] = edit(t, lambda d: None)

    t = train(with_pattern(LLAMA3), 480)
    t.add_special_tokens(special("<|begin_of_text|>", "<|endoftext|>", "<|im_start|>"))
    out["llama3"] = edit(t, lambda d: d["model"].update(ignore_merges=True))

    t = train(pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]), 440)
    t.add_special_tokens(special("<|endoftext|>", "<|im_start|>", "<|im_end|>"))
    out["smollm"] = edit(t, merges_as_strings)

    t = train(with_pattern(O200K), 420)
    t.add_tokens([AddedToken("  "), AddedToken("    "), AddedToken("abc"), AddedToken("abcd", special=True), AddedToken("<a")])
    out["o200k"] = edit(t, lambda d: None)

    t = train(pre_tokenizers.Sequence([
        pre_tokenizers.Split("the", "merged_with_next"), pre_tokenizers.Split(Regex(r"\p{P}"), "merged_with_previous"),
        pre_tokenizers.Split(Regex(r"[0-9]+"), "contiguous"), pre_tokenizers.Split(Regex(r"\n+"), "removed"),
        pre_tokenizers.Split(Regex(r"\S+"), "isolated", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=True)]), 400, normalizers.NFKC())
    t.add_tokens([AddedToken("<mask>", lstrip=True, special=True, normalized=False), AddedToken("word", single_word=True), AddedToken("<L>", lstrip=True),
                  AddedToken("<R>", rstrip=True), AddedToken("<LR>", lstrip=True, rstrip=True, normalized=False), AddedToken("<é>", normalized=True)])
    out["odd"] = edit(t, lambda d: None)

    def drop_bytes(doc):           # byte 0x00..0x1f spelt by <0x..> tokens or, without them, unknown
        vocab = [k for k in sorted(doc["model"]["vocab"], key=doc["model"]["vocab"].get) if not ("\u0100" <= k <= "\u0108" or k == "é")]
        keep = vocab + ["<unk>"] + ["<0x%02X>" % b for b in (0xC4, 0x80, 0x81, 0x82, 0x83)]
        doc["model"]["vocab"] = {k: i for i, k in enumerate(keep)}
        doc["model"]["merges"] = [m for m in doc["model"]["merges"] if all(p in doc["model"]["vocab"] for p in (*m, m[0] + m[1]))]
        doc["model"].update(unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    t = train(pre_tokenizers.ByteLevel(add_prefix_space=False), 300)
    out["fallback"] = edit(t, drop_bytes)
    return out


def sentence_model(kind, size, **more):
    """A SentencePiece model with Llama's settings: no normalising, a blank in front, digits apart, bytes for unknown characters."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(CORPUS * 3 + ["2 + 2 - 1 + 5 - 3"] * 20), model_writer=model, model_type=kind, vocab_size=size, minloglevel=2,
                                             **{"normalization_rule_name": "identity", "remove_extra_whitespaces": False, "split_digits": True,
                                                "byte_fallback": True, "allow_whitespace_only_pieces": True, "num_threads": 1, **more})
    return model.getvalue()


def converted(model):
    """As Hugging Face converts it: every pair of pieces that makes a piece is a merge, in the order of the pieces' scores."""
    sp = sentencepiece.SentencePieceProcessor(model_proto=model)
    vocab = {sp.id_to_piece(i): i for i in range(sp.get_piece_size())}
    pairs = [(-sp.get_score(i), i, k, p[:k], p[k:]) for p, i in vocab.items() for k in range(1, len(p)) if p[:k] in vocab and p[k:] in vocab and not sp.is_byte(i)]
    special = [{"id": i, "content": c, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True} for i, c in enumerate(("<unk>", "<s>", "</s>"))]
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": special, "normalizer": None, "pre_tokenizer": None, "post_processor": None, "decoder": None,
            "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True, "vocab": vocab, "merges": [[a, b] for *_, a, b in sorted(pairs)]}}


def character_kinds(model):
    """Llama 2 (and InternLM2): normalizers; Mistral's newer files: Metaspace before the first text; and Metaspace that splits."""
    blank = {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}
    strip = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
    rest = [{"type": "ByteFallback"}, {"type": "Fuse"}]
    out = {}
    for name in ("llama2", "mistral", "metaspace"):
        doc = converted(model)
        doc["decoder"] = {"type": "Sequence", "decoders": [blank, *rest, strip]}
        if name == "llama2":
            doc["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u2581"}, {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]}
        elif name == "mistral":
            doc["pre_tokenizer"] = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": False}
        else:
            doc["pre_tokenizer"] = {"type": "Metaspace", "replacement": "\u2581", "add_prefix_space": True}
            doc["normalizer"] = {"type": "NFKC"}
            doc["decoder"] = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
            lost = ["<0x%02X>" % b for b in range(0xE0, 0xE8)] + ["x"]       # some characters are unknown, some bytes
            doc["model"]["vocab"] = {k: i for i, k in enumerate(k for k in doc["model"]["vocab"] if k not in lost)}
            doc["model"]["merges"] = [m for m in doc["model"]["merges"] if all(p in doc["model"]["vocab"] for p in (*m, m[0] + m[1]))]
        t = Tokenizer.from_str(json.dumps(doc))
        t.add_special_tokens(special("<|im_start|>", "<|im_end|>", "<img>", "</img>", "<IMG_CONTEXT>", *STEPS))
        t.add_tokens([AddedToken("<mask>", lstrip=True, rstrip=True, normalized=False), AddedToken("abc", normalized=True), AddedToken("word", single_word=True, normalized=False)])
        out[name] = json.loads(t.to_str())
    return out


def sentence_folder(folder, model):
    """internlm2/: tokenizer.model with files beside it, as InternVL's original folders are, and how the Python tokenizer of such a folder
    (transformers' PreTrainedTokenizer over sentencepiece, as the original tokenization_internlm2.py) encodes the texts."""
    from transformers import PreTrainedTokenizer
    import transformers

    class Slow(PreTrainedTokenizer):
        def __init__(self, **kwargs):
            self.sp = sentencepiece.SentencePieceProcessor(model_proto=model)
            super().__init__(bos_token="<s>", eos_token="</s>", unk_token="<unk>", **kwargs)
        vocab_size = property(lambda self: self.sp.get_piece_size())
        def get_vocab(self): return {**{self.convert_ids_to_tokens(i): i for i in range(self.vocab_size)}, **self.added_tokens_encoder}
        def _tokenize(self, text, **kwargs): return self.sp.encode(text, out_type=str)
        def _convert_token_to_id(self, token): return self.sp.piece_to_id(token)
        def _convert_id_to_token(self, index): return self.sp.id_to_piece(index)

    n = sentencepiece.SentencePieceProcessor(model_proto=model).get_piece_size()
    tokens = [(i, AddedToken(c, special=True, normalized=False)) for i, c in enumerate(("<unk>", "<s>", "</s>"))]
    tokens.append((n - 1, AddedToken("<|im_start|>", special=True, normalized=False)))      # takes a piece's id, as in InternLM2
    tokens += [(n + i, AddedToken(c, special=True, normalized=False)) for i, c in enumerate(["<|im_end|>", "<img>", "</img>", "<IMG_CONTEXT>"] + STEPS)]
    tokens += [(n + 21, AddedToken("<mask>", lstrip=True, rstrip=True, normalized=False)), (n + 22, AddedToken("abc", normalized=False))]
    t = Slow(added_tokens_decoder=dict(tokens))
    assert all(t.convert_tokens_to_ids(a.content) == i for i, a in tokens)
    os.makedirs(folder, exist_ok=True)
    put = lambda name, doc: json.dump(doc, open(os.path.join(folder, name), "w"), ensure_ascii=False, indent=1)
    put("tokenizer_config.json", {"tokenizer_class": "InternLM2Tokenizer", "added_tokens_decoder": {i: {"content": a.content, "lstrip": a.lstrip, "normalized": False, "rstrip": a.rstrip, "single_word": False, "special": a.special} for i, a in tokens}})
    put("added_tokens.json", {a.content: i for i, a in tokens if i >= n})
    put("special_tokens_map.json", {"bos_token": "<s>", "eos_token": {"content": "</s>"}, "unk_token": "<unk>", "additional_special_tokens": [a.content for i, a in tokens if a.special and i >= n - 1]})
    with open(os.path.join(folder, "tokenizer.model"), "wb") as f:
        f.write(model)
    return {"ids": [t(x, add_special_tokens=False)["input_ids"] for x in TEXTS], "plain": [None] * len(TEXTS)}


def render(question, choices, images):
    """What InternVL's processor makes of one user turn in transformers: no system turn, an image is <img>, n times
    <IMG_CONTEXT>, </img>; images that the text does not place come first, each with a newline."""
    for letter, choice in zip("ABCDEFGHIJ", choices):
        question += f"\n{letter}. {choice}"
    question = "<image>\n" * (len(images) - question.count("<image>")) + question if images else question
    for n in images:
        question = question.replace("<image>", "<img>" + "<IMG_CONTEXT>" * n + "</img>", 1)
    return f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"


PROMPTS = [("What is shown?", [], [3]), ("What is shown?", [], []), ("\n Which?", ["red", "green circle", ""], [2]), ("<image>\nHow many?", [], [4]),
           ("Compare <image> and <image>: which?", ["1st", "2nd"], [2, 3]), ("Compare <image>", [], [1, 2]), ("An <image> tag", [], []),
           ("Café e\u0301 中文?", ["<image>", "b"], [2])]

MARK = ["<|reasoning_start|>\n", "<|reasoning_proceed|>\n", "<|reasoning_step_start|>\n<|reasoning_step_name_start|>%s<|reasoning_step_name_end|>\n"
        "<|reasoning_step_thought_start|>%s<|reasoning_step_thought_end|>\n<|reasoning_step_reflection_start|>%s<|reasoning_step_reflection_end|>\n"
        "<|reasoning_step_end|>", "<|reasoning_end|>\nAnswer:\n<|answer_start|>%s<|answer_end|>"]
CHAINS = [([("Look", "Three red circles.", "Matches the image.")], "3"), ([("Read", "42.5 %\n\nand 37 %", ""), ("", " Subtract: 42.5 - 37 = 5.5 ", "ok\n"), ("Check", "Книга!", "中")], "(B) 5.5")]


def chain_text(steps, answer, tag):
    return MARK[0] + MARK[1].join(MARK[2] % s + tag + "\n" for s in steps) + MARK[3] % answer + tag


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "tokenizer")
    os.makedirs(folder, exist_ok=True)
    texts = TEXTS
    ids = {}
    models = {"bpe": sentence_model("bpe", 620), "unigram": sentence_model("unigram", 270, remove_extra_whitespaces=True, byte_fallback=False, split_digits=False)}
    for name, model in models.items():
        with open(os.path.join(folder, name + ".model"), "wb") as f:
            f.write(model)
    for name, doc in {**make_all(), **character_kinds(models["bpe"])}.items():
        with open(os.path.join(folder, name + ".json"), "w") as f:
            json.dump(doc, f, ensure_ascii=False, separators=(",", ":"))
        t = Tokenizer.from_str(json.dumps(doc))
        normal = [t.encode(x, add_special_tokens=False).ids for x in texts]
        t.encode_special_tokens = True
        plain = [t.encode(x, add_special_tokens=False).ids for x in texts]
        ids[name] = {"ids": normal, "plain": [None if p == i else p for p, i in zip(plain, normal)]}   # None: the same
    ids["internlm2"] = sentence_folder(os.path.join(folder, "internlm2"), models["bpe"])
    with open(os.path.join(folder, "cases.json"), "w") as f:
        t = Tokenizer.from_file(os.path.join(folder, "qwen2.json"))
        prompts = [{"question": q, "choices": c, "images": i, "ids": t.encode(render(q, c, i), add_special_tokens=False).ids} for q, c, i in PROMPTS]
        responses = [{"text": chain_text(s, a, tag), "tags": bool(tag), "ids": t.encode(chain_text(s, a, tag), add_special_tokens=False).ids} for s, a in CHAINS for tag in ("", "ки")]
        json.dump({"texts": texts, "tokenizers": ids, "prompts": prompts, "responses": responses}, f, ensure_ascii=True, separators=(",", ":"))


if __name__ == "__main__":
    main()
