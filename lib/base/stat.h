/* SPDX-License-Identifier: Apache-2.0
 * Intervals for measured rates and means.
 */
#ifndef BASE_STAT_H
#define BASE_STAT_H

#include <stdint.h>

#define STAT_Z95 1.959963984540054             /* normal quantile at 0.975 */

struct interval { double low, high; };

/* Wilson's score interval of k successes in n tries (Wilson 1927; Brown, Cai, DasGupta 2001, eq. 4):
 *   (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n),  p = k/n;  [0, 1] for n = 0. */
struct interval stat_wilson(uint64_t k, uint64_t n, double z);

/* The quantile of the standard normal distribution at p in (0, 1), by bisection of erfc; error < 1e-12 for p in
 * [1e-9, 1 - 1e-9]. */
double stat_normal_quantile(double p);

/* Running mean and variance (Welford). Zero-initialise. */
struct stat_mean { uint64_t n; double mean, m2; };
void   stat_add(struct stat_mean *s, double x);
double stat_sd(const struct stat_mean *s);     /* with n - 1; 0 for n < 2 */
/* mean +- z sd / sqrt(n); all of [-inf, inf] for n < 2. */
struct interval stat_mean_interval(const struct stat_mean *s, double z);

#endif
