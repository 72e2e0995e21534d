# SPDX-License-Identifier: Apache-2.0
"""Makes prompts.json: the prompt of every built-in chat template as the code that defines it writes it. Run with checkouts of the
original repositories:

  python make_prompts.py INTERNVL_DIR LLAVA_DIR

- internvl2_5, internlm2-chat, Hermes-2, phi3-chat: InternVL's conversation.py, images as its chat() places them
- llava_vicuna, llava_mistral, llava_chatml: LLaVA's conversation.py with the images in front; the tokenizer puts <s> first
- smolvlm, idefics3 (its template differs in the first token): transformers' processing_smolvlm.py
- the others: the Jinja templates of the models' processors and tokenizers, the part for one user turn, written out below"""
import importlib.util, json, os, sys
import jinja2

HERE = os.path.dirname(os.path.abspath(__file__))
QUESTIONS = [("What is shown?", 0), ("What is shown?", 1), ("Compare them.\nA. x\nB. y", 2), ("Is <image> like <image>?", 2), ("<image>\nWhich?", 1)]

CHATML = "{% for m in messages %}{% if loop.first and m.role != 'system' %}{{ default }}{% endif %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}<|im_start|>assistant\n"
LLAMA3 = "{% for m in messages %}{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + m.content + '<|eot_id|>' }}{% endfor %}<|start_header_id|>assistant<|end_header_id|>\n\n"
LLAVA_LLAMA3 = "You are a helpful language and vision assistant. You are able to understand the visual content that the user provides, and assist the user with a variety of tasks using natural language."


def module(path):
    spec = importlib.util.spec_from_file_location("conversation", path)
    m = importlib.util.module_from_spec(spec)
    sys.modules["conversation"] = m
    spec.loader.exec_module(m)
    return m


def internvl(folder, name, image):
    def render(question, n):
        t = module(os.path.join(folder, "internvl_chat/internvl/conversation.py")).get_conv_template(name)
        question = "<image>\n" * (n - question.count("<image>")) + question
        t.append_message(t.roles[0], question)
        t.append_message(t.roles[1], None)
        return t.get_prompt().replace("<image>", image)
    return render


def llava(folder, name, bos):
    def render(question, n):
        t = module(os.path.join(folder, "llava/conversation.py")).conv_templates[name].copy()
        t.append_message(t.roles[0], "<image>\n" * (n - question.count("<image>")) + question)
        t.append_message(t.roles[1], None)
        return bos + t.get_prompt()
    return render


def default_system(text): return f"<|im_start|>system\n{text}<|im_end|>\n" if text else ""


def in_text(template, image="<image>\n", mark="<image>", bos="", system=None, default=""):
    """Templates of text: images stand in it."""
    def render(question, n):
        question = image * (n - question.count("<image>")) + question.replace("<image>", mark)
        messages = ([{"role": "system", "content": system}] if system else []) + [{"role": "user", "content": question}]
        return bos + jinja2.Template(template, keep_trailing_newline=True).render(messages=messages, default=default)
    return render


def in_parts(template):
    """Templates of processors: images and text are parts of a message."""
    def render(question, n):
        parts = [{"type": "image"}] * (n - question.count("<image>"))
        for i, piece in enumerate(question.split("<image>")):
            if i: parts.append({"type": "image"})
            if piece: parts.append({"type": "text", "text": piece})
        return jinja2.Template(template, keep_trailing_newline=True).render(messages=[{"role": "user", "content": parts}], add_generation_prompt=True)
    return render


def main():
    intern, original = sys.argv[1:]
    from transformers.models.smolvlm.processing_smolvlm import DEFAULT_CHAT_TEMPLATE as smolvlm
    idefics3 = smolvlm.replace("<|im_start|>", "<|begin_of_text|>", 1)
    img = "<img><IMG_CONTEXT></img>"
    vision = "<|vision_start|><|image_pad|><|vision_end|>"
    helpful = default_system("You are a helpful assistant.")
    inst = "{% for m in messages %}{{ '[INST] ' + m.content + ' [/INST]' }}{% endfor %}"
    kinds = {**{n: internvl(intern, n, img) for n in ("internvl2_5", "internlm2-chat", "Hermes-2", "phi3-chat")},
             "internvl": in_text(CHATML, img + "\n", img), "llava_vicuna": llava(original, "vicuna_v1", "<s>"), "llava_mistral": llava(original, "mistral_instruct", "<s>"),
             "llava_chatml": llava(original, "chatml_direct", ""), "llava_llama3": in_text(LLAMA3, bos="<|begin_of_text|>", system=LLAVA_LLAMA3),
             "llava_qwen2": in_text(CHATML, default=helpful), "qwen2_vl": in_text(CHATML, vision, vision, default=helpful), "qwen2_5_vl": in_text(CHATML, vision, vision, default=helpful),
             "idefics3": in_parts(idefics3), "smolvlm": in_parts(smolvlm), "llama3": in_text(LLAMA3, bos="<|begin_of_text|>"), "mistral": in_text(inst, bos="<s>"), "llama2": in_text(inst, bos="<s>"),
             "qwen2": in_text(CHATML, default=helpful), "qwen2_5": in_text(CHATML, default=default_system("You are Qwen, created by Alibaba Cloud. You are a helpful assistant.")),
             "smollm2": in_text(CHATML, default=default_system("You are a helpful AI assistant named SmolLM, trained by Hugging Face")), "chatml": in_text(CHATML)}
    text_only = ("llama3", "mistral", "llama2", "qwen2", "qwen2_5", "smollm2", "chatml")
    cases = [{"template": k, "question": q, "images": n, "text": render(q, n)} for k, render in kinds.items() for q, n in QUESTIONS if not (k in text_only and n)]
    with open(os.path.join(HERE, "prompts.json"), "w") as f:
        json.dump(cases, f, ensure_ascii=False, indent=0)


if __name__ == "__main__":
    main()
