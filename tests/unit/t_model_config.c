/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include "base/file.h"
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

/* What the hub has of Qwen2.5-VL 7B (transformers 4: one flat object), and the same as transformers 5 writes it. */
#define QWEN_TEXT "\"hidden_size\": 3584, \"intermediate_size\": 18944, \"num_hidden_layers\": 28, \"num_attention_heads\": 28," \
    "\"num_key_value_heads\": 4, \"vocab_size\": 152064, \"max_position_embeddings\": 128000, \"rms_norm_eps\": 1e-06," \
    "\"hidden_act\": \"silu\", \"attention_dropout\": 0.0, \"max_window_layers\": 28, \"sliding_window\": 32768," \
    "\"use_sliding_window\": false, \"eos_token_id\": 151645"
#define QWEN_REST "\"model_type\": \"qwen2_5_vl\", \"image_token_id\": 151655, \"vision_start_token_id\": 151652, \"torch_dtype\": \"bfloat16\"," \
    "\"vision_config\": {\"depth\": 32, \"hidden_act\": \"silu\", \"hidden_size\": 1280, \"intermediate_size\": 3420, \"num_heads\": 16," \
    "\"in_chans\": 3, \"out_hidden_size\": 3584, \"patch_size\": 14, \"spatial_merge_size\": 2, \"spatial_patch_size\": 14," \
    "\"window_size\": 112, \"fullatt_block_indexes\": [7, 15, 23, 31], \"tokens_per_second\": 2, \"temporal_patch_size\": 2}"
static const char qwen_flat[] = "{" QWEN_REST ", \"tie_word_embeddings\": false, " QWEN_TEXT ", \"rope_theta\": 1000000.0,"
    "\"rope_scaling\": {\"type\": \"mrope\", \"mrope_section\": [16, 24, 24]}}";
static const char qwen_nested[] = "{" QWEN_REST ", \"text_config\": {\"model_type\": \"qwen2_5_vl_text\", " QWEN_TEXT ","
    "\"rope_parameters\": {\"mrope_section\": [16, 24, 24], \"rope_theta\": 1000000.0, \"rope_type\": \"default\"}}}";
static const char qwen_between[] = "{" QWEN_REST ", \"text_config\": {\"model_type\": \"qwen2_5_vl_text\", " QWEN_TEXT ", \"rope_theta\": 1e6,"
    "\"rope_scaling\": {\"type\": \"default\", \"rope_type\": \"default\", \"mrope_section\": [16, 24, 24]}}}";

static void test_reads_qwen_vl(void)
{
    static const char *const forms[] = { qwen_flat, qwen_nested, qwen_between };
    for (int i = 0; i < countof(forms); i++) {
        struct model_cfg c;
        T_OK(parse(forms[i], &c));
        const struct rope_cfg *r = &c.text.blocks.rope, *v = &c.vision.blocks.rope;
        T_CHECK(r->kind == ROPE_DEFAULT && r->theta == 1e6 && r->axes == 3 && !r->axial);
        T_INT(r->section[0] * 10000 + r->section[1] * 100 + r->section[2], 162424);
        T_CHECK(v->axial && v->axes == 2 && v->section[0] == 20 && v->section[1] == 20);
        T_CHECK(c.text.blocks.qkv_bias && !c.text.tied && c.vision.blocks.gated && c.vision.blocks.norm == NORM_RMS && !c.vision.cls);
        T_INT(c.vision.image, 0);
        T_INT(c.vision.window, 8);             /* 112 pixels are 8 patches */
        for (int l = 0; l < 32; l++) T_CHECK(block_is_local(&c.vision.blocks, l) == (l % 8 != 7));
        T_INT(cfg_image_tokens(&c, &(struct tiles){ .n = 1, .h = 28 * 3, .w = 28 * 5 }), 15);
        T_INT(c.proj.hidden, 5120);
        T_INT(c.text.blocks.head_dim, 128);
        T_CHECK(cfg_is_eos(&c, 151645));
        cfg_free(&c);
    }
    refuse(qwen_flat, "[16, 24, 24]", "[16, 24]", "mrope_section: want 3 numbers");
    refuse(qwen_flat, "[16, 24, 24]", "[16, 24, 25]", "65 pairs, but a head of 128 has 64");
    refuse(qwen_flat, "[16, 24, 24]", "[16, -24, 72]", "mrope_section");
    refuse(qwen_flat, "\"type\": \"mrope\"", "\"type\": \"longrope\"", "\"longrope\" is not supported");
    refuse(qwen_flat, "rope_theta", "rope_thema", "rope_theta is missing");
    refuse(qwen_nested, "\"num_key_value_heads\"", "\"num_kv_heads\"", "num_key_value_heads is missing");
    refuse(qwen_flat, "[7, 15, 23, 31]", "[7, 32]", "fullatt_block_indexes");
    refuse(qwen_flat, "\"window_size\": 112", "\"window_size\": 27", "window_size: 27 is less than the 28 of a token");
    refuse(qwen_flat, "\"num_heads\": 16", "\"num_heads\": 128", "rows and columns cannot share heads of 10");
    refuse(qwen_flat, "\"out_hidden_size\": 3584", "\"out_hidden_size\": 2048", "features of 2048 for a decoder of 3584");
    refuse(qwen_flat, "\"in_chans\": 3", "\"in_chans\": 1", "in_chans");
    refuse(qwen_flat, "\"image_token_id\": 151655", "\"image_token_id\": 152064", "vocabulary has 152064");
}

/* As the hub has llava-v1.6-mistral-7b-hf, and a small SmolVLM. */
static const char llava[] = "{\"model_type\": \"llava_next\", \"ignore_index\": -100, \"image_token_index\": 32000, \"projector_hidden_act\": \"gelu\","
    "\"image_grid_pinpoints\": [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]], \"tie_word_embeddings\": false,"
    "\"torch_dtype\": \"float16\", \"use_image_newline_parameter\": true, \"vision_feature_layer\": -2, \"vision_feature_select_strategy\": \"default\","
    "\"text_config\": {\"model_type\": \"mistral\", \"intermediate_size\": 14336, \"max_position_embeddings\": 32768, \"num_key_value_heads\": 8,"
    "\"rms_norm_eps\": 1e-05, \"rope_theta\": 1000000.0, \"sliding_window\": null, \"torch_dtype\": \"bfloat16\", \"vocab_size\": 32064},"
    "\"vision_config\": {\"model_type\": \"clip_vision_model\", \"hidden_size\": 1024, \"image_size\": 336, \"intermediate_size\": 4096,"
    "\"num_attention_heads\": 16, \"num_hidden_layers\": 24, \"patch_size\": 14, \"projection_dim\": 768, \"vocab_size\": 32000}}";
static const char smolvlm[] = "{\"model_type\": \"smolvlm\", \"image_token_id\": 49190, \"scale_factor\": 4, \"tie_word_embeddings\": false,"
    "\"text_config\": {\"model_type\": \"llama\", \"head_dim\": 64, \"hidden_size\": 576, \"intermediate_size\": 1536, \"num_attention_heads\": 9,"
    "\"num_hidden_layers\": 30, \"num_key_value_heads\": 3, \"max_position_embeddings\": 8192, \"rope_theta\": 100000, \"vocab_size\": 49280},"
    "\"vision_config\": {\"model_type\": \"smolvlm_vision\", \"hidden_size\": 768, \"image_size\": 512, \"num_attention_heads\": 12, \"patch_size\": 16}}";

static void test_reads_llava_next(void)
{
    struct model_cfg c;
    T_OK(parse(llava, &c));
    const struct vision_cfg *v = &c.vision;
    T_CHECK(v->cls && v->pre_norm && v->final_idle && !v->patch_bias && v->blocks.act == ACT_QUICK_GELU && c.newline);
    T_INT(v->depth, 23);
    T_INT(c.proj.layers * 10 + c.proj.norm, 20);
    T_INT(c.text.blocks.head_dim, 128);
    T_INT(c.image_token_id, 32000);
    /* as transformers' _get_number_of_features: 576 of the base; 2 x 1 tiles are 24 x 48, of which 600 x 337 pixels show 26 lines */
    T_INT(cfg_image_tokens(&c, &(struct tiles){ .n = 3, .h = 336, .w = 336, .cols = 2, .rows = 1, .image_w = 672, .image_h = 336 }), 576 + 24 * 49);
    T_INT(cfg_image_tokens(&c, &(struct tiles){ .n = 5, .h = 336, .w = 336, .cols = 2, .rows = 2, .image_w = 600, .image_h = 337 }), 576 + 26 * 49);
    T_INT(cfg_image_tokens(&c, &(struct tiles){ .n = 3, .h = 336, .w = 336, .cols = 2, .rows = 1, .image_w = 1, .image_h = 9000 }), 576 + 24);
    cfg_free(&c);
    refuse(llava, "\"vision_feature_layer\": -2", "\"vision_feature_layer\": [-2, -5]", "several layers");
    refuse(llava, "\"vision_feature_layer\": -2", "\"vision_feature_layer\": -25", "vision_feature_layer");
    refuse(llava, "\"vision_feature_layer\": -2", "\"vision_feature_layer\": 0", "vision_feature_layer: 0");
    refuse(llava, "\"default\"", "\"full\"", "vision_feature_select_strategy: \"full\"");
    refuse(llava, "clip_vision_model", "siglip_vision_model", "vision_config: model_type");
    refuse(llava, "\"image_token_index\": 32000", "\"image_token_index\": 32064", "vocabulary has 32064");
    refuse(llava, "parameter\": true", "parameter\": false", "use_image_newline_parameter");
}

static void test_reads_idefics3(void)
{
    struct model_cfg c;
    T_OK(parse(smolvlm, &c));
    T_CHECK(!c.vision.cls && c.vision.pos_any && c.vision.patch_bias && c.vision.blocks.act == ACT_GELU_TANH && !c.newline && !c.proj.norm);
    T_INT(c.vision.depth, 12);
    T_INT(c.proj.layers, 1);
    T_INT(cfg_tokens_per_tile(&c), 64);
    T_INT(cfg_image_tokens(&c, &(struct tiles){ .n = 13, .h = 512, .w = 512, .cols = 4, .rows = 3 }), 13 * 64);
    cfg_free(&c);
    refuse(smolvlm, "smolvlm_vision", "clip_vision_model", "vision_config: model_type");
    refuse(smolvlm, "\"scale_factor\": 4", "\"scale_factor\": 65", "scale_factor");
    refuse(smolvlm, "\"patch_size\": 16", "\"patch_size\": 513", "image_size");
}

/* A flat file stays flat when it is saved. */
static void test_saves_flat(void)
{
    char dir[] = "/tmp/t_model_config.XXXXXX";
    struct model_cfg c, back;
    T_OK(parse(qwen_flat, &c));
    T_CHECK(mkdtemp(dir) != NULL);
    c.text.vocab += 17;
    T_OK(cfg_save(&c, dir, DT_F32));
    T_OK(cfg_load(dir, &back));
    T_INT(back.text.vocab, 152081);
    T_CHECK(!strstr(back.json, "text_config") && strstr(back.json, "float32"));
    cfg_free(&c);
    cfg_free(&back);
    T_OK(dir_remove(dir));
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
    refuse(tiny_qwen2, "\"rope_theta\": 1000.0", "\"rope_scaling\": {\"type\": \"longrope\", \"factor\": 2}", "\"longrope\" is not supported");
    refuse(tiny_qwen2, "\"rope_theta\": 1000.0", "\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 2, \"beta_slow\": 40}", "beta_fast 32, beta_slow 40");
    refuse(tiny_qwen2, "\"rope_theta\": 1000.0", "\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 2, \"attention_factor\": -1}", "attention_factor: -1");
    /* with YaRN the model reaches as far as the factor takes the original positions */
    struct model_cfg c;
    char *s = with(tiny_qwen2, "\"rope_theta\": 1000.0", "\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 4, \"original_max_position_embeddings\": 512}");
    T_OK(parse(s, &c));
    T_CHECK(c.text.blocks.rope.kind == ROPE_YARN && c.text.max_pos == 2048 && fabs(c.text.blocks.rope.scale - 0.1 * log(4) - 1) < 1e-12);
    cfg_free(&c);
    free(s);
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
    T_RUN(test_reads_qwen_vl);
    T_RUN(test_reads_llava_next);
    T_RUN(test_reads_idefics3);
    T_RUN(test_saves_flat);
    T_RUN(test_rope);
    T_RUN(test_windows);
    T_RUN(test_refusals);
    return t_end();
}
