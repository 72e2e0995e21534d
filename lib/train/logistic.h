/* SPDX-License-Identifier: Apache-2.0
 * The logistic function and its logarithm, without overflow and without cancellation: right to rounding for every x,
 * however far saturated. nan stays nan.
 */
#ifndef TRAIN_LOGISTIC_H
#define TRAIN_LOGISTIC_H

#include <math.h>

/* log(1 + e^x) = -log sigmoid(-x) */
static inline double softplus(double x) { return (x > 0 ? x : 0) + log1p(exp(-fabs(x))); }

/* 1 / (1 + e^-x) */
static inline double sigmoid(double x)
{
    double e = exp(-fabs(x));
    return (x < 0 ? e : 1) / (1 + e);
}

#endif
