/* SPDX-License-Identifier: Apache-2.0
 * exp, the logistic function and erf on vectors. Errors below were measured over the whole range (tests/ops/t_math.c).
 */
#ifndef OPS_VEC_MATH_H
#define OPS_VEC_MATH_H

#include "ops/vec/simd.h"

/* e^x, relative error < 1.2e-7; 0 below -87.33 (where results become subnormal), e^88.37 above 88.37, NaN for NaN.
 * x = n ln 2 + r, |r| <= ln 2 / 2; e^r by a polynomial of degree 6. */
INLINE vf vf_exp(vf x)
{
    vf t = vf_min(vf_all(88.37f), vf_max(vf_all(-87.33f), x));          /* NaN goes through */
    vf magic = vf_all(12582912.0f);                                      /* 1.5 * 2^23: adding it rounds to an integer */
    vf z = t * 1.44269504f + magic;
    vf n = z - magic;
    vf r = t - n * 0.693145752f;                                         /* ln 2 = 0.693145752 + 1.42860677e-6 */
    r = r - n * 1.42860677e-6f;
    vf p = r * 0.00138145429f + 0.00836874545f;
    p = p * r + 0.0416683890f;
    p = p * r + 0.166665211f;
    p = p * r + 0.499999940f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    vf two_n = (vf)(((vu)z << 23) + 0x3f800000);
    return vf_select(x < -87.33f, (vf){ 0 }, p * two_n);
}

INLINE vf vf_sigmoid(vf x) { return 1.0f / (1.0f + vf_exp(-x)); }

/* erf(x) given e = e^(-x^2), absolute error < 5e-7: Abramowitz and Stegun 7.1.26. */
INLINE vf vf_erf(vf x, vf e)
{
    vi sign = (vi)x & INT32_MIN;
    vf a = (vf)((vi)x ^ sign), t = 1.0f / (1.0f + 0.3275911f * a);
    vf p = t * 1.061405429f - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    return (vf)((vi)(1.0f - p * t * e) ^ sign);
}

#endif
