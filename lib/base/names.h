/* SPDX-License-Identifier: Apache-2.0
 * Strings to numbers: the first distinct string is 0, the next 1, and so on.
 */
#ifndef BASE_NAMES_H
#define BASE_NAMES_H

#include "base/mem.h"

/* Zero-initialise. name[i] is the i-th string of n, owned, with a NUL behind it that does not count. */
struct names { struct slice *name; uint32_t *slot; size_t n, cap; struct arena text; };

size_t names_index(struct names *s, struct slice t);         /* of t, which is added if it is new (then it is n - 1) */
/* Of t, or -1: as names_index, but nothing is added. */
long   names_find(const struct names *s, struct slice t);
void   names_free(struct names *s);
int    slice_order(struct slice a, struct slice b);          /* by bytes, a prefix first: < 0, 0, > 0 */

#endif
