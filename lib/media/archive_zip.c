/* SPDX-License-Identifier: Apache-2.0
 * The central directory of a zip file (APPNOTE 6.3, 4.3.12-4.3.16, 4.5.3): libarchive can read it in order only, and
 * records ask for images in theirs. Members themselves are decoded by libarchive, from their local header on.
 */
#include <string.h>
#include <sys/stat.h>
#include "media/archive_priv.h"

enum { END_SIZE = 22, END64_SIZE = 56, LOCATOR_SIZE = 20, DIR_SIZE = 46, LOCAL_SIZE = 30, COMMENT_MAX = 65535 };

static uint32_t u16(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8; }
static uint32_t u32(const uint8_t *p) { return u16(p) | u16(p + 2) << 16; }
static uint64_t u64(const uint8_t *p) { return u32(p) | (uint64_t)u32(p + 4) << 32; }
static bool is(const uint8_t *p, const char *sig) { return !memcmp(p, sig, 4); }

struct dir { uint64_t at, size, count, shift; };    /* shift: bytes put before the zip (self-extracting files) */

/* The end record: the last one whose comment reaches exactly to the end of the file. */
static const uint8_t *find_end(const uint8_t *p, size_t n)
{
    if (n < END_SIZE) return NULL;
    for (size_t back = END_SIZE; back <= n && back <= END_SIZE + COMMENT_MAX; back++) {
        const uint8_t *e = p + n - back;
        if (is(e, "PK\5\6") && u16(e + 20) == back - END_SIZE) return e;
    }
    return NULL;
}

static int find_dir(const uint8_t *p, size_t n, struct dir *d)
{
    const uint8_t *end = find_end(p, n);
    if (!end) return fail("zip: no central directory (truncated?)");
    if (u16(end + 4) || u16(end + 6)) return fail("zip: in several volumes");
    size_t last = (size_t)(end - p);                 /* where the directory must end */
    *d = (struct dir){ .at = u32(end + 16), .size = u32(end + 12), .count = u16(end + 10) };
    if (last >= LOCATOR_SIZE && is(end - LOCATOR_SIZE, "PK\6\7")) {
        uint64_t at = u64(end - LOCATOR_SIZE + 8);
        if (at > last || last - at < END64_SIZE || !is(p + at, "PK\6\6")) return fail("zip: damaged zip64 end record");
        *d = (struct dir){ .at = u64(p + at + 48), .size = u64(p + at + 40), .count = u64(p + at + 32) };
        last = (size_t)at;
    }
    if (d->size > last || d->at > last - d->size) return fail("zip: damaged end record");
    d->shift = last - d->size - d->at;
    return 0;
}

/* The local header's offset: in the zip64 extra field if the 32-bit one is all ones. */
static int local_offset(const uint8_t *h, uint64_t *at)
{
    *at = u32(h + 42);
    if (*at != UINT32_MAX) return 0;
    size_t skip = (u32(h + 24) == UINT32_MAX ? 8 : 0) + (u32(h + 20) == UINT32_MAX ? 8 : 0);
    const uint8_t *x = h + DIR_SIZE + u16(h + 28), *end = x + u16(h + 30);
    while (end - x >= 4) {
        size_t id = u16(x), size = u16(x + 2);
        x += 4;
        if (size > (size_t)(end - x)) break;
        if (id == 1 && size >= skip + 8) {
            *at = u64(x + skip);
            return 0;
        }
        x += size;
    }
    return fail("zip: a member without an offset");
}

static bool is_regular(const uint8_t *h, const char *name, size_t nname)
{
    enum { MADE_BY_UNIX = 3 };
    uint32_t mode = u32(h + 38) >> 16;
    if (!nname || name[nname - 1] == '/') return false;
    return h[5] != MADE_BY_UNIX || (mode & S_IFMT) == 0 || S_ISREG(mode);
}

int zip_index(struct index *x, const uint8_t *p, size_t n)
{
    struct dir d = {0};
    if (find_dir(p, n, &d)) return -1;
    const uint8_t *h = p + d.shift + d.at, *end = h + d.size;
    for (uint64_t i = 0; i < d.count; i++) {
        if (end - h < DIR_SIZE || !is(h, "PK\1\2")) return fail("zip: damaged central directory");
        size_t nname = u16(h + 28), size = DIR_SIZE + nname + u16(h + 30) + u16(h + 32);
        if ((size_t)(end - h) < size) return fail("zip: damaged central directory");
        const char *name = (const char *)h + DIR_SIZE;
        uint64_t at;
        if (local_offset(h, &at)) return -1;
        if (at > d.at || d.at - at < LOCAL_SIZE) return fail("zip: a member outside the file");
        if (is_regular(h, name, nname) && !index_find(x, name, nname)) {
            struct entry *e = index_add(x, name, nname);
            if (!e) return -1;
            e->at = at + d.shift;
        }
        h += size;
    }
    return 0;
}
