/* SPDX-License-Identifier: Apache-2.0
 * Kernels with and without faults (faults.cu), and what is said of them: for t_emulation.c and t_races.c.
 */
#ifndef TESTS_OPS_FAULTS_H
#define TESTS_OPS_FAULTS_H

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Each launches kernels that write to p, 64 ints. */
void fault_divided(int *p);
void fault_elsewhere(int *p);
void fault_half_a_warp(int *p);
void fault_grid(int *p);
void fault_hasty(int *p);
void fault_again(int *p);
void fault_lanes(int *p);
void fault_blocks(int *p);
void fault_other_block(int *p);
void fault_not_atomic(int *p);
void fault_early_own(int *p);
void fault_early_other(int *p);
void fault_fetched_over(int *p);
void fault_handed_late(int *p);
void fault_nobody_arrives(int *p);
void fault_written_over(int *p);
void fault_too_early(int *p);
void fault_not_waited_for(int *p);
void no_fault(int *p);
void no_fault_again(int *p);
void no_fault_lanes(int *p);
void no_fault_blocks(int *p);
void no_fault_launches(int *p);
void no_fault_atomic(int *p);
void no_fault_copies(int *p);
void no_fault_handed(int *p);
void no_fault_multiplied(int *p);

int *faults_memory(void);                      /* 64 ints of the device; cudaFree() */

/* What a child that launches it writes to stderr; "" when it ends by itself. */
static inline const char *faults_said(void (*launch)(int *))
{
    static char text[4096];
    int fd[2], status = 0;
    memset(text, 0, sizeof text);
    if (pipe(fd)) return "no pipe";
    fflush(stdout);
    pid_t child = fork();
    if (!child) {
        dup2(fd[1], 2);
        launch(faults_memory());
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

#endif
