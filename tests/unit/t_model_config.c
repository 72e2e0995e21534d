/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include "t.h"
#include "tiny_model.h"

static int parse(const char *json, struct model_cfg *c) { return cfg_parse(json, strlen(json), "config.json", c); }

/* The text with the first `from` replaced. */
static char *with(const char *json, const char *from, const char *to)
{
    const char *at = strstr(json, from);
    if (!at) printf("# no %s\n", from);
    T_CHECK(at);
    return mem_fmt("%.*s%s%s", (int)(at - json), json, to, at + strlen(from));
}

static void refuse(const char *json, const char *from, const char *to, const char *text)
{
    struct model_cfg c;
    char *s = with(json, from, to);
    T_FAIL(parse(s, &c), text);
    free(s);
}

static void test_reads(void)
{
    struct model_cfg c;
    T_OK(parse(tiny_qwen2, &c));
    T_STR(c.family, "internvl");
    T_INT(cfg_tokens_per_tile(&c), 4);
    T_INT(c.vision.blocks.head_dim, 8);
    T_CHECK(c.vision.blocks.qkv_bias && !c.vision.blocks.qk_norm && !c.vision.final_norm);
    T_CHECK(c.text.blocks.qkv_bias && !c.text.blocks.o_bias && !c.text.tied);
    T_CHECK(c.text.blocks.rope.theta == 1000);
    T_INT(c.text.max_pos, 512);
    T_CHECK(cfg_is_eos(&c, 2) && !cfg_is_eos(&c, 3));
    cfg_free(&c);
    T_OK(parse(tiny_llama, &c));
    T_CHECK(c.vision.final_norm && c.vision.blocks.qk_norm && c.vision.blocks.norm == NORM_RMS && c.text.tied);
    T_CHECK(c.text.blocks.o_bias && c.text.blocks.mlp_bias);
    T_INT(c.text.blocks.head_dim, 8);
    cfg_free(&c);
    T_OK(parse(tiny_text, &c));
    T_CHECK(!c.has_vision && c.image_token_id == -1);
    T_INT(cfg_tokens_per_tile(&c), 0);
    cfg_free(&c);
}

static void test_reads_chat(void)
{
    struct model_cfg c;
    T_OK(parse(tiny_chat, &c));
    T_STR(c.family, "internvl_chat");
    T_STR(c.chat, "internvl2_5");
    T_CHECK(c.vision.blocks.qkv == QKV_STACKED && c.vision.blocks.qk_norm && !c.vision.blocks.qkv_bias && c.vision.blocks.norm == NORM_RMS);
    T_CHECK(c.text.blocks.qkv == QKV_GROUPED && c.text.blocks.qkv_bias && c.text.blocks.o_bias && !c.text.tied);
    T_INT(c.text.blocks.rope.kind, ROPE_DEFAULT);
    T_INT(cfg_tokens_per_tile(&c), 4);
    T_CHECK(c.image_token_id == -1 && cfg_is_eos(&c, 2));
    cfg_free(&c);
    char *s = with(tiny_chat, "\"select_layer\": -1", "\"vocab_size\": 70");      /* what resize_token_embeddings leaves */
    T_OK(parse(s, &c));
    T_INT(c.text.vocab, 70);
    cfg_free(&c);
    free(s);
    refuse(tiny_chat, "\"v2\"", "\"v1\"", "ps_version");
    refuse(tiny_chat, "-1", "-4", "select_layer");
    refuse(tiny_chat, "\"force_image_size\": 8", "\"force_image_size\": 16", "force_image_size");
    refuse(tiny_chat, "\"select_layer\": -1", "\"use_llm_lora\": 16", "use_llm_lora: 16");
    refuse(tiny_chat, "\"internlm2\"", "\"phi3\"", "llm_config: model_type: decoder \"phi3\"");
    refuse(tiny_chat, "intern_vit_6b", "clip", "vision_config: model_type");
    refuse(tiny_chat, "\"internvl2_5\"", "5", "template");
}

/* Both versions of transformers say the same. */
static void test_rope(void)
{
    static const char *const forms[] = {
        "\"rope_theta\": 500.0, \"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8, \"low_freq_factor\": 1, "
        "\"high_freq_factor\": 4, \"original_max_position_embeddings\": 128}}}",
        "\"rope_parameters\": {\"rope_theta\": 500.0, \"rope_type\": \"llama3\", \"factor\": 8, \"low_freq_factor\": 1, "
        "\"high_freq_factor\": 4, \"original_max_position_embeddings\": 128}}}" };
    for (int i = 0; i < 2; i++) {
        struct model_cfg c;
        char *s = with(tiny_qwen2, "\"rope_theta\": 1000.0}}", forms[i]);
        T_OK(parse(s, &c));
        const struct rope_cfg *r = &c.text.blocks.rope;
        T_CHECK(r->kind == ROPE_LLAMA3 && r->theta == 500 && r->factor == 8 && r->low == 1 && r->high == 4);
        T_INT(r->original, 128);
        cfg_free(&c);
        free(s);
    }
    refuse(tiny_qwen2, "\"rope_theta\": 1000.0", "\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 2}", "\"yarn\" is not supported");
    refuse(tiny_qwen2, "\"rope_theta\": 1000.0", "\"rope_scaling\": {\"type\": \"linear\"}", "factor");
    refuse(tiny_qwen2, "\"rope_theta\": 1000.0", "\"rope_scaling\": {\"type\": \"linear\", \"factor\": 0}", "factor");
    refuse(tiny_qwen2, "\"rope_theta\": 1000.0", "\"rope_theta\": -1", "rope_theta");
}

/* The model ends where sliding attention would begin to forget. */
static void test_windows(void)
{
    static const struct { const char *type, *more; int max_pos; } known[] = {
        { "mistral", "\"sliding_window\": 100", 100 }, { "mistral", "\"sliding_window\": null", 512 }, { "mistral", "\"sliding_window\": 4096", 512 },
        { "mistral", "\"x\": 0", 512 }, { "qwen2", "\"use_sliding_window\": true, \"sliding_window\": 100", 512 },
        { "qwen2", "\"use_sliding_window\": true, \"sliding_window\": 100, \"max_window_layers\": 1", 100 },
        { "qwen2", "\"use_sliding_window\": false, \"sliding_window\": 100, \"max_window_layers\": 1", 512 },
        { "qwen2", "\"use_sliding_window\": true, \"sliding_window\": 64, \"layer_types\": [\"full_attention\", \"sliding_attention\"]", 64 },
        { "llama", "\"sliding_window\": 100", 512 } };
    for (int i = 0; i < countof(known); i++) {
        struct model_cfg c;
        char *s = mem_fmt("{\"model_type\": \"%s\", %s, " TINY_TEXT "}", known[i].type, known[i].more);
        T_OK(parse(s, &c));
        T_INT(c.text.max_pos, known[i].max_pos);
        T_CHECK(c.text.blocks.qkv_bias == !strcmp(known[i].type, "qwen2") && !c.text.blocks.o_bias);
        cfg_free(&c);
        free(s);
    }
}

static void test_refusals(void)
{
    refuse(tiny_text, "qwen2", "gpt2", "\"gpt2\" is not supported");
    refuse(tiny_qwen2, "\"qwen2\"", "\"mamba\"", "text_config: model_type");
    refuse(tiny_qwen2, "internvl_vision", "clip", "vision_config: model_type");
    refuse(tiny_qwen2, "\"hidden_size\": 16", "\"hidden_size\": 17", "not a multiple of 2 heads");
    refuse(tiny_qwen2, "\"hidden_size\": 16", "\"hidden_size\": 16.5", "whole number");
    refuse(tiny_qwen2, "\"hidden_size\": 16", "\"hidden_size\": 1000000000000", "hidden_size");
    refuse(tiny_qwen2, "\"hidden_size\": 24", "\"hidden_size\": 20", "even head size");
    refuse(tiny_qwen2, "\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3", "do not share");
    refuse(tiny_qwen2, "\"image_size\": [8, 8]", "\"image_size\": [8, 4]", "only squares");
    refuse(tiny_qwen2, "\"image_size\": [8, 8]", "\"image_size\": [9, 9]", "multiple of the patch size");
    refuse(tiny_qwen2, "\"image_size\": [8, 8]", "\"image_size\": [6, 6]", "do not divide");
    refuse(tiny_qwen2, "\"image_seq_length\": 4", "\"image_seq_length\": 5", "a tile makes 4 tokens");
    refuse(tiny_qwen2, "\"image_token_id\": 3", "\"image_token_id\": 53", "vocabulary has 53");
    refuse(tiny_qwen2, "\"attention_bias\": true", "\"use_mask_token\": true", "use_mask_token");
    refuse(tiny_qwen2, "\"attention_bias\": true", "\"hidden_act\": \"mish\"", "\"mish\" is not supported");
    refuse(tiny_qwen2, "\"attention_bias\": true", "\"attention_dropout\": 0.1", "dropout");
    refuse(tiny_qwen2, "\"attention_bias\": true", "\"norm_type\": \"group\"", "norm_type");
    refuse(tiny_qwen2, "\"vocab_size\": 53", "\"vocab_size\": 100000000", "vocab_size");
    refuse(tiny_qwen2, "\"vocab_size\": 53", "\"vocab_size\": 53, \"layer_types\": [\"sliding_attention\"]", "without use_sliding_window");
    refuse(tiny_qwen2, "\"vocab_size\": 53", "\"vocab_size\": 53, \"layer_types\": [\"chunked_attention\"]", "chunked_attention");
    refuse(tiny_text, "qwen2", "mistral\", \"sliding_window\": \"no", "sliding_window");
    refuse(tiny_qwen2, "\"image_token_id\"", "\"downsample_ratio\": 0.3, \"image_token_id\"", "downsample_ratio");
    refuse(tiny_qwen2, "\"image_token_id\"", "\"vision_feature_layer\": -2, \"image_token_id\"", "vision_feature_layer");
    refuse(tiny_qwen2, "[1, 2]", "[-1]", "eos_token_id");
    refuse(tiny_qwen2, "\"text_config\"", "\"test_config\"", "text_config: absent");
}

int main(void)
{
    T_RUN(test_reads);
    T_RUN(test_reads_chat);
    T_RUN(test_rope);
    T_RUN(test_windows);
    T_RUN(test_refusals);
    return t_end();
}
