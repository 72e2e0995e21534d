/* SPDX-License-Identifier: Apache-2.0
 * For libFuzzer targets: the bytes of an input as a file, since readers of large files map them.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "store/tensor.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* A path to n bytes and as many zeros behind them as asked for; good until the next call. */
static inline const char *fuzz_file(const uint8_t *p, size_t n, size_t zeros)
{
    static int fd = -1;
    static char path[32];
    if (fd < 0) {
        fd = memfd_create("fuzz", 0);
        if (fd < 0) abort();
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    if (ftruncate(fd, 0) || pwrite(fd, p, n, 0) != (ssize_t)n || ftruncate(fd, (off_t)(n + zeros))) abort();
    return path;
}

/* Reads the numbers at both ends of a tensor that was said to be sound. */
static inline void fuzz_numbers(const struct st_tensor *t)
{
    enum { PART = 300 };
    float x[PART];
    uint16_t h[PART];
    size_t k = t->n < PART ? t->n : PART;
    if (!st_is_weight(t->t)) return;
    st_get_f32(t, 0, k, x);
    st_get_bf16(t, t->n - k, k, h);
}

#endif
