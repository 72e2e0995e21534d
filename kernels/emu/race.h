/* SPDX-License-Identifier: Apache-2.0
 * What the emulation tells the search for data races (race.cc), which builds with EMU_RACES hold; in the others nothing
 * comes of it. Programs with it use the device from one thread at a time.
 */
#ifndef EMU_RACE_H
#define EMU_RACE_H

#include <stddef.h>

/* READS to ATOMIC: by the thread at work. FETCHES: a copy begins that nobody may touch before it LANDS, both by one thread. */
enum emu_how { EMU_READS, EMU_WRITES, EMU_ATOMIC, EMU_FETCHES, EMU_LANDS };

#ifdef EMU_RACES
void emu_race_watch(void *p, size_t n, bool shared);   /* memory of the device, or shared memory: to be watched until */
void emu_race_unwatch(void *p);
void emu_race_launch(const char *name);                /* a launch begins, on this thread of the host */
void emu_race_block(void);                             /* its next block begins; */
void emu_race_block_end(void);                         /* all threads of it have ended */
void emu_race_barrier(void);                           /* all threads of the block have reached one */

/* For what is not compiled with the kernels; `from`: where in the kernel. */
void emu_race_touch(const void *p, size_t n, enum emu_how how, const void *from);

/* What the thread has done so far comes before what threads do that pass the same key later (__syncwarp). */
void emu_race_release(const void *key);
void emu_race_acquire(const void *key);
#else
static inline void emu_race_watch(void *, size_t, bool) {}
static inline void emu_race_unwatch(void *) {}
static inline void emu_race_launch(const char *) {}
static inline void emu_race_block(void) {}
static inline void emu_race_block_end(void) {}
static inline void emu_race_barrier(void) {}
static inline void emu_race_touch(const void *, size_t, enum emu_how, const void *) {}
static inline void emu_race_release(const void *) {}
static inline void emu_race_acquire(const void *) {}
#endif

#endif
