/* SPDX-License-Identifier: Apache-2.0
 * The cache's inside, for kv.c and decode.c.
 */
#ifndef MODEL_KV_PRIV_H
#define MODEL_KV_PRIV_H

#include <math.h>
#include "model/model_priv.h"

enum { KV_PAGE = 32 };                         /* slots */

struct kv_node {
    int parent, refs, children;                /* refs: holders, each child being one; 0: unused, then on the free list; */
                                               /* children: with tokens, or below a child without */
    int base, len;                             /* tokens before the span (when it has some), and in it */
    int lag;                                   /* how far positions are behind the count of tokens at its end */
    int *page, npage;
    int next_free;
    /* of one model_extend: the part of the tree it touches */
    bool marked;
    int more;                                  /* tokens it gets */
    int group, first, last, next;              /* group of new rows or -1; children and siblings among the marked */
    int row, seg;                              /* first row and first segment below here */
};

struct kv {
    struct model *m;
    void *mem;
    struct mat *k, *v;                         /* [layers] pools [slots, Hk*D] */
    int npage, nfree, *free_page;
    struct kv_node *node; int nnode, capnode, free_node;
};

int  kv_pages_for(const struct kv_node *n, int more);      /* pages to take for `more` tokens */
void kv_grow(struct kv *kv, struct kv_node *n, int more);  /* there must be enough free pages */
void kv_count_child(struct kv *kv, int node, int by);      /* the node has its first tokens (1), or goes (-1) */

#endif
