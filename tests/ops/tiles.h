/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_OPS_TILES_H
#define TESTS_OPS_TILES_H

#include <stdbool.h>
#include <stdint.h>

enum { TILES_K = 128 };
/* d [64, N] = a b: a [64, K] and b^T [N, K]; a^T [K, 64] and b [K, N]; a [64, K] from registers and b [K, N]. */
enum { TILES_ROWS, TILES_ALONG, TILES_REGS };

#ifdef __cplusplus
extern "C" {
#endif
bool tiles_here(void);                         /* is there a device that has these instructions? */
bool tiles_multiply(int how, int N, float *d, const uint16_t *a, const uint16_t *b);
bool tiles_copy(unsigned char *to, const unsigned char *from, int bytes);      /* of 2 bytes bytes: ^ 0x55 */
#ifdef __cplusplus
}
#endif

#endif
