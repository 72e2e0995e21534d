/* SPDX-License-Identifier: Apache-2.0
 * 64-bit codes that differ from a given one in few bits, without looking at all of them.
 *
 *     struct near s = { 0 };
 *     near_add(&s, code, value); ...; near_seal(&s);
 *     near_find(&s, code, 6, found, arg);            found(arg, value, distance) for each within 6 bits
 *
 * Multi-index hashing (Norouzi, Punjani, Fleet 2012): a code has four bands of 16 bits. Where two codes differ in at most r
 * bits, some band differs in at most r / 4; so it is enough to look up each band's values within r / 4 bits of the
 * given one's. 28 bytes a code.
 */
#ifndef BASE_NEAR_H
#define BASE_NEAR_H

#include <stdbool.h>
#include <stdint.h>

enum { NEAR_BANDS = 4, NEAR_MAX = 15 };        /* bits that may differ at most: up to 697 look-ups a band */

struct near {                                  /* zero-initialise */
    uint64_t *code; uint32_t *value, n, cap;
    uint32_t *start[NEAR_BANDS], *by[NEAR_BANDS];          /* codes by[start[x]] .. by[start[x + 1]] have x in that band */
};

void near_add(struct near *s, uint64_t code, uint32_t value);          /* before near_seal */
void near_seal(struct near *s);
void near_free(struct near *s);
/* Each code within `bits` <= NEAR_MAX, once, in an order that depends on what was added and the arguments alone. found
 * returns true to end the search. Safe from several threads. */
void near_find(const struct near *s, uint64_t code, int bits, bool (*found)(void *arg, uint32_t value, int distance), void *arg);

#endif
