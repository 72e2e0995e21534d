/* SPDX-License-Identifier: Apache-2.0
 * The search for races (kernels/emu/race.cc) finds those of faults.cu, and names both places; and nothing else.
 */
#include <stdbool.h>
#include "../unit/t.h"
#include "faults.h"

static void check_found(void (*launch)(int *), const char *what, const char *where)
{
    const char *s = faults_said(launch), *place = strstr(s, "faults.cu:");
    bool found = strstr(s, "a race: ") && strstr(s, what) && strstr(s, where) && place && strstr(place + 1, "faults.cu:");
    if (!found) printf("# want \"%s\", \"%s\" and two places: %s\n", what, where, s);
    T_CHECK(found);
}

static void test_block(void)
{
    check_found(fault_hasty, "kernel hasty, block (0, 0, 0)", "nothing orders the two");
    check_found(fault_again, "kernel again, block (0, 0, 0)", "nothing orders the two");
    check_found(fault_not_atomic, "kernel counts, block (0, 0, 0)", "nothing orders the two");
}

static void test_warp(void) { check_found(fault_lanes, "shared memory", "nothing orders the two"); }

static void test_blocks(void)
{
    check_found(fault_blocks, "block (1, 0, 0): a race: thread 0 writes global memory", "; block (0, 0, 0) wrote it");
    check_found(fault_other_block, "reads global memory", "in the same launch");
}

static void test_copies(void)
{
    check_found(fault_early_own, "reads shared memory", "a copy that is not waited for");
    check_found(fault_early_other, "shared memory", "it at");
    check_found(fault_fetched_over, "writes shared memory", "a copy that is not waited for");
}

static void test_warpgroups(void) { check_found(fault_handed_late, "kernel handed", "nothing orders the two"); }

static void test_none(void)
{
    T_STR(faults_said(no_fault_handed), "");
    T_STR(faults_said(no_fault_multiplied), "");
    T_STR(faults_said(no_fault), "");
    T_STR(faults_said(no_fault_again), "");
    T_STR(faults_said(no_fault_lanes), "");
    T_STR(faults_said(no_fault_blocks), "");
    T_STR(faults_said(no_fault_launches), "");
    T_STR(faults_said(no_fault_atomic), "");
    T_STR(faults_said(no_fault_copies), "");
}

int main(void)
{
    T_RUN(test_block);
    T_RUN(test_warp);
    T_RUN(test_blocks);
    T_RUN(test_copies);
    T_RUN(test_warpgroups);
    T_RUN(test_none);
    return t_end();
}
