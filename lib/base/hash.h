/* SPDX-License-Identifier: Apache-2.0
 * Digests (XXH3 by libxxhash): fast identities of models, tokenizers and images. Not cryptographic.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

enum { HASH_HEX = 33 };                        /* 32 hex digits and the NUL */

uint64_t hash64(const void *p, size_t n, uint64_t seed);

struct hash;                                   /* a running 128-bit digest */
struct hash *hash_new(void);                   /* caller frees through hash_end */
void hash_add(struct hash *h, const void *p, size_t n);
void hash_end(struct hash *h, char hex[HASH_HEX]);       /* frees h */
void hash_hex(const void *p, size_t n, char hex[HASH_HEX]);   /* the three in one */

#endif
