/* SPDX-License-Identifier: Apache-2.0
 * The tree of cached keys. A row's hidden state has the same bits however it is computed: token by token, in pieces, in
 * one call, cut into nodes anywhere, among other rows in any order, and on any number of threads.
 */
#include <stdlib.h>
#include "device.h"
#include "t.h"
#include "tiny_model.h"

enum { LEN = 83, WIDTH = 24, SLOTS = 2048 };
static struct ops *dev;
static int ids[LEN];
static float reference[LEN][WIDTH];            /* token by token in one node */

static void extend(struct model *m, struct kv *kv, int node, int begin, int n, float out[][WIDTH])
{
    int nodes[LEN];
    struct mat hidden;
    for (int i = 0; i < n; i++) nodes[i] = node;
    struct model_rows r = { n, nodes, ids + begin, NULL, NULL };
    T_OK(model_extend(m, kv, &r, &hidden));
    T_INT(hidden.rows, n);
    for (int i = 0; i < n; i++) dev->download(dev, out[begin + i], (float *)hidden.p + (size_t)i * (size_t)hidden.ld, sizeof out[0]);
}

static bool same(float a[][WIDTH], int begin, int n) { return !memcmp(a[begin], reference[begin], (size_t)n * sizeof a[0]); }

static void make_reference(struct model *m)
{
    struct rng r = rng_new(3, "ids");
    struct kv *kv = kv_new(m, SLOTS);
    int root = kv_node(kv, -1);
    for (int i = 0; i < LEN; i++) ids[i] = (int)rng_next_below(&r, 53);
    for (int i = 0; i < LEN; i++) extend(m, kv, root, i, 1, reference);
    T_INT(kv_len(kv, root), LEN);
    kv_free(kv);
}

static void check_pieces(struct model *m)
{
    static const int sizes[] = { LEN, 1, 2, 3, 5, 31, 32, 33, 40, 64 };
    for (int k = 0; k < countof(sizes); k++) {
        float out[LEN][WIDTH];
        struct kv *kv = kv_new(m, SLOTS);
        int root = kv_node(kv, -1);
        for (int i = 0; i < LEN; i += sizes[k]) extend(m, kv, root, i, mem_min(sizes[k], LEN - i), out);
        T_CHECK(same(out, 0, LEN));
        kv_free(kv);
    }
}

static void check_cuts(struct model *m)
{
    static const int cuts[] = { 1, 7, 31, 32, 33, 50, 64, 82 };
    for (int k = 0; k < countof(cuts); k++) {
        float out[LEN][WIDTH];
        struct kv *kv = kv_new(m, SLOTS);
        int a = kv_node(kv, -1), empty;
        extend(m, kv, a, 0, cuts[k], out);
        empty = kv_node(kv, a);
        extend(m, kv, kv_node(kv, empty), cuts[k], LEN - cuts[k], out);
        T_CHECK(same(out, 0, LEN));
        kv_free(kv);
    }
}

/* The path among others: 8 trees, in each a stem and 6 leaves behind it, whose rows come in a shuffled order of nodes;
 * every leaf is fed the same tokens, some in one piece and some in two calls. */
static void check_crowd(struct model *m)
{
    enum { TREES = 8, LEAVES = 6, ALL = TREES * LEAVES };
    struct kv *kv = kv_new(m, 16384);
    struct rng r = rng_new(5, "order");
    int node[ALL], order[ALL], rows[ALL * LEN], id[ALL * LEN], at[ALL * LEN], done[ALL] = {0}, stem[ALL];
    float out[LEN][WIDTH], got[WIDTH];
    for (int t = 0; t < TREES; t++) {
        int root = kv_node(kv, -1), len = 3 + 9 * t;
        extend(m, kv, root, 0, len, out);
        T_CHECK(same(out, 0, len));
        for (int l = 0; l < LEAVES; l++) {
            node[t * LEAVES + l] = kv_node(kv, root);
            stem[t * LEAVES + l] = len;
        }
    }
    for (int call = 0; call < 3; call++) {
        int n = 0;
        struct mat hidden;
        for (int i = 0; i < ALL; i++) order[i] = i;
        rng_shuffle(&r, order, ALL, sizeof *order);
        for (int i = 0; i < ALL; i++) {
            int k = order[i], left = LEN - stem[k] - done[k], add = call < 2 ? 1 + (int)rng_next_below(&r, 5) : left;
            for (int j = 0; j < mem_min(add, left); j++, n++) {
                rows[n] = node[k];
                at[n] = stem[k] + done[k]++;
                id[n] = ids[at[n]];
            }
        }
        struct model_rows x = { n, rows, id, NULL, NULL };
        T_OK(model_extend(m, kv, &x, &hidden));
        for (int i = 0; i < n; i++) {
            dev->download(dev, got, (float *)hidden.p + (size_t)i * (size_t)hidden.ld, sizeof got);
            T_CHECK(!memcmp(got, reference[at[i]], sizeof got));
        }
    }
    kv_free(kv);
}

/* A node and those behind it in one call, before or after them; an empty one between. Then they end, and the first grows. */
static void check_chain(struct model *m)
{
    static const int cut[] = { 0, 5, 40, LEN };
    for (int back = 0; back < 2; back++) {
        struct kv *kv = kv_new(m, SLOTS);
        int node[4], rows[LEN], id[LEN], at[LEN], n = 0;
        float got[WIDTH], out[LEN][WIDTH];
        struct mat hidden;
        for (int i = 0; i < 4; i++) node[i] = kv_node(kv, i ? node[i - 1] : -1);
        for (int k = 0; k < 3; k++) {
            int part = back ? 2 - k : k;
            for (int i = cut[part]; i < cut[part + 1]; i++, n++) {
                rows[n] = node[part < 2 ? part : 3];
                id[n] = ids[at[n] = i];
            }
        }
        struct model_rows x = { n, rows, id, NULL, NULL };
        T_OK(model_extend(m, kv, &x, &hidden));
        T_INT(kv_len(kv, node[3]), LEN);
        for (int i = 0; i < n; i++) {
            dev->download(dev, got, (float *)hidden.p + (size_t)i * (size_t)hidden.ld, sizeof got);
            T_CHECK(!memcmp(got, reference[at[i]], sizeof got));
        }
        struct model_rows one = { 1, &node[1], ids, NULL, NULL }, two = { 1, &node[2], ids, NULL, NULL };
        T_FAIL(model_extend(m, kv, &one, &hidden), "has children");
        T_FAIL(model_extend(m, kv, &two, &hidden), "has children");
        kv_drop(kv, node[3]);
        kv_drop(kv, node[2]);
        extend(m, kv, node[1], 40, LEN - 40, out);
        T_CHECK(same(out, 40, LEN - 40));
        kv_free(kv);
    }
}

static void check_model(const char *json)
{
    for (int threads = 1; threads <= 2; threads++) {
        dev = test_ops(threads);
        struct model *m = tiny_model(json, dev, DT_F32, 0);
        if (threads == 1) make_reference(m);
        check_pieces(m);
        check_cuts(m);
        check_crowd(m);
        check_chain(m);
        model_free(m);
        dev->close(dev);
    }
}

static void test_same_bits_qwen2(void) { check_model(tiny_qwen2); }
static void test_same_bits_llama(void) { check_model(tiny_llama); }
static void test_same_bits_chat(void) { check_model(tiny_chat); }

/* The same for logits, and bf16 models. */
static void test_same_bits_of_logits(void)
{
    for (int t = 0; t < 2; t++) {
        float *all = mem_array((size_t)LEN * 53, sizeof *all), one[53];
        struct mat hidden;
        dev = test_ops(2);
        struct model *m = tiny_model(tiny_qwen2, dev, t ? DT_BF16 : DT_F32, 0);
        struct kv *kv = kv_new(m, SLOTS);
        int node[LEN], row[LEN], a = kv_node(kv, -1), b = kv_node(kv, -1);
        for (int i = 0; i < LEN; i++) {
            node[i] = a;
            row[i] = i;
        }
        struct model_rows r = { LEN, node, ids, NULL, NULL };
        T_OK(model_extend(m, kv, &r, &hidden));
        T_OK(model_logits(m, hidden, row, LEN, all));
        for (int i = 0; i < LEN; i++) {
            struct model_rows s = { 1, &b, &ids[i], NULL, NULL };
            T_OK(model_extend(m, kv, &s, &hidden));
            T_OK(model_logits(m, hidden, row, 1, one));
            T_CHECK(!memcmp(one, all + (size_t)i * 53, sizeof one));
        }
        kv_free(kv);
        model_free(m);
        dev->close(dev);
        free(all);
    }
}

static void test_counting(void)
{
    float out[LEN][WIDTH];
    dev = test_ops(1);
    struct model *m = tiny_model(tiny_text, dev, DT_F32, 0);
    struct kv *kv = kv_new(m, 5 * kv_page() - 3);                        /* whole pages */
    T_INT(kv_free_slots(kv), 5 * kv_page());
    int a = kv_node(kv, -1), b = kv_node(kv, a), c = kv_node(kv, a);
    extend(m, kv, b, 0, kv_page(), out);
    extend(m, kv, c, 0, kv_page() + 1, out);
    T_INT(kv_free_slots(kv), 2 * kv_page());
    T_INT(kv_len(kv, c), kv_page() + 1);
    int d = kv_node(kv, c), node[LEN];
    for (int i = 0; i < LEN; i++) node[i] = d;
    struct model_rows r = { 2 * kv_page() + 1, node, ids, NULL, NULL };
    struct mat hidden;
    T_FAIL(model_extend(m, kv, &r, &hidden), "3 pages more are needed, 2 are free");
    T_INT(kv_len(kv, d), kv_page() + 1);
    extend(m, kv, d, 0, 1, out);
    node[0] = c;
    r.n = 1;
    T_FAIL(model_extend(m, kv, &r, &hidden), "has children");
    node[0] = node[2] = d, node[1] = b;
    r.n = 3;
    T_FAIL(model_extend(m, kv, &r, &hidden), "not consecutive");
    kv_hold(kv, c);
    kv_drop(kv, c);
    kv_drop(kv, c);                            /* d holds it still */
    T_INT(kv_free_slots(kv), kv_page());
    kv_drop(kv, d);
    T_INT(kv_free_slots(kv), 4 * kv_page());
    kv_drop(kv, b);
    kv_drop(kv, a);
    T_INT(kv_free_slots(kv), 5 * kv_page());
    int id = 53, bad = kv_node(kv, -1);
    struct model_rows s = { 1, &bad, &id, NULL, NULL };
    T_FAIL(model_extend(m, kv, &s, &hidden), "token 53");
    kv_free(kv);
    model_free(m);
    dev->close(dev);
}

static void test_positions_end(void)
{
    dev = test_ops(1);
    struct model *m = tiny_model(tiny_text, dev, DT_F32, 0);
    struct kv *kv = kv_new(m, 1024);
    struct mat hidden;
    int node[513], id[513];
    for (int i = 0; i < 513; i++) {
        node[i] = i ? node[0] : kv_node(kv, -1);
        id[i] = i % 53;
    }
    struct model_rows r = { 513, node, id, NULL, NULL };
    T_FAIL(model_extend(m, kv, &r, &hidden), "position 512: the model knows 512");
    r.n = 512;
    T_OK(model_extend(m, kv, &r, &hidden));
    kv_free(kv);
    model_free(m);
    dev->close(dev);
}

int main(void)
{
    T_RUN(test_same_bits_qwen2);
    T_RUN(test_same_bits_llama);
    T_RUN(test_same_bits_chat);
    T_RUN(test_same_bits_of_logits);
    T_RUN(test_counting);
    T_RUN(test_positions_end);
    return t_end();
}
