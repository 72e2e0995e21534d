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

/* Which side of t the chance p behind k successes in n tries is on: 1: p > t, -1: p < t, 0: not clear (yet).
 *
 * Each side is claimed by a test of its own. Above: the likelihood of all p in (t, 1], equally weighted, against that of t,
 *   E = 1 / (1 - t) integral over q in (t, 1) of (q / t)^k ((1 - q) / (1 - t))^(n - k)
 *     = sum over j = 0..k of C(n + 1, j) t^j (1 - t)^(n + 1 - j) / ((n - k + 1) C(n + 1, k) t^k (1 - t)^(n + 1 - k)),
 * is claimed where E >= 1 / error; below: the same of failures and 1 - t. As long as p <= t, E is a supermartingale that
 * begins at 1, so P(E ever reaches 1 / error) <= error (Ville 1939; Robbins 1970): looking after every try and stopping
 * when it is clear is wrong with a chance of at most `error`, however many looks there are. t, error in [0, 1]. */
int stat_side(int k, int n, double t, double error);

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
