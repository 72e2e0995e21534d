/* SPDX-License-Identifier: Apache-2.0 */
#include "base/near.h"

#include <assert.h>
#include <stdlib.h>
#include "base/mem.h"

enum { BAND_BITS = 16, BAND_VALUES = 1 << BAND_BITS };

static uint32_t band(uint64_t code, int b) { return code >> (b * BAND_BITS) & (BAND_VALUES - 1); }

void near_add(struct near *s, uint64_t code, uint32_t value)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 1024;
        s->code = mem_grow(s->code, s->cap, sizeof *s->code);
        s->value = mem_grow(s->value, s->cap, sizeof *s->value);
    }
    s->code[s->n] = code;
    s->value[s->n++] = value;
}

void near_seal(struct near *s)
{
    for (int b = 0; b < NEAR_BANDS; b++) {
        uint32_t *start = s->start[b] = mem_array(BAND_VALUES + 2, sizeof *start), *by = s->by[b] = mem_array((size_t)s->n + 1, sizeof *by);
        for (uint32_t i = 0; i < s->n; i++) start[band(s->code[i], b) + 2]++;
        for (uint32_t x = 2; x < BAND_VALUES + 2; x++) start[x] += start[x - 1];
        for (uint32_t i = 0; i < s->n; i++) by[start[band(s->code[i], b) + 1]++] = i;      /* start moves down by one place */
    }
}

void near_free(struct near *s)
{
    for (int b = 0; b < NEAR_BANDS; b++) {
        free(s->start[b]);
        free(s->by[b]);
    }
    free(s->code);
    free(s->value);
    *s = (struct near){ 0 };
}

struct search {
    const struct near *s;
    uint64_t code;
    int bits;
    bool (*found)(void *arg, uint32_t value, int distance);
    void *arg;
};

/* Would an earlier band have led to a code that differs there? */
static bool came_before(const struct search *q, uint64_t differ, int b)
{
    for (int i = 0; i < b; i++)
        if (__builtin_popcountll(band(differ, i)) <= q->bits / NEAR_BANDS) return true;
    return false;
}

static bool look_up(const struct search *q, int b, uint32_t x)
{
    const struct near *s = q->s;
    for (uint32_t k = s->start[b][x]; k < s->start[b][x + 1]; k++) {
        uint64_t differ = s->code[s->by[b][k]] ^ q->code;
        int distance = __builtin_popcountll(differ);
        if (distance <= q->bits && !came_before(q, differ, b) && q->found(q->arg, s->value[s->by[b][k]], distance)) return true;
    }
    return false;
}

/* x and all values that differ from it in up to `flips` bits from bit `from` on. */
static bool look_around(const struct search *q, int b, uint32_t x, int from, int flips)
{
    if (look_up(q, b, x)) return true;
    for (int i = from; i < BAND_BITS && flips; i++)
        if (look_around(q, b, x ^ 1u << i, i + 1, flips - 1)) return true;
    return false;
}

void near_find(const struct near *s, uint64_t code, int bits, bool (*found)(void *arg, uint32_t value, int distance), void *arg)
{
    struct search q = { s, code, bits, found, arg };
    assert(bits >= 0 && bits <= NEAR_MAX);
    for (int b = 0; b < NEAR_BANDS; b++)
        if (look_around(&q, b, band(code, b), 0, bits / NEAR_BANDS)) return;
}
