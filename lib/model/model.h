/* SPDX-License-Identifier: Apache-2.0
 * One transformer described by data (model/config.h), over ops: vision tower, projector, decoder; training passes over
 * packed sequences, and decoding over a tree of cached keys.
 *
 *     struct ops *o = ops_cpu(threads);
 *     struct model *m = model_load("sft", o, DT_F32, 0);
 *     struct kv *kv = kv_new(m, 4096);
 *     int root = kv_node(kv, -1);                        the prompt ...
 *     model_extend(m, kv, &rows, &hidden);
 *     int a = kv_node(kv, root), b = kv_node(kv, root);  ... shared by two paths
 */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include "base/file.h"
#include "base/hash.h"
#include "model/config.h"
#include "model/param.h"
#include "ops/ops.h"

struct model;
/* TRAIN: master weights, gradients and moments too. FREEZE << part: but not for this part, which cannot be trained then. */
enum { MODEL_TRAIN = 1, MODEL_FREEZE = 2 };

/* A Hugging Face folder (config.json, *.safetensors), or a GGUF file of a plain decoder. Weights that are not trained stay mapped where their
 * dtype is already t. Missing, extra or misshaped tensors are errors that name the tensor, what was wanted and what found. */
struct model *model_load(const char *dir, struct ops *o, enum dtype t, int flags);
/* Random weights from a config (init as transformers does: normal(0, initializer_range), zeros, ones). */
struct model *model_new(const struct model_cfg *c, uint64_t seed, struct ops *o, enum dtype t, int flags);
/* The same, but for the parts that are given as folders (NULL: random): a vision tower, a projector, a decoder (embedding and
 * head with it), each on its own or within a model. A parameter is the tensor of its name, or of an end of its name behind what the
 * layouts there are put before it: model.text_model.layers. ... is model.layers. ... of a Llama. c: its vocabulary is the decoder's. */
struct model_sources { const char *tower, *projector, *decoder; };
struct model *model_join(const struct model_cfg *c, const struct model_sources *from, uint64_t seed, struct ops *o, enum dtype t);
void model_free(struct model *m);
/* config.json and model.safetensors (save: dtype of the file) into an existing folder; what transformers loads. */
MUST_USE int model_save(const struct model *m, const char *dir, enum dtype save);
/* Makes room for `vocab` tokens in the embedding and the head (never fewer than there were) and sets the last `count`
 * of them, ids [vocab - count, vocab): new token i is the mean of the tokens mean_of[i] (ids of old tokens, n[i] of them).
 * For a fresh start of training: grown tables lose their gradients and moments. */
MUST_USE int model_add_tokens(struct model *m, int vocab, const int *const *mean_of, const int *n, int count);

const struct model_cfg *model_config(const struct model *m);
struct params *model_params(struct model *m);
struct ops *model_ops(struct model *m);
const char *model_digest(const struct model *m);         /* of config and weights; "" while training changes them */

/* ---- images ---- */
struct model_image { struct tiles tiles; const float *px; };               /* host [n, 3, h, w] */
/* Where a feature stands in its picture, for positions with axes: `back` features after the first, at (row, col); lag: of the
 * last one, how far the picture puts the positions behind it back against a count of tokens; else 0. */
struct feature_place { int back, row, col, lag; };
struct model_features { struct mat x; struct feature_place *place; };     /* x [dev]; place host [x.rows] or NULL: no axes */
/* Features of n images behind one another, cfg_image_tokens rows each. Free with model_features_free. */
MUST_USE int model_encode(struct model *m, const struct model_image *image, int n, struct model_features *out);
void model_features_free(struct model *m, struct model_features *f);      /* zeroes it; fine when zeroed */

/* ---- training passes ---- */
struct model_batch {
    int ntok; const int *id, *pos;             /* [ntok]; id of an image place: anything, it is replaced; pos: tokens before it */
    int nseq; const int *start;                /* [nseq + 1] rows of each sequence */
    const struct span *prefix;                 /* [nseq] or NULL: see ops.h, attn_args */
    int nimage; const struct model_image *image;          /* distinct images; their features follow one another */
    int nimg; const int *img_row, *img_src;    /* token row img_row[i] takes image feature row img_src[i] */
};
/* hidden: [ntok, C] behind the final norm, owned by the model until the next forward. With MODEL_TRAIN the activations
 * are kept for model_backward (recompute: only the blocks' inputs are kept, cfg'd by model_recompute). */
MUST_USE int model_forward(struct model *m, const struct model_batch *b, struct mat *hidden);
MUST_USE int model_backward(struct model *m, const struct model_batch *b, struct mat dhidden);
struct mat model_dhidden(struct model *m);     /* zeroed [ntok, C] of the last forward, for the objective to add to */
void model_recompute(struct model *m, bool on);
/* Device memory that a batch's activations take (pixels may be missing); and room for so much, so that no later pass that
 * takes no more allocates. */
MUST_USE int model_space(struct model *m, const struct model_batch *b, size_t *bytes);
MUST_USE int model_reserve(struct model *m, size_t bytes);
/* The output head [V, C] and its gradient (NULL when frozen); the tied embedding where tied. */
struct mat model_head(struct model *m, float **grad);

/* ---- decoding ---- */
struct kv;                                     /* keys and values of a tree of token spans, in pages */
struct kv *kv_new(struct model *m, int slots); /* capacity in tokens; NULL + fail() */
void kv_free(struct kv *kv);
int  kv_node(struct kv *kv, int parent);       /* a new empty span behind parent (-1: a root); holds its parent */
void kv_hold(struct kv *kv, int node);         /* one more reference */
void kv_drop(struct kv *kv, int node);         /* one less; at none the span and its hold on the parent go */
int  kv_len(const struct kv *kv, int node);    /* tokens from the root to the node's end */
int  kv_free_slots(const struct kv *kv);       /* tokens that surely still fit: counts whole free pages */
int  kv_page(void);                            /* tokens a page: a node takes whole pages */

/* Appends tokens to nodes (which must have no children with tokens; those may come with it): row i goes to node[i]; rows of one node are consecutive, in
 * order; rows of nodes in any order. feature[i] >= 0: the row is row feature[i] of the features instead of a token (feature NULL: all are tokens). */
struct model_rows { int n; const int *node, *id, *feature; const struct model_features *features; };
/* hidden [n, C] behind the final norm, owned by the model until the next call. */
MUST_USE int model_extend(struct model *m, struct kv *kv, const struct model_rows *r, struct mat *hidden);
/* logits, host f32 [n, V], of the hidden rows row[i]. */
/* The same left on the device, until the next call of either; errors wait for sync(). */
MUST_USE int model_logits_there(struct model *m, struct mat hidden, const int *row, int n, struct mat *logits);
MUST_USE int model_logits(struct model *m, struct mat hidden, const int *row, int n, float *logits);

#endif
