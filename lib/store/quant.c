/* SPDX-License-Identifier: Apache-2.0 */
#include "store/quant.h"

#include <assert.h>
#include <string.h>

static float half(const uint8_t *p) { return f32_of_f16((uint16_t)(p[0] | p[1] << 8)); }

static uint32_t word(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24; }

/* 32 numbers: low nibbles of the 16 bytes first, then the high ones; a fifth bit of number i is bit i of high. */
static void nibbles(const uint8_t *q, uint32_t high, int *out)
{
    for (int i = 0; i < 16; i++) {
        out[i] = (q[i] & 15) | (int)(high >> i & 1) << 4;
        out[i + 16] = q[i] >> 4 | (int)(high >> (i + 16) & 1) << 4;
    }
}

static void get_symmetric(float d, const uint8_t *q, uint32_t high, int middle, float *out)
{
    int v[32];
    nibbles(q, high, v);
    for (int i = 0; i < 32; i++) out[i] = d * (float)(v[i] - middle);
}

static void get_affine(float d, float m, const uint8_t *q, uint32_t high, float *out)
{
    int v[32];
    nibbles(q, high, v);
    for (int i = 0; i < 32; i++) out[i] = d * (float)v[i] + m;
}

static void get_q8_0(const uint8_t *p, float *out)
{
    float d = half(p);
    for (int i = 0; i < 32; i++) out[i] = d * (float)(int8_t)p[2 + i];
}

/* Scale and minimum of group j, packed in 12 bytes: four groups whole, the others' upper two bits in those bytes. */
static void group_scale(const uint8_t *s, int j, int *scale, int *min)
{
    if (j < 4) {
        *scale = s[j] & 63;
        *min = s[j + 4] & 63;
    } else {
        *scale = (s[j + 4] & 15) | s[j - 4] >> 6 << 4;
        *min = s[j + 4] >> 4 | s[j] >> 6 << 4;
    }
}

/* high: 32 bytes whose bit j is the fifth bit of group j, or NULL. */
static void get_k45(const uint8_t *p, const uint8_t *high, const uint8_t *q, float *out)
{
    float d = half(p), dmin = half(p + 2);
    for (int j = 0; j < 8; j++) {
        int scale, min;
        group_scale(p + 4, j, &scale, &min);
        float ds = d * (float)scale, dm = dmin * (float)min;
        for (int i = 0; i < 32; i++) {
            int v = q[j / 2 * 32 + i] >> j % 2 * 4 & 15;
            if (high) v |= (high[i] >> j & 1) << 4;
            out[j * 32 + i] = ds * (float)v - dm;
        }
    }
}

static void get_q6_k(const uint8_t *p, float *out)
{
    const uint8_t *low = p, *high = p + 128, *scale = p + 192;
    float d = half(p + 208);
    for (int i = 0; i < 256; i++) {            /* of each 128: four runs of 32, two to a byte of low, four to one of high */
        int part = i / 128, run = i % 128 / 32, k = i % 32;
        int v = (low[part * 64 + run % 2 * 32 + k] >> run / 2 * 4 & 15) | (high[part * 32 + k] >> run * 2 & 3) << 4;
        out[i] = d * (float)(int8_t)scale[i / 16] * (float)(v - 32);
    }
}

void quant_get(enum st_dtype t, const uint8_t *p, float *out)
{
    switch (t) {
    case ST_Q4_0: get_symmetric(half(p), p + 2, 0, 8, out); break;
    case ST_Q4_1: get_affine(half(p), half(p + 2), p + 4, 0, out); break;
    case ST_Q5_0: get_symmetric(half(p), p + 6, word(p + 2), 16, out); break;
    case ST_Q5_1: get_affine(half(p), half(p + 2), p + 8, word(p + 4), out); break;
    case ST_Q8_0: get_q8_0(p, out); break;
    case ST_Q4_K: get_k45(p, NULL, p + 16, out); break;
    case ST_Q5_K: get_k45(p, p + 16, p + 48, out); break;
    case ST_Q6_K: get_q6_k(p, out); break;
    default: assert(!"not a quantised type");
    }
}
