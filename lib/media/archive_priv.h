/* SPDX-License-Identifier: Apache-2.0
 * The index of an archive: name -> where it is. Names are bytes, without leading "./".
 */
#ifndef MEDIA_ARCHIVE_PRIV_H
#define MEDIA_ARCHIVE_PRIV_H

#include <stdbool.h>
#include <stdint.h>
#include "base/mem.h"

enum entry_state { ENTRY_AT, ENTRY_KEPT, ENTRY_GONE, ENTRY_TOO_BIG };

struct entry {
    char *name;                            /* in index.names */
    size_t nname;
    enum entry_state state;
    uint64_t at;                           /* ENTRY_AT: offset of its header in the file */
    char *bytes;                           /* ENTRY_KEPT: owned */
    size_t n;
    unsigned pass;                         /* the reading of the file that saw it last */
};

struct index {
    struct arena names;
    struct entry *e;
    size_t n, cap, max;                    /* max: entries at most */
    uint32_t *slot;                        /* hash table: entry number + 1; nslot is a power of two */
    size_t nslot;
};

struct entry *index_find(const struct index *x, const char *name, size_t n);
/* Adds a name that index_find does not know. NULL + fail() beyond max. Moves the entries. */
struct entry *index_add(struct index *x, const char *name, size_t n);
void index_free(struct index *x);
struct slice index_name(const char *name, size_t n);       /* without leading "./" */

/* Fills x from the central directory of a zip file p[0..n): ENTRY_AT the local headers. */
MUST_USE int zip_index(struct index *x, const uint8_t *p, size_t n);

#endif
