/* SPDX-License-Identifier: Apache-2.0
 * Counter-based random numbers: Philox4x32-10 (Salmon et al., SC'11). A draw is a pure function of a key and a
 * counter, so a sample depends on (seed, record id, path number, position) and on nothing else: not on the batch,
 * the thread or the shard.
 *
 *     struct rng_key k = rng_key(seed, id, strlen(id));
 *     float u = rng_uniform(k, path_index, position);
 */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct rng_key { uint32_t k[2]; };

struct rng_key rng_key(uint64_t seed, const void *id, size_t len);   /* 64 bits of XXH3(id) keyed by the seed */
void   rng_block(struct rng_key key, uint64_t a, uint64_t b, uint32_t out[4]);
float  rng_uniform(struct rng_key key, uint64_t a, uint64_t b);      /* [0, 1), 24 bits */
double rng_uniform53(struct rng_key key, uint64_t a, uint64_t b);    /* [0, 1), 53 bits */
float  rng_normal(struct rng_key key, uint64_t a, uint64_t b);       /* mean 0, variance 1 (Box-Muller) */
uint32_t rng_below(struct rng_key key, uint64_t a, uint64_t b, uint32_t n);   /* [0, n), bias < n / 2^32 */

/* A running stream over the same generator, for generators of data and shuffles. */
struct rng { struct rng_key key; uint64_t n; };
struct rng rng_new(uint64_t seed, const char *purpose);
uint32_t   rng_next_below(struct rng *r, uint32_t n);
double     rng_next(struct rng *r);
void       rng_shuffle(struct rng *r, void *v, size_t n, size_t size);   /* Fisher-Yates */

#endif
