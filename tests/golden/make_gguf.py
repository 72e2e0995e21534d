# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/gguf: quant.gguf, a tensor of each type that is read, and quant.safetensors, what the `gguf`
package (ggml's own, 0.19.0) makes of it; and spm.gguf, a SentencePiece tokenizer as llama.cpp's converter writes it, beside
spm.model, which it was made of.

    python tests/golden/make_gguf.py tests/golden/gguf

Types that the package can quantise hold a random matrix; the K types hold random bytes with sane scales.
"""
import os, shutil, sys
import numpy as np
import sentencepiece
from gguf import GGUFWriter, GGMLQuantizationType as T, GGML_QUANT_SIZES
from gguf.quants import quantize, dequantize
from safetensors.numpy import save_file

ROWS, COLS = 3, 512
HALF_AT = {T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208]}          # where a block holds its f16 scales

def random_blocks(t, gen):
    elements, size = GGML_QUANT_SIZES[t]
    b = gen.integers(0, 256, (ROWS * COLS // elements, size), dtype=np.uint8)
    for at in HALF_AT[t]:
        b[:, at:at + 2] = gen.normal(0, 0.01, (len(b), 1)).astype(np.float16).view(np.uint8)
    return b.reshape(ROWS, -1)

def write_spm(folder):
    model = shutil.copy(os.path.join(folder, "../tokenizer/bpe.model"), os.path.join(folder, "spm.model"))
    p = sentencepiece.SentencePieceProcessor(model_file=model)
    ids = range(p.vocab_size())
    w = GGUFWriter(os.path.join(folder, "spm.gguf"), "llama")
    w.add_tokenizer_model("llama")
    w.add_token_list([p.id_to_piece(i) for i in ids] + ["[PAD]"])
    w.add_token_scores([p.get_score(i) for i in ids] + [-1000.0])
    w.add_token_types([2 if p.is_unknown(i) else 3 if p.is_control(i) else 6 if p.is_byte(i) else 1 for i in ids] + [5])
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.close()

def main(folder):
    write_spm(folder)
    gen = np.random.default_rng(1)
    w = GGUFWriter(os.path.join(folder, "quant.gguf"), "llama")
    w.add_array("some.numbers", [1, -2, 3])
    w.add_array("some.words", ["one", "zwei", "trois"])
    w.add_float32("some.float", 0.1)
    w.add_bool("some.truth", True)
    w.add_uint64("some.large", 1 << 40)
    w.add_int8("some.negative", -5)
    out = {}
    for t in [T.F32, T.F16, T.BF16, T.Q8_0, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q4_K, T.Q5_K, T.Q6_K]:
        data = random_blocks(t, gen) if t in HALF_AT else quantize(gen.normal(0, 1, (ROWS, COLS)).astype(np.float32), t)
        w.add_tensor(t.name, data, raw_dtype=t)
        out[t.name] = np.ascontiguousarray(dequantize(data, t).reshape(ROWS, COLS), dtype=np.float32)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    save_file(out, os.path.join(folder, "quant.safetensors"))

main(sys.argv[1])
