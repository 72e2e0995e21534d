/* SPDX-License-Identifier: Apache-2.0
 * The emulation of kernels/emu notices what it says it does: planted faults end a child with a line that names the place.
 */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../unit/t.h"

void fault_divided(int *p);
void fault_elsewhere(int *p);
void fault_half_a_warp(int *p);
void fault_grid(int *p);
void fault_hasty(int *p);
void no_fault(int *p);

/* What a child that runs the kernel writes to stderr; "" when it ends by itself. */
static const char *said(void (*launch)(int *))
{
    static char text[4096];
    int fd[2], status = 0, out[64];
    memset(text, 0, sizeof text);
    if (pipe(fd)) return "no pipe";
    fflush(stdout);
    pid_t child = fork();
    if (!child) {
        dup2(fd[1], 2);
        launch(out);
        _exit(0);
    }
    close(fd[1]);
    for (size_t n = 0; n < sizeof text - 1;) {
        ssize_t got = read(fd[0], text + n, sizeof text - 1 - n);
        if (got <= 0) break;
        n += (size_t)got;
    }
    close(fd[0]);
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && !WEXITSTATUS(status)) text[0] = 0;
    return text;
}

static void test_faults(void)
{
    const char *s = said(fault_divided);
    T_CHECK(strstr(s, "emulated kernel divided") && strstr(s, "40 of 64 threads wait at a barrier") && strstr(s, "faults.cu:"));
    s = said(fault_elsewhere);
    T_CHECK(strstr(s, "different barriers") && strstr(s, "faults.cu:"));
    s = said(fault_half_a_warp);
    T_CHECK(strstr(s, "16 of 32 lanes") && strstr(s, "faults.cu:"));
    T_CHECK(strstr(said(fault_grid), "a grid that no device takes") != NULL);
    T_STR(said(no_fault), "");
}

/* Threads go in ascending and descending order in turn: without the barrier two launches differ. */
static void test_order(void)
{
    int a[64], b[64];
    fault_hasty(a);
    fault_hasty(b);
    T_CHECK(memcmp(a, b, sizeof a) != 0);
    no_fault(a);
    no_fault(b);
    T_CHECK(memcmp(a, b, sizeof a) == 0);
}

int main(void)
{
    T_RUN(test_faults);
    T_RUN(test_order);
    return t_end();
}
