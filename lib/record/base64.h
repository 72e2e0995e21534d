/* SPDX-License-Identifier: Apache-2.0
 * Base64 (RFC 4648, section 4: with padding, no line breaks).
 */
#ifndef RECORD_BASE64_H
#define RECORD_BASE64_H

#include "base/mem.h"

void base64_put(const void *p, size_t n, struct buf *out);                    /* appends 4 * ceil(n / 3) characters */
MUST_USE int base64_get(const char *s, size_t n, struct buf *out);            /* appends the bytes; strict */

#endif
