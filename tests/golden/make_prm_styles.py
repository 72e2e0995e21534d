# SPDX-License-Identifier: Apache-2.0
"""Makes prm_styles.json: what the built-in PRM styles make of a question and a chain, as the original code writes and reads it.
Run with checkouts of the original repositories: python make_prm_styles.py INTERNVL_DIR VLPRM_DIR

For each: the token ids (Hugging Face `tokenizers`) up to the last score, the positions at which the original reads scores, and the
two tokens that it compares. Originals: VisualPRM's generate_steps_with_soft_score_v2 and find_placeholder_idx over InternVL's
conversation.py; MM-PRM's InternVLChatModel.prm (`input_ids == prm_token_id`); the model card of math-shepherd-mistral-7b-prm
(`input_id == step_tag_id`); vlprm's VisualPRMv2.py over Qwen2.5-VL's chat template. The answer is one more step: that is ours.
cos is tests/unit/t_text_prompt.c's matter."""
import importlib.util, json, os, re, sys
from tokenizers import Tokenizer, AddedToken

HERE = os.path.dirname(os.path.abspath(__file__))
MORE = ["<|vision_start|>", "<|image_pad|>", "<|vision_end|>"]
MM = ["<prm>", "Yes", "No"]               # for mm-prm alone: the words stand in other styles' texts
CHAINS = [("How many?", 1, ["Three red circles.", "So 1 + 2 - 0 = 3.\n\nSure."], "3"), ("Café e\u0301 中文? <image> and <image>", 2, ["Look."], None), ("2 + 2 - 1?", 0, [], "3")]


def module(path):
    spec = importlib.util.spec_from_file_location("conversation", path)
    m = importlib.util.module_from_spec(spec)
    sys.modules["conversation"] = m
    spec.loader.exec_module(m)
    return m


def quoted(path, name):
    """The last text of that name in a file of constants."""
    return re.findall(name + r' = """(.*?)"""', open(path).read(), re.S)[-1].strip()


def find(ids, part):
    return [i + len(part) - 1 for i in range(len(ids)) if ids[i:i + len(part)] == part]


def unplaced(question, n): return n - question.count("<image>")


def main():
    intern, vlprm = sys.argv[1:]
    conversation = module(os.path.join(intern, "internvl_chat/internvl/conversation.py"))
    qwen = Tokenizer.from_file(os.path.join(HERE, "tokenizer/qwen2.json"))
    qwen.add_special_tokens([AddedToken(x, special=True, normalized=False) for x in MORE])
    mm = Tokenizer.from_file(os.path.join(HERE, "tokenizer/qwen2.json"))
    mm.add_special_tokens([AddedToken(x, special=True, normalized=False) for x in MM])
    doc = json.load(open(os.path.join(HERE, "tokenizer/llama2.json")))
    doc["added_tokens"] = doc["added_tokens"][:3]           # in it, as in Mistral's, the tag is a piece like any other
    llama = Tokenizer.from_str(json.dumps(doc))
    ids = lambda t, s: t.encode(s, add_special_tokens=False).ids
    image = "<img><IMG_CONTEXT></img>"
    cases = []

    def add(style, chat, chain, text, at, pair):
        question, n, steps, answer = chain
        all_ids = ids(mm if style == "mm-prm" else qwen, text) if isinstance(text, str) else text
        at = at(all_ids)
        assert len(at) == len(steps) + (answer is not None), (style, at)
        cases.append({"style": style, "chat": chat, "question": question, "images": n, "steps": steps, "answer": answer,
                      "ids": all_ids[:at[-1] + 1], "at": at, "good": pair[0], "bad": pair[1]})

    says = {"visualprm": quoted(os.path.join(intern, "internvl_chat/tools/reasoning_data_pipeline/utils/constants.py"), "PRM_SYSTEM_PROMPT"),
            "vl-prm": quoted(os.path.join(vlprm, "eval/tts_eval/reward_guided_search/prompts.py"), "PRM_SYSTEM_PROMPT_NORMAL_TOK_V2")}
    pair = [qwen.token_to_id(x) for x in "+-"]
    for chain in CHAINS:
        question, n, steps, answer = chain
        parts = steps + (["The answer is: " + answer] if answer is not None else [])

        t = conversation.get_conv_template("internvl2_5")
        t.system_message = says["visualprm"]
        for i, step in enumerate(parts):
            first = "<image>\n" * unplaced(question, n) + question
            t.append_message(t.roles[0], f"### Question:\n{first}\n\n### Solution Process:\n{step}" if i == 0 else step)
            t.append_message(t.roles[1], "+")
        bos, target = ids(qwen, t.roles[1]), ids(qwen, t.roles[1] + "+" + t.sep)
        add("visualprm", "internvl2_5", chain, t.get_prompt().replace("<image>", image),
            lambda x: [i - len(target) + len(bos) for i in find(x, target)], pair)

        t = conversation.get_conv_template("internvl2_5")
        t.append_message(t.roles[0], "")
        t.append_message(t.roles[1], "<image>\n" * unplaced(question, n) + f"Question: {question}\nProcess: " + "\n\n".join(p + "<prm>" for p in parts))
        add("mm-prm", "internvl2_5", chain, t.get_prompt().replace("<image>", image), lambda x: find(x, [mm.token_to_id("<prm>")]),
            [mm.token_to_id("Yes"), mm.token_to_id("No")])

        vision = "<|vision_start|><|image_pad|><|vision_end|>"
        text = f"<|im_start|>system\n{says['vl-prm']}<|im_end|>\n"
        for i, step in enumerate(parts):
            first = vision * unplaced(question, n) + f"### Question:\n{question.replace('<image>', vision)}\n\n### Solution Process:\n{step}"
            text += f"<|im_start|>user\n{first if i == 0 else step}<|im_end|>\n<|im_start|>assistant\n+<|im_end|>\n"
        add("vl-prm", "qwen2_5_vl", chain, text, lambda x: find(x, ids(qwen, "<|im_start|>assistant\n")), pair)

        if not n:
            text = question + " " + "\n".join([f"Step {k + 1}: {s} ки" for k, s in enumerate(steps)] + (["The answer is: " + answer + " ки"] if answer is not None else []))
            add("math-shepherd", "mistral", chain, [1] + ids(llama, text), lambda x: find(x, [llama.token_to_id("ки")]), ids(llama, "+ -"))
    question, n, steps, answer = chain = ("How much is it?", 0, ["It is 2 + 2.", "So 4 - 1."], "3")
    text = question + " " + "".join(f"Step {k + 1}: {s} ки\n" for k, s in enumerate(steps)) + f"The answer is: {answer} ки"
    add("math-shepherd", "mistral", chain, [1] + ids(llama, text), lambda x: find(x, [llama.token_to_id("ки")]), ids(llama, "+ -"))
    with open(os.path.join(HERE, "prm_styles.json"), "w") as f:
        json.dump(cases, f, ensure_ascii=False, separators=(",", ":"))


if __name__ == "__main__":
    main()
