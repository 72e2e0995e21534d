/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>
#include "base/mem.h"

struct hash { XXH3_state_t *s; };

uint64_t hash64(const void *p, size_t n, uint64_t seed) { return XXH3_64bits_withSeed(p, n, seed); }

static void to_hex(XXH128_hash_t d, char hex[HASH_HEX])
{
    snprintf(hex, HASH_HEX, "%016llx%016llx", (unsigned long long)d.high64, (unsigned long long)d.low64);
}

struct hash *hash_new(void)
{
    struct hash *h = mem_alloc(sizeof *h);
    h->s = XXH3_createState();
    if (!h->s || XXH3_128bits_reset(h->s) == XXH_ERROR) mem_array(SIZE_MAX, 1);   /* out of memory */
    return h;
}

void hash_add(struct hash *h, const void *p, size_t n) { XXH3_128bits_update(h->s, p, n); }

void hash_end(struct hash *h, char hex[HASH_HEX])
{
    to_hex(XXH3_128bits_digest(h->s), hex);
    XXH3_freeState(h->s);
    free(h);
}

void hash_hex(const void *p, size_t n, char hex[HASH_HEX]) { to_hex(XXH3_128bits(p, n), hex); }
