/* SPDX-License-Identifier: Apache-2.0
 * The table of a CPU backend that only measures (ops.h, measure): nothing is computed or copied. Of the ops, logprob()
 * alone has work memory that grows with a batch as what alloc() hands out does, so it goes its usual way up to the
 * computation. The others' is counted as what each worker was seen to take.
 */
#include "ops/cpu.h"

enum { WORKER_BYTES = 384 << 10 };             /* panels of products, packed keys: 0.33 to 0.52 MB with small models */

#define NOTHING(name, ...) static void name(struct ops *o, __VA_ARGS__)
NOTHING(no_upload, void *dst, const void *host, size_t n) { (void)o; (void)dst; (void)host; (void)n; }
NOTHING(no_zero, void *p, size_t n) { (void)o; (void)p; (void)n; }
NOTHING(no_linear, struct mat y, struct mat x, struct mat w, const float *b) { (void)o; (void)y; (void)x; (void)w; (void)b; }
NOTHING(no_linear_dx, struct mat dx, struct mat dy, struct mat w) { (void)o; (void)dx; (void)dy; (void)w; }
NOTHING(no_linear_dw, float *dw, float *db, struct mat dy, struct mat x) { (void)o; (void)dw; (void)db; (void)dy; (void)x; }
NOTHING(no_norm, enum norm k, struct mat y, struct mat x, const float *g, const float *b, float eps, float *stat)
{
    (void)o; (void)k; (void)y; (void)x; (void)g; (void)b; (void)eps; (void)stat;
}
NOTHING(no_norm_bwd, enum norm k, struct mat dx, float *dg, float *db, struct mat dy, struct mat x, const float *g, const float *stat)
{
    (void)o; (void)k; (void)dx; (void)dg; (void)db; (void)dy; (void)x; (void)g; (void)stat;
}
NOTHING(no_act, enum act a, struct mat y, struct mat x) { (void)o; (void)a; (void)y; (void)x; }
NOTHING(no_act_bwd, enum act a, struct mat dx, struct mat dy, struct mat x) { (void)o; (void)a; (void)dx; (void)dy; (void)x; }
NOTHING(no_glu, enum act a, struct mat y, struct mat gate, struct mat up) { (void)o; (void)a; (void)y; (void)gate; (void)up; }
NOTHING(no_glu_bwd, enum act a, struct mat dgate, struct mat dup, struct mat dy, struct mat gate, struct mat up)
{
    (void)o; (void)a; (void)dgate; (void)dup; (void)dy; (void)gate; (void)up;
}
NOTHING(no_copy, struct mat y, struct mat x) { (void)o; (void)y; (void)x; }
NOTHING(no_residual, struct mat y, struct mat x, struct mat a, const float *s) { (void)o; (void)y; (void)x; (void)a; (void)s; }
NOTHING(no_residual_bwd, struct mat da, float *ds, struct mat dy, struct mat a, const float *s) { (void)o; (void)da; (void)ds; (void)dy; (void)a; (void)s; }
NOTHING(no_rope, struct mat x, int heads, int D, const int *pos, const float *cs, bool back) { (void)o; (void)x; (void)heads; (void)D; (void)pos; (void)cs; (void)back; }
NOTHING(no_move, struct mat y, struct mat x, const int *idx) { (void)o; (void)y; (void)x; (void)idx; }
NOTHING(no_add_rows, struct mat y, const float *table, int period) { (void)o; (void)y; (void)table; (void)period; }
NOTHING(no_add_rows_bwd, float *dtable, struct mat dy, int period) { (void)o; (void)dtable; (void)dy; (void)period; }
NOTHING(no_patchify, struct mat y, const float *px, int h, int w, int ph, int pw) { (void)o; (void)y; (void)px; (void)h; (void)w; (void)ph; (void)pw; }
NOTHING(no_attn, const struct attn_args *a) { (void)o; (void)a; }
NOTHING(no_attn_bwd, const struct attn_args *a, struct mat d_o, struct mat dq, struct mat dk, struct mat dv) { (void)o; (void)a; (void)d_o; (void)dq; (void)dk; (void)dv; }
NOTHING(no_attn_tree, const struct attn_tree_args *a) { (void)o; (void)a; }
NOTHING(no_adamw, const struct adamw_args *a) { (void)o; (void)a; }
static double no_sumsq(struct ops *o, const struct floats *v, int n) { (void)o; (void)v; (void)n; return 0; }

void cpu_set_measuring(struct ops *o)
{
    o->measuring = true;
    (void)usage_reserve(o->usage, (size_t)o->threads * WORKER_BYTES, "work memory");
    o->upload = no_upload;
    o->zero = no_zero;
    o->linear = no_linear;
    o->linear_dx = no_linear_dx;
    o->linear_dw = no_linear_dw;
    o->norm = no_norm;
    o->norm_bwd = no_norm_bwd;
    o->act = no_act;
    o->act_bwd = no_act_bwd;
    o->glu = no_glu;
    o->glu_bwd = no_glu_bwd;
    o->add = o->cast = no_copy;
    o->residual = no_residual;
    o->residual_bwd = no_residual_bwd;
    o->rope = no_rope;
    o->gather = o->gather_add = o->scatter = o->scatter_add = no_move;
    o->add_rows = no_add_rows;
    o->add_rows_bwd = no_add_rows_bwd;
    o->patchify = no_patchify;
    o->attn = no_attn;
    o->attn_bwd = no_attn_bwd;
    o->attn_tree = no_attn_tree;
    o->adamw = no_adamw;
    o->sumsq = no_sumsq;
}
