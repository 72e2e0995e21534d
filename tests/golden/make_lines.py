# SPDX-License-Identifier: Apache-2.0
"""Lines of mixed text, and a hash of the ids that Hugging Face `tokenizers` (0.23) or `sentencepiece` (0.2) give for each.

  python make_lines.py                      the small set beside this file: tokenizer/lines.bin, tokenizer/lines/NAME.hash
  python make_lines.py N OUT FILE...        N lines for t_lines (COS_LINES=OUT; compare_lines.sh does it all): the FILEs, tokenizer.json or SentencePiece
                                            models, are copied to OUT

lines.bin: for each line a little-endian u32 length and the bytes. NAME.hash: 8 bytes a line, h = (h ^ id) * P mod 2^64 over
the ids, from h = 1 on. Some lines hold bytes that are not UTF-8: their ids are those of the text in which every maximal
invalid part became U+FFFD, which is how Python and cos read them."""
import glob, os, random, shutil, struct, sys

P, MASK = 0x100000001B3, (1 << 64) - 1
HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tokenizer")

SENTENCES = """How many red circles are in the picture?|The answer is (B) 42.5 %, not 37.|I'm sure they'll say it's what we've done; don't WE'LL
Сколько красных кругов на картинке? Ответ: двадцать.|图中有三个红色的圆形，所以答案是三。|東京は日本の首都です。ひらがなとカタカナ。|다음 그림에서 빨간 원은 몇 개입니까?
كم عدد الدوائر الحمراء في الصورة؟|שלוש עיגולים אדומים בתמונה|चित्र में कितने लाल वृत्त हैं? तीन।|ภาษาไทยไม่มีช่องว่าง|Ünïcödé çà et là, naïve Straße, œuvre, Ångström
Πόσοι κόκκινοι κύκλοι;|ქართული ენა|Հայերեն լեզու|አማርኛ ቋንቋ|বাংলা ভাষা|தமிழ் மொழி|ਪੰਜਾਬੀ|မြန်မာဘာသာ|ភាសាខ្មែរ|Tiếng Việt có dấu|Türkçe ıİ ğĞ
for (int i = 0; i < n; i++) {|    x[i] += y;  // in pixels|def area(w, h):\treturn w*h|SELECT * FROM t WHERE a<>'b';|#include <stdio.h>|x = {'k': [1, 2, 3]}
https://example.org/a?b=c&d=%20e|$\\frac{a}{b} \\leq \\sqrt{2}$|<div class="x">&nbsp;</div>|1,234,567.89e-10|2026-11-21T23:59:59Z|C:\\dir\\file.txt|~/.config/x""".replace("\n", "|").split("|")
EMOJI = "😀 😃 👨‍👩‍👧‍👦 👍🏽 🇩🇪 🇫🇷 ❤️ ☺︎ 1️⃣ 🏳️‍🌈 🧑🏿‍🚀 🫠 ✈ ☃".split()
WHITE = [" ", "  ", "    ", "\t", "\n", "\r\n", "\u00a0", "\u2003", "\u3000", "\u2028", "\x0b", "\x0c", "\x85", "\u200b", "\u180e", "\ufeff"]
BLOCKS = [(0x20, 0x7E), (0xA0, 0x24F), (0x250, 0x36F), (0x370, 0x52F), (0x530, 0x6FF), (0x700, 0xDFF), (0xE00, 0x137F), (0x1380, 0x1FFF), (0x2000, 0x2BFF),
          (0x2C00, 0x2FFF), (0x3000, 0x33FF), (0x4E00, 0x9FA5), (0xA000, 0xABFF), (0xAC00, 0xD7A3), (0xF900, 0xFFEF), (0x10000, 0x10FFF), (0x1D100, 0x1D7FF), (0x1F000, 0x1FAFF),
          (0x20000, 0x20100), (0xE000, 0xE100), (0xE0000, 0xE01EF)]
NAMES = """<|endoftext|> <|im_start|> <|im_end|> <s> </s> <unk> <img> </img> <IMG_CONTEXT> <|begin_of_text|> <|eot_id|> [INST] [/INST] <|reasoning_start|>
<|answer_end|> ки к+и к-и <0x0A> <tool_call> <mask> ▁ ▁▁ Ġ <|im_start <image>""".split()
INVALID = [b"\xff", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\x80\x80", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\xe2\x28\xa1"]


def source_lines(limit):
    """Code and prose of the Python that runs this; the small set has none of it."""
    found = []
    for path in sorted(glob.glob(os.path.join(os.path.dirname(os.__file__), "*.py")))[:limit]:
        with open(path, encoding="utf-8", errors="replace") as f:
            found += [x.rstrip("\n") for x in f if x.strip()]
    return found


def piece(r, known):
    k = r.random()
    if k < 0.30: return r.choice(SENTENCES)
    if k < 0.42: return r.choice(r.choice(SENTENCES).split())
    if k < 0.54: return r.choice(WHITE) * r.choice((1, 1, 1, 2, 5))
    if k < 0.60: return r.choice(EMOJI)
    if k < 0.67: return str(r.randrange(10 ** r.randrange(1, 12)))
    if k < 0.74: return r.choice(NAMES)
    if k < 0.79: return "".join(chr(r.choice(list(range(32)) + [127])) for _ in range(r.randrange(1, 4)))
    if k < 0.93:
        lo, hi = r.choice(BLOCKS)
        return "".join(c for c in (chr(r.randint(lo, hi)) for _ in range(r.randrange(1, 9))) if known(c))
    return r.choice("aeo x=().,;:!?-_*/\\'\"") * r.randrange(1, 6)


def make_lines(n, seed, code):
    """Characters of Unicode 14 and older: PCRE2 in Debian 12, Oniguruma in tokenizers and others know later ones or not."""
    import unicodedata
    known = lambda c: unicodedata.ucd_3_2_0.category(c) != "Cn" or c in "🫠🧑🏿🚀"
    r, lines = random.Random(seed), []
    for _ in range(n):
        if code and r.random() < 0.25:
            text = r.choice(code).encode("utf-8", "replace")
        else:
            text = "".join(piece(r, known) for _ in range(r.randrange(0, 12))).encode("utf-8")
        if r.random() < 0.03:
            at = r.randrange(len(text) + 1)
            text = text[:at] + r.choice(INVALID) + text[at:]
        lines.append(text)
    return lines


def hashed(ids):
    h = 1
    for i in ids: h = (h ^ i) * P & MASK
    return struct.pack("<Q", h)


def reference(path):
    if path.endswith(".json"):
        from tokenizers import Tokenizer
        t = Tokenizer.from_file(path)
        return lambda texts: [e.ids for e in t.encode_batch(texts, add_special_tokens=False)]
    import sentencepiece
    sp = sentencepiece.SentencePieceProcessor(model_file=path)
    return lambda texts: sp.encode(texts)


def write(folder, hashes, lines, files):
    os.makedirs(hashes, exist_ok=True)
    with open(os.path.join(folder, "lines.bin"), "wb") as f:
        for x in lines: f.write(struct.pack("<I", len(x)) + x)
    texts = [x.decode("utf-8", "replace") for x in lines]
    for path in files:
        name = os.path.basename(path)
        encode = reference(path)
        with open(os.path.join(hashes, name + ".hash"), "wb") as f:
            for i in range(0, len(texts), 1000):
                f.writelines(hashed(ids) for ids in encode(texts[i:i + 1000]))
        print(name, len(texts), flush=True)


def main():
    if len(sys.argv) < 3:
        files = sorted(glob.glob(os.path.join(HERE, "*.json")) + glob.glob(os.path.join(HERE, "*.model")))
        return write(HERE, os.path.join(HERE, "lines"), make_lines(600, 1, None), [f for f in files if not f.endswith("cases.json")])
    n, out = int(sys.argv[1]), sys.argv[2]
    os.makedirs(out, exist_ok=True)
    for f in sys.argv[3:]: shutil.copy(f, out)
    write(out, out, make_lines(n, 2, source_lines(60)), [os.path.join(out, os.path.basename(f)) for f in sys.argv[3:]])


if __name__ == "__main__":
    main()
