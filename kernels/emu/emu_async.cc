/* SPDX-License-Identifier: Apache-2.0
 * cp.async: a copy is made when the thread waits for its group, at the latest moment that CUDA allows. Until then its target
 * is poisoned, so that a read before the wait finds NaNs. Copies that nobody waits for are not made.
 */
#include "cuda_runtime.h"

#include <vector>

struct copy { char *to; const char *from; bool yes; unsigned group; };
struct copies { std::vector<struct copy> pending; unsigned group; };    /* group: that the next commit closes */

static struct copies &of_thread(unsigned rank)
{
    static std::vector<struct copies> &all = *new std::vector<struct copies>(1024);
    return all[rank];
}

void emu_copy_forget(unsigned rank) { of_thread(rank).pending.clear(); }

void emu_copy(void *to, const void *from, bool yes)
{
    struct copies &mine = of_thread(emu_now->rank);
    if (yes) emu_race_touch(from, 16, EMU_READS, __builtin_return_address(0));
    emu_race_touch(to, 16, EMU_FETCHES, __builtin_return_address(0));
    memset(to, 0xff, 16);
    mine.pending.push_back({ (char *)to, (const char *)from, yes, mine.group });
}

void emu_copy_commit(void) { of_thread(emu_now->rank).group++; }

void emu_copy_wait(unsigned left)
{
    struct copies &mine = of_thread(emu_now->rank);
    size_t n = 0;
    for (; n < mine.pending.size() && mine.pending[n].group + left < mine.group; n++) {
        struct copy c = mine.pending[n];
        emu_race_touch(c.to, 16, EMU_LANDS, __builtin_return_address(0));
        if (c.yes) memcpy(c.to, c.from, 16);
        else memset(c.to, 0, 16);
    }
    mine.pending.erase(mine.pending.begin(), mine.pending.begin() + (ptrdiff_t)n);
}
