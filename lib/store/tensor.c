/* SPDX-License-Identifier: Apache-2.0 */
#include "store/tensor.h"

#include <string.h>
#include "store/quant.h"

static const struct { const char *name; size_t size; int block; } kinds[ST_DTYPES] = {
    [ST_F32] = { "F32", 4, 1 }, [ST_BF16] = { "BF16", 2, 1 }, [ST_F16] = { "F16", 2, 1 }, [ST_F64] = { "F64", 8, 1 },
    [ST_I64] = { "I64", 8, 1 }, [ST_I32] = { "I32", 4, 1 }, [ST_I16] = { "I16", 2, 1 }, [ST_I8] = { "I8", 1, 1 },
    [ST_U64] = { "U64", 8, 1 }, [ST_U32] = { "U32", 4, 1 }, [ST_U16] = { "U16", 2, 1 }, [ST_U8] = { "U8", 1, 1 },
    [ST_BOOL] = { "BOOL", 1, 1 }, [ST_F8_E4M3] = { "F8_E4M3", 1, 1 }, [ST_F8_E5M2] = { "F8_E5M2", 1, 1 },
    [ST_Q4_0] = { "Q4_0", 18, 32 }, [ST_Q4_1] = { "Q4_1", 20, 32 }, [ST_Q5_0] = { "Q5_0", 22, 32 }, [ST_Q5_1] = { "Q5_1", 24, 32 },
    [ST_Q8_0] = { "Q8_0", 34, 32 }, [ST_Q4_K] = { "Q4_K", 144, 256 }, [ST_Q5_K] = { "Q5_K", 176, 256 },
    [ST_Q6_K] = { "Q6_K", 210, 256 } };

const char *st_dtype_name(enum st_dtype t) { return kinds[t].name; }
size_t st_dtype_size(enum st_dtype t) { return kinds[t].size; }
int st_dtype_block(enum st_dtype t) { return kinds[t].block; }
bool st_is_weight(enum st_dtype t) { return t == ST_F32 || t == ST_BF16 || t == ST_F16 || t >= ST_PLAIN; }

static uint32_t bits(float x) { uint32_t u; memcpy(&u, &x, 4); return u; }
static float of_bits(uint32_t u) { float x; memcpy(&x, &u, 4); return x; }

uint16_t bf16_of_f32(float x)
{
    uint32_t u = bits(x);
    if ((u & 0x7fffffff) > 0x7f800000) return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

float f32_of_bf16(uint16_t h) { return of_bits((uint32_t)h << 16); }

float f32_of_f16(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, rest = (uint32_t)(h & 0x7fff) << 13;
    if (rest >= 0x0f800000) return of_bits(sign | (rest + 0x70000000));          /* infinity, NaN */
    if (rest >= 0x00800000) return of_bits(sign | (rest + 0x38000000));
    return of_bits(sign | bits((float)(h & 0x3ff) * 0x1p-24f));                   /* subnormal, zero */
}

/* Whole blocks go straight to out; of those cut at either end, a copy holds what is not wanted. */
static void get_blocks(const struct st_tensor *t, size_t begin, size_t n, float *out)
{
    float whole[QUANT_MAX];
    size_t block = (size_t)kinds[t->t].block, size = kinds[t->t].size;
    while (n) {
        size_t at = begin % block, k = mem_min(block - at, n);
        const uint8_t *p = t->p + begin / block * size;
        if (k == block) quant_get(t->t, p, out);
        else {
            quant_get(t->t, p, whole);
            memcpy(out, whole + at, k * sizeof *out);
        }
        begin += k;
        out += k;
        n -= k;
    }
}

enum { HALVES = 64 };                          /* a whole number of vectors: no loop over a rest */

void st_get_f32(const struct st_tensor *t, size_t begin, size_t n, float *out)
{
    if (!n) return;
    if (t->t >= ST_PLAIN) {
        get_blocks(t, begin, n, out);
        return;
    }
    const uint8_t *p = t->p + begin * kinds[t->t].size;
    if (t->t == ST_F32) {
        memcpy(out, p, n * 4);
        return;
    }
    for (size_t i = 0; i < n; i += HALVES) {
        uint16_t h[HALVES] = { 0 };
        float x[HALVES];
        size_t k = mem_min(n - i, (size_t)HALVES);
        memcpy(h, p + 2 * i, 2 * k);
        if (t->t == ST_BF16) for (int j = 0; j < HALVES; j++) x[j] = f32_of_bf16(h[j]);
        else for (int j = 0; j < HALVES; j++) x[j] = f32_of_f16(h[j]);
        memcpy(out + i, x, k * sizeof *x);
    }
}

void st_get_bf16(const struct st_tensor *t, size_t begin, size_t n, uint16_t *out)
{
    enum { PIECE = 1024 };
    float x[PIECE];
    if (t->t == ST_BF16) {
        if (n) memcpy(out, t->p + 2 * begin, n * 2);
        return;
    }
    for (size_t i = 0; i < n; i += PIECE) {
        size_t k = mem_min(n - i, (size_t)PIECE);
        st_get_f32(t, begin + i, k, x);
        for (size_t j = 0; j < k; j++) out[i + j] = bf16_of_f32(x[j]);
    }
}
