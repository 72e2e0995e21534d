/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"

#include <math.h>
#include <string.h>
#include "base/hash.h"

static void round4(uint32_t c[4], const uint32_t k[2])
{
    uint64_t p0 = (uint64_t)0xD2511F53u * c[0], p1 = (uint64_t)0xCD9E8D57u * c[2];
    uint32_t n0 = (uint32_t)(p1 >> 32) ^ c[1] ^ k[0], n2 = (uint32_t)(p0 >> 32) ^ c[3] ^ k[1];
    c[0] = n0;
    c[1] = (uint32_t)p1;
    c[2] = n2;
    c[3] = (uint32_t)p0;
}

void rng_block(struct rng_key key, uint64_t a, uint64_t b, uint32_t out[4])
{
    uint32_t c[4] = { (uint32_t)a, (uint32_t)(a >> 32), (uint32_t)b, (uint32_t)(b >> 32) };
    uint32_t k[2] = { key.k[0], key.k[1] };
    for (int i = 0; i < 10; i++) {
        round4(c, k);
        k[0] += 0x9E3779B9u;
        k[1] += 0xBB67AE85u;
    }
    memcpy(out, c, sizeof c);
}

struct rng_key rng_key(uint64_t seed, const void *id, size_t len)
{
    uint64_t h = hash64(id, len, seed);
    return (struct rng_key){ { (uint32_t)h, (uint32_t)(h >> 32) } };
}

float rng_uniform(struct rng_key key, uint64_t a, uint64_t b)
{
    uint32_t o[4];
    rng_block(key, a, b, o);
    return (float)(o[0] >> 8) * 0x1p-24f;
}

double rng_uniform53(struct rng_key key, uint64_t a, uint64_t b)
{
    uint32_t o[4];
    rng_block(key, a, b, o);
    return (double)(((uint64_t)o[0] << 32 | o[1]) >> 11) * 0x1p-53;
}

float rng_normal(struct rng_key key, uint64_t a, uint64_t b)
{
    uint32_t o[4];
    rng_block(key, a, b, o);
    double u = ((double)o[0] + 1.0) * 0x1p-32, v = (double)o[1] * 0x1p-32;   /* u in (0, 1] */
    return (float)(sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v));
}

uint32_t rng_below(struct rng_key key, uint64_t a, uint64_t b, uint32_t n)
{
    uint32_t o[4];
    rng_block(key, a, b, o);
    return (uint32_t)((uint64_t)o[0] * n >> 32);
}

struct rng rng_new(uint64_t seed, const char *purpose)
{
    return (struct rng){ rng_key(seed, purpose, strlen(purpose)), 0 };
}

uint32_t rng_next_below(struct rng *r, uint32_t n) { return rng_below(r->key, r->n++, 0, n); }
double   rng_next(struct rng *r) { return rng_uniform53(r->key, r->n++, 0); }

void rng_shuffle(struct rng *r, void *v, size_t n, size_t size)
{
    char *p = v;
    for (size_t i = n; i > 1; i--) {
        size_t j = rng_next_below(r, (uint32_t)i);
        for (size_t k = 0; k < size; k++) {
            char t = p[(i - 1) * size + k];
            p[(i - 1) * size + k] = p[j * size + k];
            p[j * size + k] = t;
        }
    }
}
