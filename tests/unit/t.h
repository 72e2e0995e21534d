/* SPDX-License-Identifier: Apache-2.0
 * The smallest test harness: one program per module; prints TAP lines; exit 1 if any failed.
 *
 *     int main(void) { T_RUN(test_open); T_RUN(test_close); return t_end(); }
 *     static void test_open(void) { T_CHECK(x == 1); T_INT(n, 3); T_STR(s, "abc"); T_FAIL(call(), "truncated"); }
 */
#ifndef TESTS_T_H
#define TESTS_T_H

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/err.h"

static int t_tests, t_failed, t_bad;           /* t_bad: checks failed in the running test */

#define T_CHECK(c) do { if (!(c)) { t_bad++; printf("# %s:%d: %s\n", __FILE__, __LINE__, #c); } } while (0)
#define T_INT(a, b) do { long long a_ = (long long)(a), b_ = (long long)(b); \
    if (a_ != b_) { t_bad++; printf("# %s:%d: %s is %lld, want %lld\n", __FILE__, __LINE__, #a, a_, b_); } } while (0)
#define T_STR(a, b) do { const char *a_ = (a), *b_ = (b); \
    if (!a_ || strcmp(a_, b_)) { t_bad++; printf("# %s:%d: %s is \"%s\", want \"%s\"\n", __FILE__, __LINE__, #a, a_ ? a_ : "(null)", b_); } } while (0)
#define T_NEAR(a, b, tol) do { double a_ = (a), b_ = (b); \
    if (!(fabs(a_ - b_) <= (tol))) { t_bad++; printf("# %s:%d: %s is %.9g, want %.9g\n", __FILE__, __LINE__, #a, a_, b_); } } while (0)
#define T_OK(call) do { if ((call) != 0) { t_bad++; printf("# %s:%d: %s: %s\n", __FILE__, __LINE__, #call, err_msg()); } } while (0)
/* The call fails (-1) and its message holds the text. */
#define T_FAIL(call, text) do { if ((call) != -1) { t_bad++; printf("# %s:%d: %s did not fail\n", __FILE__, __LINE__, #call); } \
    else if (!strstr(err_msg(), text)) { t_bad++; printf("# %s:%d: message \"%s\" lacks \"%s\"\n", __FILE__, __LINE__, err_msg(), text); } } while (0)
#define T_RUN(f) do { t_bad = 0; f(); t_tests++; t_failed += t_bad != 0; \
    printf("%s %d - %s\n", t_bad ? "not ok" : "ok", t_tests, #f); fflush(stdout); } while (0)

static inline int t_end(void) { printf("1..%d\n", t_tests); return t_failed != 0; }

#endif
