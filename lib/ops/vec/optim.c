/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/vec/simd.h"

static void adamw(const struct adamw_args *a)
{
    float *restrict w = a->w, *restrict m = a->m, *restrict v = a->v;
    const float *restrict g = a->g;
    float b1 = a->b1, b2 = a->b2, c1 = 1 - b1, c2 = 1 - b2, lr = a->lr, eps = a->eps, decay = a->decay, gscale = a->gscale;
    float i1 = 1 / a->bc1, i2 = 1 / a->bc2;
    for (size_t i = 0; i < a->n; i++) {
        float d = g[i] * gscale;
        m[i] = b1 * m[i] + c1 * d;
        v[i] = b2 * v[i] + c2 * d * d;
        w[i] -= lr * (m[i] * i1 / (__builtin_sqrtf(v[i] * i2) + eps) + decay * w[i]);
    }
}

/* VL / 2 lanes of double. */
typedef double vd __attribute__((vector_size(4 * VL)));
typedef float vhalf __attribute__((vector_size(2 * VL)));

static double sumsq(const float *p, size_t n)
{
    vd acc[2] = { { 0 } };
    size_t i = 0;
    for (; i + VL <= n; i += VL)
        for (int j = 0; j < 2; j++) {
            vhalf h;
            memcpy(&h, p + i + j * (VL / 2), sizeof h);
            vd d = __builtin_convertvector(h, vd);
            acc[j] += d * d;
        }
    double sum = 0;
    for (int j = 0; j < VL / 2; j++) sum += acc[0][j] + acc[1][j];
    for (; i < n; i++) sum += (double)p[i] * p[i];
    return sum;
}

const struct vec_optim VEC(optim) = { adamw, sumsq };
