/* SPDX-License-Identifier: Apache-2.0
 * What a device's memory is used for: an account that every backend keeps of its allocations. While it measures
 * (ops.h, measure) it hands out address space that nothing stands behind.
 */
#ifndef OPS_USAGE_H
#define OPS_USAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include "base/err.h"

struct use { char what[32]; size_t now, peak; };
struct usage;
struct usage *usage_new(void);
void   usage_free(struct usage *u);                               /* with what is still reserved */
void   usage_add(struct usage *u, const void *p, size_t bytes, const char *what);    /* any thread, as all of these */
void   usage_drop(struct usage *u, const void *p);                /* NULL is fine */
/* While measuring: zeros that take memory only where they are written to; counted like an allocation. NULL + fail(). */
void  *usage_reserve(struct usage *u, size_t bytes, const char *what);
void   usage_release(struct usage *u, void *p);

size_t usage_peak(const struct usage *u);                         /* of all uses together, at any one time */
int    usage_uses(const struct usage *u);
struct use usage_use(const struct usage *u, int i);               /* in the order they appeared */
/* A line "USE<tab>BYTES" for each use's peak, then "all", which is the peak of their sum, and "free": room. */
void   usage_print(const struct usage *u, size_t room, FILE *f);

#endif
