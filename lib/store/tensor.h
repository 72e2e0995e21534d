/* SPDX-License-Identifier: Apache-2.0
 * A tensor as a file holds it, whatever the file's format: where its bytes lie, and how they become numbers.
 */
#ifndef STORE_TENSOR_H
#define STORE_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/mem.h"

/* Plain types first; then ggml's blocks of quantised numbers, which only GGUF files hold (store/quant.h). */
enum st_dtype { ST_F32, ST_BF16, ST_F16, ST_F64, ST_I64, ST_I32, ST_I16, ST_I8, ST_U64, ST_U32, ST_U16, ST_U8, ST_BOOL,
                ST_F8_E4M3, ST_F8_E5M2, ST_PLAIN,
                ST_Q4_0 = ST_PLAIN, ST_Q4_1, ST_Q5_0, ST_Q5_1, ST_Q8_0, ST_Q4_K, ST_Q5_K, ST_Q6_K, ST_DTYPES };
enum { ST_DIMS = 8 };

struct st_tensor {
    const char *name;                          /* owned by the file; of a writer: borrowed until st_create returns */
    enum st_dtype t;
    int ndim;
    int64_t dims[ST_DIMS];                     /* outermost first */
    size_t n, bytes;                           /* elements, and their size in the file */
    const uint8_t *p;                          /* in the map; aligned to nothing in particular */
};

const char *st_dtype_name(enum st_dtype t);
size_t st_dtype_size(enum st_dtype t);         /* bytes of an element; of quantised types: of a block */
int    st_dtype_block(enum st_dtype t);        /* elements of a block; 1 for plain types */
bool   st_is_weight(enum st_dtype t);          /* F32, BF16, F16 and the quantised ones: what st_get_* reads */

/* Elements [begin, begin + n). To f32 exact, or as ggml dequantises; to bf16 rounds to nearest, ties to even, NaN stays NaN. */
void st_get_f32(const struct st_tensor *t, size_t begin, size_t n, float *out);
void st_get_bf16(const struct st_tensor *t, size_t begin, size_t n, uint16_t *out);
uint16_t bf16_of_f32(float x);
float f32_of_bf16(uint16_t h);
float f32_of_f16(uint16_t h);

#endif
