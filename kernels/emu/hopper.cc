/* SPDX-License-Identifier: Apache-2.0 */
#include "wgmma.h"

#include <vector>

enum { MOST_THREADS = 1024, MOST_N = 128 };

/* ---- barriers in shared memory ---- */

/* In the 8 bytes of one. */
struct bar { uint16_t arrivals, missing; int32_t bytes : 31; uint32_t phase : 1; };
static_assert(sizeof(struct bar) == sizeof(uint64_t), "an mbarrier has 64 bits");

struct load { struct bar *bar; void *to; const void *from; size_t bytes; };
static std::vector<struct load> loads;         /* under way */

static void complete(struct bar *b)
{
    if (b->missing || b->bytes) return;
    b->phase ^= 1;
    b->missing = b->arrivals;
    emu_progress();
}

void bar_init(uint64_t *bar, int arrivals)
{
    struct bar b = { (uint16_t)arrivals, (uint16_t)arrivals, 0, 0 };
    memcpy(bar, &b, sizeof b);
}

/* What orders those who arrive in a phase before those who wait for it. */
static const void *key_of(const struct bar *b, unsigned phase) { return (const char *)b + phase; }

static void arrive(uint64_t *bar, int bytes)
{
    struct bar *b = (struct bar *)bar;
    if (!b->missing) emu_misuse("more arrivals than a barrier waits for");
    emu_race_release(key_of(b, b->phase));
    b->missing--;
    b->bytes += bytes;
    complete(b);
}
void bar_arrive(uint64_t *bar) { arrive(bar, 0); }
void bar_arrive_bytes(uint64_t *bar, int bytes) { arrive(bar, bytes); }

static void land(struct bar *b)
{
    for (size_t i = 0; i < loads.size(); i++) {
        if (loads[i].bar != b) continue;
        for (size_t k = 0; k < loads[i].bytes; k++) ((volatile char *)loads[i].to)[k] = ((const char *)loads[i].from)[k];       /* by nobody */
        b->bytes -= (int)loads[i].bytes;
        loads[i] = loads.back();
        loads.pop_back();
        i--;
    }
    complete(b);
}

void bar_wait(uint64_t *bar, int parity)
{
    struct bar *b = (struct bar *)bar;
    if (!b->arrivals) emu_misuse("waits for a barrier without init");
    while ((int)b->phase == parity) {
        if (!b->missing) land(b);
        if ((int)b->phase == parity) emu_pause();
    }
    emu_race_acquire(key_of(b, (unsigned)parity));
}

static struct { unsigned arrived, phase; } group_bar[MOST_THREADS / WARPGROUP + 1][16];

void warpgroup_sync(int id)
{
    auto *b = &group_bar[emu_now->rank / WARPGROUP][id];
    unsigned phase = b->phase;
    const void *key = (const char *)b + phase % 2;
    emu_race_release(key);
    if (++b->arrived == WARPGROUP) {
        b->arrived = 0;
        b->phase++;
        emu_progress();
    } else while (b->phase == phase) emu_pause();
    emu_race_acquire(key);
}

/* ---- bulk copies ---- */

struct store { void *to; const void *from; size_t bytes; };
static std::vector<struct store> stores[MOST_THREADS];

static void check_bulk(const void *a, const void *b, int bytes)
{
    if (((uintptr_t)a | (uintptr_t)b | (unsigned)bytes) % 16) emu_misuse("a bulk copy of what does not lie at multiples of 16 bytes");
}

void bulk_load(void *shared, const void *global, int bytes, uint64_t *bar)
{
    check_bulk(shared, global, bytes);
    memset(shared, 0xff, (size_t)bytes);
    loads.push_back({ (struct bar *)bar, shared, global, (size_t)bytes });
    emu_race_touch(global, (size_t)bytes, EMU_READS, __builtin_return_address(0));
    emu_race_release(key_of((struct bar *)bar, ((struct bar *)bar)->phase));
}

void bulk_store(void *global, const void *shared, int bytes)
{
    check_bulk(shared, global, bytes);
    stores[emu_now->rank].push_back({ global, shared, (size_t)bytes });
}

void bulk_wait(void)
{
    for (const struct store &s : stores[emu_now->rank]) memcpy(s.to, s.from, s.bytes);
    stores[emu_now->rank].clear();
}

/* ---- products ---- */

/* What a thread gets of one: from v to d when its group is waited for. d NULL: the operands in shared memory, for the first
 * thread of each warp; seen: when it was issued. */
struct operand { uint64_t desc; bool along; int n; };
struct product { float *d; int n; float v[MOST_N / 2]; unsigned group; struct operand op[2]; uint64_t seen; };
static struct { std::vector<struct product> pending; unsigned group; } threads[MOST_THREADS];

uint32_t shared_at(const void *p)
{
    size_t at = (size_t)((const char *)p - (const char *)emu_here.window);
    if (at >= 1 << 18) emu_misuse("an address outside of the launch's shared memory");
    return (uint32_t)at;
}

static const struct bf16 *element(const struct operand *o, int side, int k)
{
    size_t at = (o->desc & 0x3fff) << 4, leading = (o->desc >> 16 & 0x3fff) << 4, stride = (o->desc >> 32 & 0x3fff) << 4, s = (size_t)side, d = (size_t)k;
    at += o->along ? s / 64 * leading + s % 64 * 2 + d / 8 * stride + d % 8 * 128 : s / 8 * stride + s % 8 * 128 + d * 2;
    return (const struct bf16 *)((const char *)emu_here.window + (at ^ (at >> 7 & 7) << 4));
}

static uint64_t look(const struct operand *op)
{
    uint64_t h = 1469598103934665603u;
    for (int i = 0; i < 2; i++)
        for (int s = 0; s < op[i].n; s++)
            for (int k = 0; k < 16; k++) h = (h ^ element(&op[i], s, k)->bits) * 1099511628211u;
    return h;
}

/* The thread's two rows of A. */
static void rows_of_a(float a[2][16], const uint32_t *regs, const struct operand *o)
{
    unsigned lane = emu_lane(), g = lane / 4, w = emu_now->rank % WARPGROUP / WARP;
    if (!regs) {
        for (int r = 0; r < 2; r++)
            for (int k = 0; k < 16; k++) a[r][k] = to_float(*element(o, (int)(w * 16 + g) + 8 * r, k));
        return;
    }
    struct fragment { uint32_t a[4]; } mine;
    memcpy(mine.a, regs, sizeof mine.a);
    const uint8_t *all = emu_exchange(&mine, sizeof mine, FULL_WARP, __FILE__, __LINE__);
    for (unsigned r = 0; r < 2; r++)
        for (unsigned k = 0; k < 16; k++) a[r][k] = mma_half(emu_lane_value<struct fragment>(all, g * 4 + k % 8 / 2).a[r + k / 8 * 2], k % 2);
}

void emu_wgmma(float *d, int N, const uint32_t *regs, uint64_t da, bool along_a, uint64_t db, bool along_b, bool add)
{
    auto *t = &threads[emu_now->rank];
    struct product *p = NULL;
    float a[2][16], b[16];
    struct operand op[2] = { { da, along_a, regs ? 0 : 64 }, { db, along_b, N } };
    rows_of_a(a, regs, &op[0]);
    for (struct product &q : t->pending)
        if (q.d == d && q.n == N) p = &q;
    if (!p) {
        t->pending.push_back({});
        p = &t->pending.back();
        p->d = d;
        p->n = N;
        memcpy(p->v, d, (size_t)(N / 2) * sizeof *d);
    }
    for (int c = 0; c < N; c++) {
        if (c % 8 / 2 != (int)(emu_lane() % 4)) continue;
        for (int k = 0; k < 16; k++) b[k] = to_float(*element(&op[1], c, k));
        for (int r = 0; r < 2; r++) {
            float *v = &p->v[c / 8 * 4 + 2 * r + c % 2], sum = add ? *v : 0;
            for (int k = 0; k < 16; k++) sum += a[r][k] * b[k];
            *v = sum;
        }
    }
    p->group = t->group;
    memset(d, 0xff, (size_t)(N / 2) * sizeof *d);
    if (emu_lane()) return;
    t->pending.push_back({ NULL, 0, {}, t->group, { op[0], op[1] }, look(op) });
}

static void tell_reads(const struct operand *op, const void *from)
{
    for (int i = 0; i < 2; i++)
        for (int s = 0; s < op[i].n; s++)
            for (int k = 0; k < 16; k++) emu_race_touch(element(&op[i], s, k), sizeof(struct bf16), EMU_READS, from);
}

void wgmma_commit(void) { threads[emu_now->rank].group++; }

void emu_wgmma_wait(unsigned left)
{
    auto *t = &threads[emu_now->rank];
    for (size_t i = 0; i < t->pending.size(); i++) {
        struct product *p = &t->pending[i];
        if (p->group + left >= t->group) continue;
        if (p->d) memcpy(p->d, p->v, (size_t)(p->n / 2) * sizeof *p->v);
        else tell_reads(p->op, __builtin_return_address(0));
        if (!p->d && look(p->op) != p->seen) emu_misuse("shared memory was written while a product was reading it");
        t->pending.erase(t->pending.begin() + (long)i--);
    }
}

void emu_block_ends(void)
{
    bool left = !loads.empty();
    for (int i = 0; i < MOST_THREADS; i++) {
        left = left || !threads[i].pending.empty() || !stores[i].empty();
        threads[i].group = 0;
    }
    if (left) emu_misuse("a block ends before its products and bulk copies are waited for");
}
