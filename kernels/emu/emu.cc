/* SPDX-License-Identifier: Apache-2.0
 * Kernels on the host. Blocks run one after the other. The threads of a block are fibers of one operating system thread:
 * a fiber runs threads to their end, one after the other, until one has to wait at a barrier or in a warp's exchange;
 * then another fiber goes on. So kernels without either cost a call per thread, and each switch happens at a known place.
 * Threads start in ascending order in every other launch, in descending order in the rest: what relies on an order that
 * CUDA does not promise gives different results.
 *
 * Misuse ends the program with a line that names the kernel and the place: a barrier that some threads do not reach (or
 * reach elsewhere), a warp's exchange that some of its 32 lanes do not take part in, an empty grid, a block too large.
 * Shared memory of a launch is filled with NaNs before each block, and, as all "device" memory, comes from malloc: the
 * address sanitizer sees what leaves it. Races are looked for by builds with race.cc.
 */
#include "cuda_runtime.h"

#include <mutex>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <vector>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#define EMU_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EMU_ASAN 1
#endif
#endif
#ifdef EMU_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

struct emu_thread *emu_now;
struct emu_block emu_here;

namespace {

enum { STACK = 96 << 10, MOST_THREADS = 1024, LANES = 32 };

/* ---- fibers ---- */

struct context {
#if defined(__x86_64__)
    void *sp;
#else
    ucontext_t u;
#endif
    const void *bottom; size_t size; void *fake;           /* for the address sanitizer */
};

struct fiber { struct context at; char *stack; struct emu_thread self; };

#if defined(__x86_64__)
extern "C" void emu_switch(void **save, void *to);
asm(".text\n.globl emu_switch\n.type emu_switch,@function\nemu_switch:\n"
    "push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15\n"
    "mov %rsp, (%rdi)\nmov %rsi, %rsp\n"
    "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp\nret\n"
    ".size emu_switch,.-emu_switch\n");

void context_switch(struct context *from, struct context *to) { emu_switch(&from->sp, to->sp); }

void context_start(struct context *c, char *stack, void (*entry)(void))
{
    void **sp = (void **)(stack + STACK) - 1;  /* the slot of a return address: 8 behind a multiple of 16 at entry */
    *sp = NULL;
    *--sp = (void *)entry;
    for (int i = 0; i < 6; i++) *--sp = NULL;
    c->sp = sp;
}
#else
void context_switch(struct context *from, struct context *to) { swapcontext(&from->u, &to->u); }

void context_start(struct context *c, char *stack, void (*entry)(void))
{
    getcontext(&c->u);
    c->u.uc_stack.ss_sp = stack;
    c->u.uc_stack.ss_size = STACK;
    c->u.uc_link = NULL;
    makecontext(&c->u, entry, 0);
}
#endif

/* ---- the block at work ---- */

struct warp { uint8_t slot[2][LANES][EMU_SLOT]; unsigned arrived, phase; const char *file; int line; struct fiber *wait[LANES]; };

struct state {
    std::mutex lock;
    const char *name;
    emu_body body; void *arg;
    unsigned threads, started, ended;
    bool descending;
    struct context scheduler;
    struct fiber *running;
    std::vector<struct fiber *> idle, ready, barrier, paused;      /* ready: taken from the front; paused: when nobody else can go on */
    size_t next_ready;
    const char *file; int line;                /* of the barrier that threads wait at */
    std::vector<struct warp> warp;
} &run = *new state();                         /* never destroyed: the fibers stay for the next launch */

[[noreturn]] void misuse(const char *what, const char *file, int line)
{
    fprintf(stderr, "emulated kernel %s, block (%u, %u, %u): %s", run.name, emu_here.index.x, emu_here.index.y, emu_here.index.z, what);
    if (file) fprintf(stderr, " at %s:%d", file, line);
    fprintf(stderr, "\n");
    abort();
}

void to_context(struct context *from, struct context *to)
{
#ifdef EMU_ASAN
    __sanitizer_start_switch_fiber(&from->fake, to->bottom, to->size);
#endif
    context_switch(from, to);
#ifdef EMU_ASAN
    __sanitizer_finish_switch_fiber(from->fake, NULL, NULL);
#endif
}

void to_scheduler(void)
{
    struct fiber *self = run.running;
    to_context(&self->at, &run.scheduler);
    run.running = self;
    emu_now = &self->self;
}

void place_thread(struct fiber *f, unsigned i)
{
    unsigned rank = run.descending ? run.threads - 1 - i : i;
    dim3 b = emu_here.block;
    f->self.rank = rank;
    f->self.thread.x = rank % b.x;
    f->self.thread.y = rank / b.x % b.y;
    f->self.thread.z = rank / b.x / b.y;
    emu_copy_forget(rank);
}

void fiber_main(void)
{
#ifdef EMU_ASAN
    __sanitizer_finish_switch_fiber(NULL, &run.scheduler.bottom, &run.scheduler.size);
#endif
    for (;;) {
        struct fiber *self = run.running;
        while (run.started < run.threads && run.next_ready == run.ready.size()) {
            place_thread(self, run.started++);
            emu_now = &self->self;
            run.body(run.arg);
            run.ended++;
        }
        run.idle.push_back(self);
        to_scheduler();
    }
}

struct fiber *take_idle(void)
{
    if (run.idle.empty()) {
        struct fiber *f = new fiber();
        f->stack = (char *)malloc(STACK);
        if (!f->stack) misuse("no memory for a stack", NULL, 0);
        f->at.bottom = f->stack;
        f->at.size = STACK;
        context_start(&f->at, f->stack, fiber_main);
        return f;
    }
    struct fiber *f = run.idle.back();
    run.idle.pop_back();
    return f;
}

void stuck(void)
{
    char what[160];
    for (struct warp &w : run.warp)
        if (w.arrived) {
            snprintf(what, sizeof what, "%u of 32 lanes take part in a warp's exchange", w.arrived);
            misuse(what, w.file, w.line);
        }
    snprintf(what, sizeof what, "%zu of %u threads wait at a barrier", run.barrier.size(), run.threads);
    misuse(what, run.file, run.line);
}

void run_block(size_t shared)
{
    run.started = run.ended = 0;
    run.warp.assign((run.threads + LANES - 1) / LANES, warp());
    if (shared) memset(emu_here.dynamic, 0xff, shared);
    emu_race_block();
    while (run.ended < run.threads) {
        struct fiber *f = NULL;
        if (run.next_ready < run.ready.size()) f = run.ready[run.next_ready++];
        else if (run.started < run.threads) f = take_idle();
        else if (!run.paused.empty()) { run.ready.swap(run.paused); continue; }
        else stuck();
        if (run.next_ready == run.ready.size()) { run.ready.clear(); run.next_ready = 0; }
        run.running = f;
        emu_now = &f->self;
        to_context(&run.scheduler, &f->at);
    }
    emu_race_block_end();
    emu_block_ends();
}

} // namespace

void emu_misuse(const char *what) { misuse(what, NULL, 0); }

/* Lets other threads run. Who waits in a loop of these for what no thread does is found by their number. */
static unsigned pauses;
void emu_progress(void) { pauses = 0; }
void emu_pause(void)
{
    enum { MOST_PAUSES = 1 << 24 };
    if (++pauses > MOST_PAUSES) misuse("threads wait for one another for ever", NULL, 0);
    run.paused.push_back(run.running);
    to_scheduler();
}

void emu_barrier(const char *file, int line)
{
    if (run.barrier.empty()) { run.file = file; run.line = line; }
    else if (run.file != file || run.line != line) misuse("threads wait at different barriers, one", file, line);
    if (run.barrier.size() + 1 == run.threads) {
        run.ready.insert(run.ready.end(), run.barrier.begin(), run.barrier.end());
        run.barrier.clear();
        emu_race_barrier();
        return;
    }
    run.barrier.push_back(run.running);
    to_scheduler();
}

const uint8_t *emu_exchange(const void *mine, size_t n, unsigned mask, const char *file, int line)
{
    struct warp *w = &run.warp[emu_now->rank / LANES];
    if (mask != 0xffffffffu) misuse("an exchange of less than the whole warp", file, line);
    if (n > EMU_SLOT) misuse("an exchange of too many bytes", file, line);
    if (!w->arrived) { w->file = file; w->line = line; }
    else if (w->file != file || w->line != line) misuse("lanes of a warp take part in different exchanges, one", file, line);
    unsigned half = w->phase & 1;
    memcpy(w->slot[half][emu_now->rank % LANES], mine, n);
    if (w->arrived + 1 == LANES) {
        run.ready.insert(run.ready.end(), w->wait, w->wait + w->arrived);
        w->arrived = 0;
        w->phase++;
    } else {
        w->wait[w->arrived++] = run.running;
        to_scheduler();
    }
    return &run.warp[emu_now->rank / LANES].slot[half][0][0];
}

/* Which exchange it is, is told by the half of the slots, as for values. */
void emu_syncwarp(const char *file, int line)
{
    struct warp *w = &run.warp[emu_now->rank / LANES];
    const void *key = w->slot[w->phase & 1];
    emu_race_release(key);
    emu_exchange(&key, sizeof key, 0xffffffffu, file, line);
    emu_race_acquire(key);
}

void emu_launch(const char *name, dim3 grid, dim3 block, size_t shared, emu_body body, void *arg)
{
    std::lock_guard<std::mutex> guard(run.lock);
    run.name = name;
    run.body = body;
    run.arg = arg;
    run.threads = block.x * block.y * block.z;
    run.descending = !run.descending;
    emu_here.grid = grid;
    emu_here.block = block;
    if (!run.threads || run.threads > MOST_THREADS || block.z > 64) misuse("a block that no device takes", NULL, 0);
    if (!grid.x || !grid.y || !grid.z || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535) misuse("a grid that no device takes", NULL, 0);
    if (shared > 227 << 10) misuse("more shared memory than a device has", NULL, 0);
    if (posix_memalign(&emu_here.window, 1024, shared + 128)) misuse("no memory", NULL, 0);
    emu_here.dynamic = (char *)emu_here.window + 128;      /* no more is promised of where it begins */
    emu_race_launch(name);
    emu_race_watch(emu_here.dynamic, shared, true);
    for (unsigned z = 0; z < grid.z; z++)
        for (unsigned y = 0; y < grid.y; y++)
            for (unsigned x = 0; x < grid.x; x++) {
                emu_here.index.x = x;
                emu_here.index.y = y;
                emu_here.index.z = z;
                run_block(shared);
            }
    emu_race_unwatch(emu_here.dynamic);
    free(emu_here.window);
}

/* ---- graphs: what would have been done, in order ---- */

struct emu_graph { std::vector<std::function<void()>> work; };
static struct emu_graph *recording;

void emu_do(std::function<void()> work)
{
    if (recording) recording->work.push_back(work);
    else work();
}

cudaError_t cudaStreamBeginCapture(cudaStream_t, enum cudaStreamCaptureMode) { recording = new emu_graph(); return cudaSuccess; }
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t *g) { *g = recording; recording = NULL; return cudaSuccess; }
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t g, unsigned long long) { *exec = new emu_graph(*g); return cudaSuccess; }
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t)
{
    for (std::function<void()> &w : exec->work) w();
    return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t g) { delete g; return cudaSuccess; }
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) { delete exec; return cudaSuccess; }

/* ---- the runtime's calls: there is one device, the host; a stream's work is done when the call returns ---- */

const char *cudaGetErrorString(cudaError_t e)
{
    return e == cudaSuccess ? "no error" : e == cudaErrorMemoryAllocation ? "out of memory" : "unknown error";
}
cudaError_t cudaGetLastError(void) { return cudaSuccess; }
cudaError_t cudaGetDeviceCount(int *n) { *n = 1; return cudaSuccess; }
cudaError_t cudaSetDevice(int) { return cudaSuccess; }
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *p, int)
{
    *p = {};
    snprintf(p->name, sizeof p->name, "emulated on the host");
    const char *arch = getenv("COS_EMU_ARCH");
    p->major = arch ? atoi(arch) / 10 : 8;
    p->multiProcessorCount = 4;
    p->sharedMemPerBlockOptin = 227 << 10;
    p->totalGlobalMem = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    return cudaSuccess;
}
cudaError_t cudaStreamCreate(cudaStream_t *s) { *s = NULL; return cudaSuccess; }
cudaError_t cudaStreamDestroy(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaStreamSynchronize(cudaStream_t)
{
    if (recording) misuse("waiting for the stream while a graph is recorded", NULL, 0);
    return cudaSuccess;
}
cudaError_t cudaMalloc(void **p, size_t n)
{
    if (recording) misuse("memory allocated while a graph is recorded", NULL, 0);
    void *got = NULL;
    if (posix_memalign(&got, 256, n ? n : 1)) return cudaErrorMemoryAllocation;
    memset(got, 0xff, n);
    emu_race_watch(got, n, false);
    *p = got;
    return cudaSuccess;
}
cudaError_t cudaFree(void *p)
{
    emu_race_unwatch(p);
    free(p);
    return cudaSuccess;
}
cudaError_t cudaMallocHost(void **p, size_t n) { *p = malloc(n ? n : 1); return *p ? cudaSuccess : cudaErrorMemoryAllocation; }
cudaError_t cudaFreeHost(void *p) { free(p); return cudaSuccess; }
cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total)
{
    *free_bytes = (size_t)sysconf(_SC_AVPHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    *total = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t n, enum cudaMemcpyKind, cudaStream_t)
{
    emu_do([=] { memmove(to, from, n); });
    return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void *p, int v, size_t n, cudaStream_t)
{
    emu_do([=] { memset(p, v, n); });
    return cudaSuccess;
}
