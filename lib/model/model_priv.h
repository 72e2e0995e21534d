/* SPDX-License-Identifier: Apache-2.0
 * The model's inside, shared by the files of this folder.
 */
#ifndef MODEL_MODEL_PRIV_H
#define MODEL_MODEL_PRIV_H

#include "model/model.h"
#include "store/gguf.h"
#include "store/safetensors.h"

/* ---- weights: rows of the parameter table, NULL where the architecture has none ---- */
/* q, k and v are rows of the table behind one another (or one tensor), and so are gate and up. They lie behind one another
 * in memory too, so that one product computes them, except where a mapped file has them apart. */
struct block {
    struct param *norm1, *norm1_b, *qkv, *qkv_b, *q_norm, *k_norm, *o, *o_b, *scale1;
    struct param *norm2, *norm2_b, *up, *up_b, *down, *down_b, *scale2;       /* up: first of gate, up when gated */
};
struct vision { struct param *patch, *patch_b, *cls, *pos, *pre_norm, *pre_norm_b, *norm, *norm_b; struct block *block; };
struct projector { struct param *norm, *norm_b, *fc1, *fc1_b, *fc2, *fc2_b, *newline; };
struct decoder { struct param *embed, *norm, *head; struct block *block; };   /* head == embed where tied */

enum init { INIT_ZERO, INIT_ONE, INIT_NORMAL, INIT_CONST };
struct param_info {
    bool joined;                               /* directly behind the one before */
    enum init init; float value;
    const struct st_tensor *src;               /* while loading */
    int interleaved;                           /* rows of src within heads of this size: gguf_interleaved; 0: in order */
};

/* ---- activations ---- */
/* Device memory carved anew for each pass: a plan runs once with base NULL to measure, then for real. */
struct space { uint8_t *base; size_t used, cap; };
struct mat space_mat(struct space *s, enum dtype t, int rows, int cols);
float *space_f32(struct space *s, size_t n);
MUST_USE int space_reserve(struct space *s, struct ops *o);       /* room for what was measured; then used = 0 */

/* What a block leaves for its backward. Without keeping, all blocks share one, and x1 is the stream itself. */
struct block_act {
    struct mat n1, qkv, qk, o, a, x1, n2, up, h, m;    /* qk: q and k behind their norms; a, m: outputs before layer scale */
    struct mat grouped;                        /* QKV_GROUPED: the product, before its heads are in order; shared by all blocks */
    float *stat1, *stat2, *stat_q, *stat_k, *lse;
};
struct block_grad { struct mat dn, dqkv, dqk, dgrouped, d_o, da, dup, dh; };      /* scratch of one block's backward */
struct tower_act { struct mat *x; struct block_act *act; };      /* x[layers + 1]: inputs of the blocks, and the last output */

/* How a block attends: packed sequences, or (kv not NULL) rows over the tree of cached keys. */
struct kv_pass;
struct attend {
    int nseq; const int *start; const struct span *prefix;
    int nwindow; const int *window;            /* the sequences of local blocks, which have no prefix */
    const int *pos; const float *cs;           /* rotary positions; cs NULL: none */
    const struct kv_pass *kv; int layer;
    const int *head;                           /* QKV_GROUPED: see block_heads */
};

void block_plan(struct space *s, const struct block_cfg *c, enum dtype t, int rows, bool keep, struct mat x1, struct block_act *a);
void block_plan_grad(struct space *s, const struct block_cfg *c, enum dtype t, int rows, struct block_grad *g);
/* Of QKV_GROUPED, where the D columns of each head in order (q, k, v) stand in a row of the product, for `rows` rows on end:
 * [rows * (H + 2 Hk)]; NULL of the others. */
const int *block_heads(struct arena *a, const struct block_cfg *c, int rows);
/* y = block(x); y may be x when nothing is kept. */
void block_forward(struct ops *o, const struct block_cfg *c, const struct block *w, const struct block_act *a,
                   struct mat x, struct mat y, const struct attend *at);
/* dx comes in as the gradient of the output and leaves as the gradient of the input. */
void block_backward(struct ops *o, const struct block_cfg *c, const struct block *w, const struct block_act *a,
                    struct mat x, struct mat dx, const struct attend *at, const struct block_grad *g);
void tower_plan(struct space *s, const struct block_cfg *c, enum dtype t, int rows, bool keep, bool recompute, struct tower_act *a);
void tower_forward(struct ops *o, const struct block_cfg *c, const struct block *w, const struct tower_act *a, struct attend *at);
void tower_backward(struct ops *o, const struct block_cfg *c, const struct block *w, const struct tower_act *a, struct attend *at,
                    const struct block_grad *g, struct mat dx, bool recompute);

/* Angles of positions [0, n), [dev] [n, pairs, 2]; and the angles of given rows: row i's are cs[pos[i]]. */
struct rope_table { float *cs; int n; };
struct rope_at { const int *pos; const float *cs; };

/* The vision tower works on some tiles at a time; on all of them at once when their activations are kept. */
struct vision_pass {
    bool keep;
    int ntile, nrow;                           /* of the chunk at work, as the indices are: */
    int *start, *window, nwindow;              /* host: the tower's rows of each tile, and of each window */
    int *rows, *shuffle;                       /* host: the tower's row of each patch; of each row behind the shuffle */
    int *pos;                                  /* host [2][rows]: the patch's coordinates */
    struct rope_at rope;
    struct mat cs;
    float *px, *pos_own, *pre_stat, *stat;     /* pos_own: [dev] positions of tiles of a size of their own */
    struct mat patches, emb, first, last, demb, dfirst;       /* emb: patch embeddings; first: before the first norm; last: behind the final one */
    struct tower_act act;
};
struct projector_pass { struct mat in, n, h, a, out, dn, dh, da, dout, din; float *stat; };

struct pass {
    int ntok, nimage, nprojected, nfeature;    /* ntok 0: no pass to go back through; rows behind the projector, and as merged */
    bool keep, into_vision, into_projector;    /* gradients flow there */
    struct vision_pass vision;
    struct projector_pass proj;
    struct tower_act act;
    struct mat hidden, dhidden, dx, dvision, cs;
    struct rope_at rope;
    struct block_grad grad, vgrad;
    float *stat;
    int *id, *feature;                         /* host [ntok]: row of the embedding or of the features; -1 */
    const int *head;                           /* host: block_heads of the decoder */
};

enum { MODEL_FILES = 3 };                      /* a tower, a projector, a decoder; else the first alone */

struct model {
    struct model_cfg cfg;
    struct ops *o;
    enum dtype t;
    int flags;
    bool recompute;
    struct params ps;
    struct param_info *info;
    struct vision vision;
    struct projector proj;
    struct decoder dec;
    void **mem; int nmem;                      /* device allocations that hold weights */
    struct safetensors file[MODEL_FILES]; struct gguf gguf;      /* what was loaded stays mapped while weights live in it */
    char digest[HASH_HEX];
    struct space space;
    struct arena host;                         /* index arrays of the present pass */
    struct pass pass;
    struct rope_table rope, vision_rope;
    void *logits; size_t logits_cap;           /* scratch of model_logits */
};

/* ---- params.c, weights.c, digest.c ---- */
void params_build(struct model *m);                               /* the table and the pointers into it, without memory */
bool param_trained(const struct model *m, const struct param *p);
MUST_USE int weights_place(struct model *m);                      /* memory; weights that may stay in the file do */
MUST_USE int weights_fill(struct model *m, uint64_t seed);        /* from info[].src; at random where that is NULL */
void *model_alloc(struct model *m, size_t bytes, const char *what);       /* released with the model */
/* Elements [begin, begin + n) of what a parameter is loaded from, in our order of rows. */
void source_get_f32(const struct param_info *in, size_t begin, size_t n, float *x);
bool source_as_is(const struct param_info *in, enum dtype t);     /* its bytes are the parameter's */
void param_put(struct model *m, struct param *p, size_t begin, size_t n, const float *x);
void param_get(const struct model *m, const struct param *p, size_t begin, size_t n, float *x);
void model_digest_now(struct model *m);

/* ---- rope.c, vision.c ---- */
MUST_USE int rope_reserve(struct model *m, struct rope_table *t, const struct block_cfg *b, int npos);
/* Positions of several axes have their angles put together, row by row, in cs (rope_plan); pos [axes][n]. */
struct mat rope_plan(struct space *s, const struct block_cfg *b, int rows);
struct rope_at rope_rows(struct model *m, const struct rope_table *t, const struct block_cfg *b, struct mat cs, const int *pos, int n);
/* The decoder's position of the token with `ordinal` tokens before it: pos[0], pos[n], pos[2n] where there are axes. lag: how far
 * positions are behind the count of tokens; returns what it is behind this one. f: NULL for text, and without axes. */
int  rope_place(const struct rope_cfg *r, int ordinal, int lag, const struct feature_place *f, int *pos, int n);
/* Checks the images and notes pass.nprojected; how many feature rows they make, or -1. */
int  vision_begin(struct model *m, const struct model_image *v, int n);
void vision_places(const struct model *m, const struct model_image *v, int n, struct feature_place *place);
void vision_plan(struct model *m, struct space *s, const struct model_image *v, int n, bool keep, struct vision_pass *p);
void vision_plan_back(struct model *m, struct space *s, struct vision_pass *p);
/* Images to rows behind pixel shuffle: out [nprojected, shuffle^2 * C]. */
void vision_forward(struct model *m, struct vision_pass *p, const struct model_image *v, int n, struct mat out);
void vision_backward(struct model *m, struct vision_pass *p, const struct model_image *v, const struct block_grad *g, struct mat dx,
                     struct mat dout);
void projector_plan(struct model *m, struct space *s, int rows, bool keep, struct projector_pass *p);
void projector_plan_back(struct model *m, struct space *s, int rows, struct projector_pass *p);
void projector_forward(struct model *m, struct projector_pass *p, struct mat out);
void projector_backward(struct model *m, struct projector_pass *p);      /* from p->dout to p->din */

/* ---- vision_pos.c: x [tiles * period, C] += the positions of tiles of one size; gradients; the table's column of each patch ---- */
void vision_add_pos(struct model *m, struct vision_pass *p, const struct tiles *t, struct mat x, int period);
void vision_add_pos_back(struct model *m, struct vision_pass *p, const struct tiles *t, struct mat dx, int period);
void vision_buckets(int n, int side, int *bucket);

/* ---- merge.c ---- */
int  merge_takes(const struct model_cfg *c, const struct tiles *t);      /* rows of the projector that an image has */
int *merge_rows(struct model *m, const struct model_image *v, int n);    /* host [nfeature]: of the projector's output; the newline is its last */

/* ---- kv.c ---- */
struct kv_pass { struct kv *kv; int nseg; struct attn_seg *seg; int *nkey, *slot; };
void kv_attend(struct ops *o, const struct block_cfg *c, const struct kv_pass *p, int layer, struct mat q, struct mat k,
               struct mat v, struct mat out);

static inline const float *vec(const struct param *p) { return p ? p->w.p : NULL; }
static inline float *grad(const struct param *p) { return p && !p->frozen ? p->grad : NULL; }
static inline size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }
static inline void zero_mat(struct ops *o, struct mat m) { o->zero(o, m.p, (size_t)m.rows * (size_t)m.cols * dtype_size(m.t)); }
void linear_param(struct ops *o, struct mat y, struct mat x, const struct param *w, const struct param *b);
void linear_param_back(struct ops *o, struct mat dx, struct mat dy, struct mat x, const struct param *w, const struct param *b);

#endif
