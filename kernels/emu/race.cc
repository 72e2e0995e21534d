/* SPDX-License-Identifier: Apache-2.0
 * Data races of kernels. With -fsanitize=thread the compiler puts a call before each access to memory; these are the
 * functions that it calls. The compiler's own runtime is not linked: it knows threads of the host, while those of a grid are
 * ordered by simpler rules, which this file knows:
 *
 *   blocks of a launch       not at all: global memory that two of them touch, one of them writing, is a race
 *   threads of a block       by __syncthreads; those of a warp by __syncwarp, too (nothing else: shuffles, votes and mma
 *                            exchange registers and promise nothing about memory)
 *   launches                 one after the other
 *
 * Two atomics do not race, and order nothing: a kernel whose blocks wait for each other's flags would be reported. Accesses
 * are compared by these rules, not by when they happened here: so a race is found whatever the order that the emulation runs
 * threads in, provided that both accesses happen.
 *
 * Each GRAIN bytes of watched memory have a cell: the last write, and two reads since. Two suffice. A write races with
 * some read unless all reads are its own thread's or come before it; while two of different warps, or of one warp without
 * __syncwarp between, are kept, a later write that races with any races with one of them.
 */
#include "race.h"
#include "cuda_runtime.h"

#include <algorithm>
#include <link.h>
#include <map>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <unordered_map>
#include <vector>

extern "C" char __data_start, _end;            /* of the linker: static variables, __shared__ ones among them */

namespace {

enum { GRAIN = 2, MOST_THREADS = 1024, LANES = 32 };

/* epoch: goes on at each block and each barrier of the block, and never back; 0: no access. clock: counts releases. */
struct access { uint32_t epoch, clock, from; uint16_t thread; bool atomic, pending; };
struct cell { struct access wrote, read[2]; };

/* Watched memory, or (cells NULL) a gap between two. */
struct range { uintptr_t begin, end; struct cell *cells; bool shared; };

/* In this epoch, what a thread knows of: all that thread i did before its clock got beyond clock[i]. */
struct order { uint32_t epoch; uint32_t clock[MOST_THREADS]; };

struct now {
    const char *name;
    uint32_t epoch, launch, block;             /* now; when the launch, and the block, began */
    struct range recent[512];                  /* by page */
    struct order of_thread[MOST_THREADS];
    std::vector<uint32_t> blocks;              /* when each block of the launch began */
    std::map<uintptr_t, struct range> ranges;  /* by begin */
    std::unordered_map<const void *, struct order> of_key;
} now;

thread_local bool at_work;                     /* this thread of the host runs a kernel */

/* ---- reports ---- */

/* "flash.h:33 in attn_flash.cu:144", or the offset where addr2line cannot tell. */
void place(char *to, size_t n, uint32_t from)
{
    uintptr_t base = 0;
    char command[128], line[256];
    dl_iterate_phdr([](struct dl_phdr_info *i, size_t, void *v) { *(uintptr_t *)v = i->dlpi_addr; return 1; }, &base);
    snprintf(to, n, "+0x%x", from);
    snprintf(command, sizeof command, "addr2line -ise /proc/%d/exe 0x%zx 2>/dev/null",
             (int)getpid(), (uintptr_t)&__data_start - from - 1 - base);
    FILE *f = popen(command, "r");
    for (size_t used = 0; f && used < n && fgets(line, sizeof line, f);) {
        line[strcspn(line, " \n")] = 0;
        if (line[0] != '?') used += (size_t)snprintf(to + used, n - used, "%s%s", used ? " in " : "", line);
    }
    if (f) pclose(f);
}

[[noreturn]] void report(const struct access *was, const char *did, const struct access *is, const char *does, bool shared)
{
    char here[512], there[512], who[64];
    place(here, sizeof here, is->from);
    place(there, sizeof there, was->from);
    unsigned b = (unsigned)(std::upper_bound(now.blocks.begin(), now.blocks.end(), was->epoch) - now.blocks.begin()) - 1;
    dim3 g = emu_here.grid;
    bool ours = was->epoch >= now.block;
    if (ours) snprintf(who, sizeof who, "thread %u", was->thread);
    else snprintf(who, sizeof who, "block (%u, %u, %u)", b % g.x, b / g.x % g.y, b / g.x / g.y);
    fprintf(stderr, "emulated kernel %s, block (%u, %u, %u): a race: thread %u %s %s memory at %s; %s %s it at %s, %s\n",
            now.name, emu_here.index.x, emu_here.index.y, emu_here.index.z, is->thread, does, shared ? "shared" : "global", here, who, did, there,
            was->pending ? "a copy that is not waited for" : ours ? "and nothing orders the two" : "in the same launch");
    abort();
}

/* ---- the rules ---- */

inline uint32_t clock_of(unsigned thread, unsigned of)
{
    const struct order *o = &now.of_thread[thread];
    return o->epoch == now.epoch ? o->clock[of] : 0;
}

/* Does `is`, by the thread at work, not come after `was`? */
inline bool unordered(const struct access *was, const struct access *is, bool shared)
{
    if (was->epoch < now.block) return !shared && was->epoch >= now.launch;
    if (was->epoch < now.epoch || was->thread == is->thread) return false;
    return clock_of(is->thread, was->thread) < was->clock;
}

inline bool races(const struct access *was, const struct access *is, bool shared)
{
    if (was->pending && was->epoch >= now.block) return !(is->pending && is->thread == was->thread);
    return !(was->atomic && is->atomic) && unordered(was, is, shared);
}

unsigned warp_of(const struct access *a) { return a->epoch < now.block ? MOST_THREADS : a->thread / LANES; }

void keep_read(struct cell *c, const struct access *is, bool shared)
{
    for (struct access &r : c->read)
        if (!unordered(&r, is, shared)) { r = *is; return; }
    if (warp_of(&c->read[0]) == warp_of(&c->read[1])) c->read[1] = *is;
}

/* Has the thread read it since the last write, and released nothing since? */
inline bool read_again(const struct access *r, const struct access *is)
{
    return r->epoch == is->epoch && r->thread == is->thread && r->clock == is->clock;
}

inline void touch_cell(struct cell *c, struct access is, enum emu_how how, bool shared)
{
    if (how == EMU_READS && read_again(&c->read[0], &is)) return;
    const char *does = how == EMU_READS ? "reads" : "writes";
    if (races(&c->wrote, &is, shared)) report(&c->wrote, "wrote", &is, does, shared);
    if (how == EMU_READS) { keep_read(c, &is, shared); return; }
    for (struct access &r : c->read) {
        if (races(&r, &is, shared)) report(&r, "read", &is, does, shared);
        r.epoch = 0;
    }
    is.pending = how == EMU_FETCHES;
    c->wrote = is;
}

/* ---- memory ---- */

/* The range, or the gap, that p lies in, into `recent`. */
__attribute__((noinline)) void find_range(struct range *r, uintptr_t p)
{
    auto next = now.ranges.upper_bound(p);
    *r = { 0, next == now.ranges.end() ? UINTPTR_MAX : next->first, NULL, false };
    if (next == now.ranges.begin()) return;
    const struct range *before = &std::prev(next)->second;
    if (p < before->end) *r = *before;
    else r->begin = before->end;
}

__attribute__((noinline)) void touch_range(const struct range *r, uintptr_t p, size_t n, enum emu_how how, const void *from)
{
    uint16_t thread = (uint16_t)emu_now->rank;
    struct access is = { now.epoch, clock_of(thread, thread) + 1, (uint32_t)((uintptr_t)&__data_start - (uintptr_t)from), thread,
                         how == EMU_ATOMIC, how == EMU_LANDS };
    size_t first = (p - r->begin) / GRAIN, last = (std::min(p + n, r->end) - 1 - r->begin) / GRAIN;
    for (size_t i = first; i <= last; i++) touch_cell(&r->cells[i], is, how, r->shared);
}

inline void touch(const void *at, size_t n, enum emu_how how, const void *from)
{
    if (!at_work || !n) return;
    uintptr_t p = (uintptr_t)at;
    struct range *r = &now.recent[p >> 12 & 511];
    if (p < r->begin || p >= r->end) find_range(r, p);
    if (r->cells) touch_range(r, p, n, how, from);
}

} // namespace

void emu_race_watch(void *p, size_t n, bool shared)
{
    struct range r = { (uintptr_t)p, (uintptr_t)p + n, (struct cell *)calloc(n / GRAIN + 1, sizeof(struct cell)), shared };
    if (!r.cells) { fprintf(stderr, "emulation: no memory to look for races in %zu bytes\n", n); abort(); }
    now.ranges[r.begin] = r;
    memset(now.recent, 0, sizeof now.recent);
}

void emu_race_unwatch(void *p)
{
    auto r = now.ranges.find((uintptr_t)p);
    if (r == now.ranges.end()) return;
    free(r->second.cells);
    now.ranges.erase(r);
    memset(now.recent, 0, sizeof now.recent);
}

/* ---- what orders accesses ---- */

void emu_race_launch(const char *name)
{
    if (!now.epoch) emu_race_watch(&__data_start, (size_t)(&_end - &__data_start), true);
    now.name = name;
    now.launch = now.epoch + 1;
    now.blocks.clear();
}

void emu_race_block(void)
{
    now.blocks.push_back(now.block = ++now.epoch);
    now.of_key.clear();
    at_work = true;
}

void emu_race_block_end(void) { at_work = false; }

void emu_race_barrier(void) { now.epoch++; }

static struct order *of_now(struct order *o)
{
    if (o->epoch != now.epoch) {
        memset(o->clock, 0, sizeof o->clock);
        o->epoch = now.epoch;
    }
    return o;
}

static void join(struct order *to, const struct order *more)
{
    unsigned threads = emu_here.block.x * emu_here.block.y * emu_here.block.z;
    for (unsigned i = 0; i < threads; i++) to->clock[i] = std::max(to->clock[i], more->clock[i]);
}

void emu_race_release(const void *key)
{
    struct order *mine = of_now(&now.of_thread[emu_now->rank]);
    mine->clock[emu_now->rank]++;
    join(of_now(&now.of_key[key]), mine);
}

void emu_race_acquire(const void *key) { join(of_now(&now.of_thread[emu_now->rank]), of_now(&now.of_key[key])); }

void emu_race_touch(const void *p, size_t n, enum emu_how how, const void *from) { touch(p, n, how, from); }

/* ---- what instrumented code calls ---- */

#define HERE __builtin_return_address(0)
#define SIZED(n) \
    void __tsan_read##n(void *p) { touch(p, n, EMU_READS, HERE); } \
    void __tsan_write##n(void *p) { touch(p, n, EMU_WRITES, HERE); } \
    void __tsan_unaligned_read##n(void *p) { touch(p, n, EMU_READS, HERE); } \
    void __tsan_unaligned_write##n(void *p) { touch(p, n, EMU_WRITES, HERE); }
extern "C" {
SIZED(1) SIZED(2) SIZED(4) SIZED(8) SIZED(16)
void __tsan_read_range(void *p, size_t n) { touch(p, n, EMU_READS, HERE); }
void __tsan_write_range(void *p, size_t n) { touch(p, n, EMU_WRITES, HERE); }
void __tsan_vptr_read(void **) {}
void __tsan_vptr_update(void **, void *) {}
void __tsan_func_entry(void *) {}
void __tsan_func_exit(void) {}
void __tsan_init(void) {}

/* Copies are calls that are not instrumented: the linker leads them here (--wrap). */
void *__real_memcpy(void *to, const void *from, size_t n);
void *__real_memmove(void *to, const void *from, size_t n);
void *__real_memset(void *p, int v, size_t n);
void *__wrap_memcpy(void *to, const void *from, size_t n)
{
    touch(from, n, EMU_READS, HERE);
    touch(to, n, EMU_WRITES, HERE);
    return __real_memcpy(to, from, n);
}
void *__wrap_memmove(void *to, const void *from, size_t n)
{
    touch(from, n, EMU_READS, HERE);
    touch(to, n, EMU_WRITES, HERE);
    return __real_memmove(to, from, n);
}
void *__wrap_memset(void *p, int v, size_t n)
{
    touch(p, n, EMU_WRITES, HERE);
    return __real_memset(p, v, n);
}
}
