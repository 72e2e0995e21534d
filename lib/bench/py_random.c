/* SPDX-License-Identifier: Apache-2.0
 * MT19937 (Matsumoto and Nishimura 1998) with the seeding by an array of their mt19937ar. */
#include "bench/py.h"

enum { N = PY_RANDOM_WORDS, M = 397 };

void py_seed(struct py_random *r, uint64_t seed)
{
    const uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) };
    int length = key[1] ? 2 : 1, i = 1, j = 0;
    uint32_t *w = r->w;
    w[0] = 19650218u;
    for (uint32_t k = 1; k < N; k++) w[k] = 1812433253u * (w[k - 1] ^ w[k - 1] >> 30) + k;
    for (int k = 0; k < N; k++) {
        w[i] = (w[i] ^ (w[i - 1] ^ w[i - 1] >> 30) * 1664525u) + key[j] + (uint32_t)j;
        if (++i == N) w[0] = w[N - 1], i = 1;
        if (++j == length) j = 0;
    }
    for (int k = 0; k < N - 1; k++) {
        w[i] = (w[i] ^ (w[i - 1] ^ w[i - 1] >> 30) * 1566083941u) - (uint32_t)i;
        if (++i == N) w[0] = w[N - 1], i = 1;
    }
    w[0] = 0x80000000u;
    r->at = N;
}

static void next_words(struct py_random *r)
{
    for (int i = 0; i < N; i++) {
        uint32_t y = (r->w[i] & 0x80000000u) | (r->w[(i + 1) % N] & 0x7fffffffu);
        r->w[i] = r->w[(i + M) % N] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
    }
    r->at = 0;
}

uint32_t py_random32(struct py_random *r)
{
    if (r->at == N) next_words(r);
    uint32_t y = r->w[r->at++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

int py_choice(struct py_random *r, int n)
{
    int bits = 0;
    while (n >> bits) bits++;
    uint32_t x;
    do x = py_random32(r) >> (32 - bits); while (x >= (uint32_t)n);
    return (int)x;
}
