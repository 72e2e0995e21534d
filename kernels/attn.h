/* SPDX-License-Identifier: Apache-2.0
 * Shared by the files of attention: attn.cu (the ops, and plain kernels for every dtype, head size and device),
 * attn_flash.cu (forward and trees on tensor cores), attn_flash_bwd.cu (backward on tensor cores), attn_plan.cu (how the
 * rows of a tree are cut).
 *
 * The keys of a query row are runs of slots (rows of k and v), ascending in position, that cover nkey[row] positions; rows
 * of one sequence have their runs in common. The query rows of one key head are stacked: row x / group, head x % group of
 * the group is row x of the stack, so that a tile of keys serves the group at once.
 */
#ifndef KERNELS_ATTN_H
#define KERNELS_ATTN_H

#include "gpu.h"

struct run { int slot, len, pos; };
struct heads { int n, group, D; float scale; };        /* n: query heads; group: of them a key head */

/* [dev] first [R]: a row's first run; nkey [R] */
struct keys { const int *first, *nkey; const struct run *run; };

/* The slot of position p; i: the run it is in or behind, kept by whoever goes through ascending positions. */
static __device__ __forceinline__ int slot_of(const struct run *run, int *i, int p)
{
    while (p >= run[*i].pos + run[*i].len) ++*i;
    return run[*i].slot + p - run[*i].pos;
}

/* A block's work: the query rows [row, row + nrow), their keys of positions [begin, end), from run `run` on. */
struct item { int row, nrow, run, begin, end; };

/* The whole softmax of a row is taken over all of its keys at once (attn), or over UNIT positions at a time, the units
 * folded into one in order (attn_tree): so the units of a row can be worked on anywhere and the row has the same bits. */
enum { UNIT = 256 };

/* Rows of a tree as items. whole: an item has all units of its rows; otherwise one unit, its result at part[row] + unit of
 * the parts, which are folded at the end. Host arrays in one allocation, laid out as sent to the device. */
struct plan {
    int *host; size_t n;                       /* ints: nitem, nkey [R], part [R], items, runs */
    size_t nkey, part, item, run;              /* where each begins */
    int nitem, parts;
    bool whole;
};
/* At least n, and the same for numbers near n: launches of one token after the other look the same (graph.cu). */
unsigned plan_rounded(int n);
/* The plan of a tree and where it lies on the device; the last one is kept, as all layers of a pass have the same. NULL, the
 * failure kept, when memory is out. */
const struct plan *plan_tree(struct cuda *c, const struct attn_tree_args *a, int rows_a_block, int few_blocks, const int **dev);

/* Do the tensor-core kernels take it? Else the plain ones. */
bool cuda_flash_fits(const struct cuda *c, const struct heads *h, struct mat q, struct mat k, struct mat v, struct mat o);
void cuda_flash(struct cuda *c, const struct attn_args *a, const struct heads *h, const struct keys *k, const int *host);
void cuda_flash_bwd(struct cuda *c, const struct attn_args *a, const struct heads *h, const struct keys *k, const int *host,
                    struct mat d_o, struct mat dq, struct mat dk, struct mat dv);
void cuda_flash_tree(struct cuda *c, const struct attn_tree_args *a, const struct heads *h);
/* The same on Hopper's own instructions; for what cuda_flash_fits. */
bool cuda_hopper_fits(const struct cuda *c, const struct heads *h);
void cuda_hopper(struct cuda *c, const struct attn_args *a, const struct heads *h, const struct keys *k, const int *host);
/* False, and nothing done, for those that it does not take. */
bool cuda_hopper_bwd(struct cuda *c, const struct attn_args *a, const struct heads *h, struct mat d_o, struct mat dq, struct mat dk, struct mat dv);
/* Items of packed sequences, each of at most `most` query rows: a count, then the items; NULL when memory is out. host: the
 * first runs and numbers of keys of the rows. */
const int *cuda_flash_items(struct cuda *c, const struct attn_args *a, const int *host, int most, int *count);

#endif
