/* SPDX-License-Identifier: Apache-2.0
 * bf16 products by integers, for AVX-512 with VNNI: one instruction multiplies and adds twice as many pairs of 16-bit
 * integers as of floats.
 */
#include "ops/vec/tile.h"

enum { PAIRS = FIXED_K / 2, BLOCK_WORDS = (PAIRS + 1) * NR, PAIRS_AHEAD = 8 };

/* ---- the register tile ---- */

/* sum[i, j] = sum over pairs of a0 b0 + a1 b1, for MR rows of A and NR columns of B. In assembler, since GCC 12 moves the
 * sums about, or keeps them in memory, in each step (0.85 of the speed of floats, not 1.9 times). zmm0, 1: a step of B; zmm2: of a row of A;
 * from zmm8 on: the sums. */
#define STEP(row, x, y) "vpbroadcastd " #row "*%c[lda](%[a]), %%zmm2\n\tvpdpwssd %%zmm0, %%zmm2, %%zmm" #x "\n\tvpdpwssd %%zmm1, %%zmm2, %%zmm" #y "\n\t"
#define ZERO(row, x, y) "vpxord %%zmm" #x ", %%zmm" #x ", %%zmm" #x "\n\tvpxord %%zmm" #y ", %%zmm" #y ", %%zmm" #y "\n\t"
#define KEEP(row, x, y) "vmovdqa32 %%zmm" #x ", " #row "*128(%[sum])\n\tvmovdqa32 %%zmm" #y ", " #row "*128+64(%[sum])\n\t"
#define ROWS_1(DO) DO(0, 8, 9)
#define ROWS_2(DO) ROWS_1(DO) DO(1, 10, 11)
#define ROWS_3(DO) ROWS_2(DO) DO(2, 12, 13)
#define ROWS_4(DO) ROWS_3(DO) DO(3, 14, 15)
#define ROWS_5(DO) ROWS_4(DO) DO(4, 16, 17)
#define ROWS_6(DO) ROWS_5(DO) DO(5, 18, 19)
#define ROWS_7(DO) ROWS_6(DO) DO(6, 20, 21)
#define ROWS_8(DO) ROWS_7(DO) DO(7, 22, 23)
#define ROWS_9(DO) ROWS_8(DO) DO(8, 24, 25)
#define ROWS_10(DO) ROWS_9(DO) DO(9, 26, 27)
#define ROWS_11(DO) ROWS_10(DO) DO(10, 28, 29)
#define ROWS_12(DO) ROWS_11(DO) DO(11, 30, 31)
#define SUMS(rows) \
    __asm__ volatile(ROWS_##rows(ZERO) \
        "0:\n\tvmovdqu32 (%[b]), %%zmm0\n\tvmovdqu32 64(%[b]), %%zmm1\n\tprefetcht0 %c[ahead](%[b])\n\tprefetcht0 %c[ahead]+64(%[b])\n\t" \
        ROWS_##rows(STEP) "add $4, %[a]\n\tadd $128, %[b]\n\tdec %[n]\n\tjnz 0b\n\t" ROWS_##rows(KEEP) \
        : [a] "+r"(a), [b] "+r"(b), [n] "+r"(pairs) : [sum] "r"(sum), [lda] "i"(4 * FIXED_LDA), [ahead] "i"(PAIRS_AHEAD * NR * 4) \
        : "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "xmm16", \
          "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", \
          "xmm30", "xmm31")

static void sums(int32_t *sum, int rows, const int32_t *a, const int32_t *b, int64_t pairs)
{
#define CASE(rows) case rows: SUMS(rows); return;
    switch (rows) { EACH_ROWS(CASE) }
#undef CASE
}

static void tile_any(const struct fixed_tile *t, float *c, int64_t ldc, const float *bias)
{
    _Alignas(64) int32_t sum[MR * NR];
    for (int k = 0; k < t->k; k += FIXED_K) {
        const int32_t *b = t->b + k / FIXED_K * BLOCK_WORDS;
        const float *unit_a = (const float *)t->a + FIXED_PIECE / 2 + k / FIXED_K, *unit_b = (const float *)b + PAIRS * NR;
        bool carried = k > 0 || t->init == GEMM_ADD;
        for (int i = 0; k == 0 && i < t->m; i++)         /* the tile below is next */
            for (int j = 0; j < NR; j += 16) __builtin_prefetch(c + (i + t->m) * ldc + j, 1);
        sums(sum, t->m, t->a + k / 2, b, (mem_min(t->k - k, FIXED_K) + 1) / 2);
        for (int j = 0; j < NR; j += VL) {
            __m512 ub = _mm512_loadu_ps(unit_b + j), first = t->init == GEMM_BIAS ? _mm512_loadu_ps(bias + j) : _mm512_setzero_ps();
            for (int i = 0; i < t->m; i++) {
                __m512 whole = _mm512_cvtepi32_ps(_mm512_load_si512(sum + i * NR + j)), unit = _mm512_mul_ps(_mm512_set1_ps(unit_a[i * FIXED_LDA]), ub);
                float *to = c + i * ldc + j;
                _mm512_storeu_ps(to, _mm512_fmadd_ps(whole, unit, carried ? _mm512_loadu_ps(to) : first));
            }
        }
    }
}

static void tile(const struct fixed_tile *t)
{
    if (t->n == NR) { tile_any(t, t->c, t->ldc, t->bias); return; }
    float c[MR * NR] = { 0 }, bias[NR] = { 0 };                  /* a narrow tile: through a full one */
    size_t n = (size_t)t->n * sizeof *c;
    if (t->init == GEMM_BIAS) memcpy(bias, t->bias, n);
    for (int i = 0; t->init == GEMM_ADD && i < t->m; i++) memcpy(c + i * NR, t->c + i * t->ldc, n);
    tile_any(t, c, NR, bias);
    for (int i = 0; i < t->m; i++) memcpy(t->c + i * t->ldc, c + i * NR, n);
}

/* ---- packing: words of two bf16, the first in its lower half ---- */

INLINE __m512i larger(__m512i top, __m512i w) { return _mm512_max_epu16(top, _mm512_and_si512(w, _mm512_set1_epi32(0x7fff7fff))); }

/* Of each lane's largest magnitude: what makes integers of floats, and the floats' unit. */
struct unit { __m512 per, unit; };
INLINE struct unit unit_of(__m512i top)
{
    enum { BITS = 11, LEAST = BITS + 1, NOT_FINITE = 0x7f80 };       /* 2^11 units to the largest one's power of two */
    __m512i largest = _mm512_max_epu32(_mm512_and_si512(top, _mm512_set1_epi32(0xffff)), _mm512_srli_epi32(top, 16));
    __m512i e = _mm512_max_epu32(_mm512_srli_epi32(largest, 7), _mm512_set1_epi32(LEAST));
    __m512i per = _mm512_slli_epi32(_mm512_sub_epi32(_mm512_set1_epi32(254 + BITS), e), 23);
    __m512i unit = _mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(BITS)), 23);
    __mmask16 bad = _mm512_cmpge_epu32_mask(largest, _mm512_set1_epi32(NOT_FINITE));
    return (struct unit){ _mm512_castsi512_ps(per), _mm512_castsi512_ps(_mm512_mask_mov_epi32(unit, bad, _mm512_set1_epi32(0x7fc00000))) };
}

INLINE __m512i integers(__m512i w, __m512 per)
{
    __m512 first = _mm512_castsi512_ps(_mm512_slli_epi32(w, 16)), second = _mm512_castsi512_ps(_mm512_and_si512(w, _mm512_set1_epi32((int)0xffff0000)));
    __m512i i = _mm512_cvtps_epi32(_mm512_mul_ps(first, per)), j = _mm512_cvtps_epi32(_mm512_mul_ps(second, per));
    return _mm512_or_si512(_mm512_and_si512(i, _mm512_set1_epi32(0xffff)), _mm512_slli_epi32(j, 16));
}

static void pack_rows(int32_t *dst, const uint16_t *src, int64_t ld, int m, int k)
{
    enum { EACH = 2 * VL, LOADS = FIXED_K / EACH };
    for (int i = 0; i < m; i++, src += ld, dst += FIXED_LDA)
        for (int at = 0; at < k; at += FIXED_K) {
            __m512i w[LOADS], top = _mm512_setzero_si512();
            for (int j = 0; j < LOADS; j++) {
                int left = mem_max(0, mem_min(k - at - j * EACH, (int)EACH));
                w[j] = _mm512_maskz_loadu_epi16((__mmask32)((1ull << left) - 1), src + at + (left ? j * EACH : 0));
                top = larger(top, w[j]);
            }
            struct unit u = unit_of(_mm512_set1_epi32((int)_mm512_reduce_max_epu32(
                _mm512_max_epu32(_mm512_and_si512(top, _mm512_set1_epi32(0xffff)), _mm512_srli_epi32(top, 16)))));
            for (int j = 0; j < LOADS; j++) _mm512_storeu_si512(dst + at / 2 + j * VL, integers(w[j], u.per));
            ((float *)dst)[FIXED_PIECE / 2 + at / FIXED_K] = _mm512_cvtss_f32(u.unit);
        }
}

/* A block of at most VL columns, n rows of src: words of pairs, then each column's unit. */
INLINE void pack_block(int32_t *dst, const uint16_t *src, int64_t ld, int n, int k)
{
    enum { PER_LINE = LINE / 4 };              /* pairs */
    char line[VL * STAGE];
    __m512i top = _mm512_setzero_si512();
    int pairs = (k + 1) / 2;
    for (int q = 0; q < pairs; q += PER_LINE) {
        int values = mem_min(k - 2 * q, 2 * PER_LINE);
        stage(line, (const char *)(src + 2 * q), ld * 2, n, values * 2);
        for (int i = 0; i < PER_LINE; i += 4) {
            vf w[4];
            transpose4(w, line + i * 4, STAGE);
            for (int j = 0; j < 4; j++) {
                top = larger(top, (__m512i)w[j]);
                _mm512_storeu_si512(dst + (q + i + j) * NR, (__m512i)w[j]);
            }
        }
    }
    struct unit u = unit_of(top);
    for (int q = 0; q < pairs; q++) _mm512_storeu_si512(dst + q * NR, integers(_mm512_loadu_si512(dst + q * NR), u.per));
    _mm512_storeu_ps(dst + PAIRS * NR, u.unit);
}

static void pack_cols(int32_t *dst, const uint16_t *src, int64_t ld, int n, int k)
{
    int64_t panel = (int64_t)((k + FIXED_K - 1) / FIXED_K) * BLOCK_WORDS;
    for (int i = 0; i < n; i += VL) {
        int32_t *to = dst + i / NR * panel + i % NR;
        for (int r = i + VL; r < i + 2 * VL && r < n; r++) fetch(src, DT_BF16, r * ld, k);
        for (int at = 0; at < k; at += FIXED_K)
            pack_block(to + at / FIXED_K * BLOCK_WORDS, src + i * ld + at, ld, mem_min(n - i, (int)VL), mem_min(k - at, (int)FIXED_K));
    }
    if ((n + VL - 1) / VL % NV == 0) return;
    int32_t *to = dst + n / NR * panel + VL;   /* the rest of the last panel */
    for (int64_t q = 0; q < panel; q += NR) _mm512_storeu_si512(to + q, _mm512_setzero_si512());
}

const struct vec_fixed VEC(fixed) = { MR, NR, BLOCK_WORDS, tile, pack_rows, pack_cols };
