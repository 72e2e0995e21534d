/* SPDX-License-Identifier: Apache-2.0
 * What a checkpoint's config.json says, checked and reduced to numbers. A stack of transformer blocks is described by
 * data (struct block_cfg), the same for the vision tower and the decoder; a family is a reader of its JSON into these
 * structs (config_FAMILY.c) plus a map of tensor names (family.h).
 *
 *     struct model_cfg c;
 *     if (cfg_load("sft", &c)) return -1;                 refuses by name what is not implemented
 *     int width = c.text.blocks.hidden, vocab = c.text.vocab;
 *     cfg_free(&c);
 *
 * Both forms are read: transformers 5 (rope_parameters, dtype) and 4 (rope_theta, rope_scaling, torch_dtype).
 */
#ifndef MODEL_CONFIG_H
#define MODEL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"
#include "media/preprocess.h"
#include "ops/ops.h"

/* Rotary positions: angle of position p, pair i of a head = p * inv_freq[i].
 *   default  inv_freq[i] = theta^(-2i/D)
 *   linear   inv_freq / factor
 *   llama3   as transformers' modeling_rope_utils: long wavelengths / factor, smoothed between low and high
 *   yarn     the same file's: pairs that turn more than `high` times within `original` positions as they are, less than `low`
 *            times / factor, blended between by their index; cosines and sines are multiplied by `scale` (arXiv 2309.00071) */
enum rope_kind { ROPE_NONE, ROPE_DEFAULT, ROPE_LINEAR, ROPE_LLAMA3, ROPE_YARN };
/* Positions may have several axes: then the pairs of a head fall into a section for each, rotated by that coordinate.
 *   M-RoPE (Qwen2-VL)  frame, row, column; the frequencies are those the pairs have anyhow
 *   axial              row, column; each section has the frequencies of a head of D / axes */
enum { ROPE_AXES = 3 };
struct rope_cfg {
    enum rope_kind kind;
    double theta, factor, low, high;
    int original;
    double scale; bool whole;                  /* YARN; whole: the indices between which pairs are blended are whole numbers */
    int axes, section[ROPE_AXES];              /* axes 0: positions are one number */
    bool axial;
};

/* The checkpoint's tensors of q, k and v: three; one, the three behind one another; one, where each key head's query heads,
 * its key and its value are neighbours (InternLM2's wqkv): rows of (H/Hk + 2) D for each of the Hk. */
enum qkv { QKV_APART, QKV_STACKED, QKV_GROUPED };

enum { CFG_LAYERS_MAX = 1024 };
struct block_cfg {                             /* layers equal blocks: x += s1 * attn(norm(x)); x += s2 * mlp(norm(x)) */
    int layers, hidden, heads, kv_heads, head_dim, mlp;
    enum norm norm; float eps;                 /* both norms of a block */
    enum qkv qkv;
    bool qkv_bias, o_bias, mlp_bias;
    bool qk_norm; float qk_eps;                /* RMS norm of q and k over their whole width, before the heads */
    bool layer_scale;                          /* s1, s2: a vector each */
    bool gated;                                /* down(act(gate(x)) * up(x)), else fc2(act(fc1(x))) */
    bool causal;
    enum act act;
    struct rope_cfg rope;                      /* ROPE_NONE: positions are added once, before the blocks */
    uint64_t local[CFG_LAYERS_MAX / 64];       /* bit l: block l attends within windows (struct vision_cfg) */
};
static inline bool block_is_local(const struct block_cfg *b, int layer) { return b->local[layer / 64] >> layer % 64 & 1; }

struct vision_cfg {
    struct block_cfg blocks;
    int depth;                                 /* blocks that features go through; later ones are kept for the file alone */
    int image, patch;                          /* sides in pixels of a (square) tile and patch; image 0: images of any size */
    int frames;                                /* pictures a patch spans, all the same one (Conv3d); 0: the weight is a Conv2d's */
    int window;                                /* side in patches of the windows of local blocks, whose last ones are cut off */
    bool patch_bias, cls;                      /* cls: a class token before the patches */
    bool pos_table;                            /* learned positions [cls + patches, hidden] */
    bool pos_any;                              /* square tiles of any size take them at the same fractions of their sides */
    bool flat;                                 /* in the file class token and positions have no leading 1s */
    bool pre_norm;                             /* a layer norm before the first block */
    bool final_norm; enum norm final_kind;     /* behind the last block */
    bool final_idle;                           /* final_norm is kept for the file alone: features are taken before it */
    float layer_scale_init, init_range;
};

struct text_cfg {
    struct block_cfg blocks;
    int vocab, max_pos;                        /* max_pos: at most the window of sliding attention */
    bool tied;                                 /* the head is the embedding */
    float init_range;
};

struct proj_cfg {                              /* norm, linear, act, linear; of one layer: norm, linear */
    int layers, hidden;                        /* hidden: width between the two */
    bool norm; enum norm kind; float eps;
    bool norm_patch;                           /* the norm is over each patch, not over all that make a token */
    bool bias;
    enum act act;
};

enum { CFG_EOS_MAX = 16 };

struct model_cfg {
    char family[32];                           /* model_type: "internvl", ...; a plain decoder: "qwen2", ... (family.c) */
    bool has_vision;
    struct vision_cfg vision;
    struct text_cfg text;
    struct proj_cfg proj;
    int shuffle;                               /* 1 / downsample_ratio: shuffle x shuffle patches make one token */
    bool newline;                              /* the tiles behind an image's first are put together (merge.c) */
    int image_token_id;                        /* -1 without vision, or where only the tokenizer knows it (internvl_chat) */
    int neos, eos[CFG_EOS_MAX];                /* generation_config.json where present, else config.json */
    char chat[32];                             /* name of the chat template (text/prompt.h): config.json's, or the family's */
    char *json;                                /* the file's text: saving writes every field back; owned */
};

/* DIR/config.json and DIR/generation_config.json; or a GGUF file, whose metadata is rewritten as the config.json it once
 * was. 0, or -1 with nothing to free. */
MUST_USE int cfg_load(const char *dir, struct model_cfg *c);
/* The same from text; name is used in messages. */
MUST_USE int cfg_parse(const char *json, size_t n, const char *name, struct model_cfg *c);
void cfg_free(struct model_cfg *c);
void cfg_copy(struct model_cfg *to, const struct model_cfg *from);         /* deep; free both */
/* config.json with the present vocabulary and the dtype of the weights beside it, every other field as it was read. */
MUST_USE int cfg_save(const struct model_cfg *c, const char *dir, enum dtype t);

int  cfg_tokens_per_tile(const struct model_cfg *c);      /* 0 without vision */
int  cfg_image_tokens(const struct model_cfg *c, const struct tiles *t);   /* tokens of an image of that shape */
bool cfg_is_eos(const struct model_cfg *c, int id);

#endif
