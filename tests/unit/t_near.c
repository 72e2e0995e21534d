/* SPDX-License-Identifier: Apache-2.0
 * base/near against looking at all codes. */
#include "t.h"
#include <stdlib.h>
#include "base/mem.h"
#include "base/near.h"
#include "base/rng.h"

enum { CODES = 5000 };
static uint64_t code[CODES];

/* In clusters, so that all distances up to NEAR_MAX occur. */
static void make_codes(void)
{
    struct rng r = rng_new(1, "codes");
    for (int i = 0; i < CODES; i++) {
        code[i] = i % 10 ? code[i - i % 10] : (uint64_t)rng_next_below(&r, UINT32_MAX) << 32 | rng_next_below(&r, UINT32_MAX);
        for (int k = i % 10; k > 0; k--) code[i] ^= 1ull << rng_next_below(&r, 64);
    }
}

struct found { int distance[CODES], times[CODES], n, stop; };

static bool note(void *arg, uint32_t value, int distance)
{
    struct found *f = arg;
    f->distance[value] = distance;
    f->times[value]++;
    return ++f->n == f->stop;
}

static void test_as_by_looking_at_all(void)
{
    struct near s = { 0 };
    make_codes();
    for (uint32_t i = 0; i < CODES; i++) near_add(&s, code[i], i);
    near_seal(&s);
    for (int bits = 0; bits <= NEAR_MAX; bits++) {
        int pairs = 0;
        for (int q = 0; q < CODES; q += 61) {
            static struct found f;
            memset(&f, 0, sizeof f);
            near_find(&s, code[q], bits, note, &f);
            for (int i = 0; i < CODES; i++) {
                int d = __builtin_popcountll(code[i] ^ code[q]);
                T_INT(f.times[i], d <= bits);
                if (d <= bits) T_INT(f.distance[i], d);
            }
            pairs += f.n - 1;
        }
        T_CHECK(bits < 4 || pairs > 20);
    }
    near_free(&s);
}

static void test_equal_codes_none_and_stop(void)
{
    struct near s = { 0 };
    static struct found f;
    for (uint32_t i = 0; i < 5; i++) near_add(&s, 42, i);
    near_seal(&s);
    near_find(&s, 42, 0, note, &f);
    T_INT(f.n, 5);
    f = (struct found){ .stop = 2 };
    near_find(&s, 43, 15, note, &f);
    T_INT(f.n, 2);
    near_free(&s);
    near_seal(&s);
    f.n = 0;
    near_find(&s, 42, 15, note, &f);
    T_INT(f.n, 0);
    near_free(&s);
}

int main(void)
{
    T_RUN(test_as_by_looking_at_all);
    T_RUN(test_equal_codes_none_and_stop);
    return t_end();
}
