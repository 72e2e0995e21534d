/* SPDX-License-Identifier: Apache-2.0
 * The built-in templates. Where each comes from is said beside it; tests/golden/make_prompts.py checks them against that.
 */
#include "text/template.h"

#include <string.h>

#define TURNS(end) "<|im_start|>system\n", "<|im_end|>" end, "<|im_start|>user\n", "<|im_end|>" end, "<|im_start|>assistant\n", "<|im_end|>" end
#define CHATML TURNS("\n")
#define HEADER(role) "<|start_header_id|>" role "<|end_header_id|>\n\n"
#define LLAMA3 HEADER("system"), "<|eot_id|>", HEADER("user"), "<|eot_id|>", HEADER("assistant"), "<|eot_id|>"
#define INST "", "", "[INST] ", " [/INST]", "", "</s>"
#define VICUNA "", " ", "USER: ", " ", "ASSISTANT:", "</s>"
#define IDEFICS "", "", "User:", "<end_of_utterance>\n", "Assistant:", "<end_of_utterance>\n"
#define IMG "<img>", "<IMG_CONTEXT>", "</img>", "\n", "", "", ""
#define LLAVA "", "<image>", "", "\n", "", "", ""
#define VISION "<|vision_start|>", "<|image_pad|>", "<|vision_end|>", "", "", "", ""
#define TILES "<fake_token_around_image>", "<image>", "<fake_token_around_image>", "", " ", "<row_{row}_col_{col}>", "<global-img>"

#define INTERN_2 "你是由上海人工智能实验室联合商汤科技开发的书生多模态大模型，英文名叫InternVL, 是一个有用无害的人工智能助手。"
#define INTERN_25 "你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。"
#define HELPFUL "You are a helpful assistant."
#define VICUNA_SAYS "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite " \
    "answers to the user's questions."
#define LLAVA_SAYS "You are a helpful language and vision assistant. You are able to understand the visual content that the user provides, and " \
    "assist the user with a variety of tasks using natural language."

static const struct chat_template templates[] = {
    /* transformers' InternVL processor; the original InternVL repository's conversation.py */
    { "internvl", NULL, "", CHATML, IMG },
    { "internvl2_5", INTERN_25, "", CHATML, IMG },
    { "internlm2-chat", INTERN_2, "", TURNS(""), IMG },
    { "Hermes-2", INTERN_2, "", TURNS(""), IMG },
    { "phi3-chat", INTERN_2, "", "<|system|>\n", "<|end|>", "<|user|>\n", "<|end|>", "<|assistant|>\n", "<|end|>", IMG },
    /* the LLaVA repository's conversation.py (llava_v1, mistral_instruct, chatml_direct); LLaVA-NeXT's for Llama 3 and Qwen */
    { "llava_vicuna", VICUNA_SAYS, "<s>", VICUNA, LLAVA },
    { "llava_mistral", NULL, "<s>", INST, LLAVA },
    { "llava_chatml", "Answer the questions.", "", TURNS(""), LLAVA },
    { "llava_llama3", LLAVA_SAYS, "<|begin_of_text|>", LLAMA3, LLAVA },
    { "llava_qwen2", HELPFUL, "", CHATML, LLAVA },
    /* the chat templates that the models' processors carry */
    { "qwen2_vl", HELPFUL, "", CHATML, VISION },
    { "qwen2_5_vl", HELPFUL, "", CHATML, VISION },
    { "idefics3", NULL, "<|begin_of_text|>", IDEFICS, TILES },
    { "smolvlm", NULL, "<|im_start|>", IDEFICS, TILES },
    /* text alone: the chat templates that the models' tokenizers carry */
    { "llama3", NULL, "<|begin_of_text|>", LLAMA3, IMG },
    { "llama2", NULL, "<s>", INST, IMG },
    { "mistral", NULL, "<s>", INST, IMG },
    { "vicuna", VICUNA_SAYS, "<s>", VICUNA, IMG },
    { "qwen2", HELPFUL, "", CHATML, IMG },
    { "qwen2_5", "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.", "", CHATML, IMG },
    { "smollm2", "You are a helpful AI assistant named SmolLM, trained by Hugging Face", "", CHATML, IMG },
    { "chatml", NULL, "", CHATML, IMG },
    { "plain", NULL, "", "", "\n", "", "\n", "", "<|endoftext|>", IMG },     /* the fewest tokens, for models made from scratch */
};

const struct chat_template *chat_find(const char *name)
{
    struct buf known = {0};
    for (int i = 0; i < countof(templates); i++) {
        if (!strcmp(templates[i].name, name)) {
            buf_free(&known);
            return &templates[i];
        }
        buf_fmt(&known, "%s%s", i ? ", " : "", templates[i].name);
    }
    fail("no chat template \"%.40s\" (there are %s)", name, known.p);
    buf_free(&known);
    return NULL;
}

const char *chat_turn(const struct chat_template *c, const char *name, size_t n)
{
    const struct { const char *name, *mark; } turn[] = {
        { "user", c->user_open }, { "user_end", c->user_close }, { "assistant", c->asst_open }, { "assistant_end", c->asst_close } };
    for (int i = 0; i < countof(turn); i++)
        if (strlen(turn[i].name) == n && !memcmp(turn[i].name, name, n)) return turn[i].mark;
    return NULL;
}

int chat_end_token(const struct tokenizer *t, const struct chat_template *c)
{
    size_t begin, end;
    int id = tok_find_special(t, c->asst_close, strlen(c->asst_close), &begin, &end);
    return id >= 0 && begin == 0 ? id : fail("the tokenizer lacks the end token of chat template %s", c->name);
}

void chat_tile_tag(const struct chat_template *c, int row, int col, struct buf *out)
{
    static const char *const name[] = { "{row}", "{col}" };
    for (const char *s = c->tile; *s;) {
        int i = 0;
        while (i < 2 && strncmp(s, name[i], strlen(name[i]))) i++;
        if (i < 2) buf_fmt(out, "%d", (i ? col : row) + 1);
        else buf_byte(out, *s);
        s += i < 2 ? strlen(name[i]) : 1;
    }
    buf_byte(out, 0);
}
