/* SPDX-License-Identifier: Apache-2.0
 * cuBLASLt's functions, found when the backend opens and not when the program starts: a program built with CUDA=1 also
 * runs where the library is not installed.
 */
#ifndef KERNELS_LT_H
#define KERNELS_LT_H

#include <cublasLt.h>

#define LT_FUNCTIONS(X) \
    X(Create, cublasLtCreate) X(Destroy, cublasLtDestroy) \
    X(DescCreate, cublasLtMatmulDescCreate) X(DescSet, cublasLtMatmulDescSetAttribute) X(DescDestroy, cublasLtMatmulDescDestroy) \
    X(LayoutCreate, cublasLtMatrixLayoutCreate) X(LayoutDestroy, cublasLtMatrixLayoutDestroy) \
    X(PreferenceCreate, cublasLtMatmulPreferenceCreate) X(PreferenceSet, cublasLtMatmulPreferenceSetAttribute) \
    X(PreferenceDestroy, cublasLtMatmulPreferenceDestroy) \
    X(Heuristic, cublasLtMatmulAlgoGetHeuristic) X(Matmul, cublasLtMatmul)

struct lt {
#define LT_FIELD(field, name) decltype(&name) field;
    LT_FUNCTIONS(LT_FIELD)
#undef LT_FIELD
};

const struct lt *lt_open(void);                /* stays open; NULL + fail() */

#endif
