/* SPDX-License-Identifier: Apache-2.0 */
#include "media/phash.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "media/resize.h"

enum { SIDE = 32, WAVES = 8 };

static double grey(const uint8_t *px) { return 0.299 * px[0] + 0.587 * px[1] + 0.114 * px[2]; }

static void transform(const struct image *im, double f[WAVES * WAVES])
{
    double wave[WAVES][SIDE], row[SIDE][WAVES] = { { 0 } };
    for (int u = 0; u < WAVES; u++)
        for (int x = 0; x < SIDE; x++) wave[u][x] = cos((2 * x + 1) * u * acos(-1) / (2 * SIDE));
    for (int y = 0; y < SIDE; y++)
        for (int u = 0; u < WAVES; u++)
            for (int x = 0; x < SIDE; x++) row[y][u] += grey(im->px + 3 * (y * SIDE + x)) * wave[u][x];
    for (int v = 0; v < WAVES; v++)
        for (int u = 0; u < WAVES; u++) {
            double sum = 0;
            for (int y = 0; y < SIDE; y++) sum += row[y][u] * wave[v][y];
            f[v * WAVES + u] = fabs(sum) < 1e-6 ? 0 : sum;         /* what would be 0, but for rounding */
        }
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int image_phash(const struct image *im, uint64_t *hash)
{
    struct image small;
    double f[WAVES * WAVES], sorted[WAVES * WAVES];
    if (image_resize(im, SIDE, SIDE, RESAMPLE_BOX, RESIZE_PILLOW, &small)) return -1;
    transform(&small, f);
    image_free(&small);
    memcpy(sorted, f, sizeof f);
    qsort(sorted, WAVES * WAVES, sizeof *sorted, ascending);
    double median = (sorted[31] + sorted[32]) / 2;
    *hash = 0;
    for (int i = 0; i < WAVES * WAVES; i++) *hash |= (uint64_t)(f[i] > median) << i;
    return 0;
}
