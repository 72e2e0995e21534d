/* SPDX-License-Identifier: Apache-2.0
 * kernels/wgmma.h: where a tile's elements lie, and where sums come out, against plain loops; so that on a device what is wrong
 * with attention is known not to be this.
 */
#include <stdlib.h>
#include "tiles.h"
#include "../unit/t.h"

enum { K = TILES_K, M = 64 };

/* Small integers: sums are exact. */
static uint16_t number(int i)
{
    float f = (float)((int)(((unsigned)i * 2654435761u) >> 20) % 9 - 4);
    uint32_t u;
    memcpy(&u, &f, 4);
    return (uint16_t)(u >> 16);
}

static float value(uint16_t h)
{
    uint32_t u = (uint32_t)h << 16;
    float f;
    memcpy(&f, &u, 4);
    return f;
}

static int product(int how, int N)
{
    static uint16_t a[M * K], b[128 * K];
    static float d[M * 128];
    int wrong = 0;
    for (int i = 0; i < M * K; i++) a[i] = number(i);
    for (int i = 0; i < N * K; i++) b[i] = number(i + 12345);
    if (!tiles_multiply(how, N, d, a, b)) return -1;
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            float sum = 0;
            for (int k = 0; k < K; k++) sum += value(how == TILES_ALONG ? a[k * M + i] : a[i * K + k]) * value(how == TILES_ROWS ? b[j * K + k] : b[k * N + j]);
            wrong += !(d[i * N + j] == sum);
        }
    return wrong;
}

static void test_products(void)
{
    for (int how = TILES_ROWS; how <= TILES_REGS; how++)
        for (int N = 64; N <= 128; N *= 2) T_INT(product(how, N), 0);
}

static void test_copies(void)
{
    enum { BYTES = 4096 + 16 };
    static unsigned char from[2 * BYTES], to[2 * BYTES];
    int wrong = 0;
    for (int i = 0; i < 2 * BYTES; i++) from[i] = (unsigned char)(i * 7 + i / 256);
    T_CHECK(tiles_copy(to, from, BYTES));
    for (int i = 0; i < 2 * BYTES; i++) wrong += to[i] != (from[i] ^ 0x55);
    T_INT(wrong, 0);
}

int main(void)
{
    setenv("COS_EMU_ARCH", "90", 1);
    if (!tiles_here()) {
        printf("ok 1 - products of tiles # skip the device has no warpgroup products\n1..1\n");
        return 0;
    }
    T_RUN(test_products);
    T_RUN(test_copies);
    return t_end();
}
