/* SPDX-License-Identifier: Apache-2.0
 * The emulation of kernels/emu notices what it says it does: planted faults end a child with a line that names the place.
 */
#include "../unit/t.h"
#include "faults.h"

static void test_faults(void)
{
    const char *s = faults_said(fault_divided);
    T_CHECK(strstr(s, "emulated kernel divided") && strstr(s, "40 of 64 threads wait at a barrier") && strstr(s, "faults.cu:"));
    s = faults_said(fault_elsewhere);
    T_CHECK(strstr(s, "different barriers") && strstr(s, "faults.cu:"));
    s = faults_said(fault_half_a_warp);
    T_CHECK(strstr(s, "16 of 32 lanes") && strstr(s, "faults.cu:"));
    T_CHECK(strstr(faults_said(fault_grid), "a grid that no device takes") != NULL);
    T_STR(faults_said(no_fault), "");
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

/* Copies that go on by themselves are made when they are waited for, not before. */
static void test_early(void)
{
    int a[64];
    fault_early_own(a);
    for (int i = 0; i < 64; i++) T_INT(a[i], i % 8 < 4 ? i : -1);
    no_fault_copies(a);
    for (int i = 0; i < 64; i++) T_INT(a[i], 63 - i);
}

/* Products of a warpgroup, and barriers in shared memory. */
static void test_warpgroups(void)
{
    int a[64];
    T_CHECK(strstr(faults_said(fault_nobody_arrives), "wait for one another for ever") != NULL);
    T_CHECK(strstr(faults_said(fault_written_over), "written while a product was reading it") != NULL);
    T_CHECK(strstr(faults_said(fault_not_waited_for), "before its products and bulk copies are waited for") != NULL);
    fault_too_early(a);
    for (int i = 0; i < 64; i++) T_INT(a[i], 1);
    no_fault_multiplied(a);
    for (int i = 0; i < 64; i++) T_INT(a[i], 16);
    no_fault_handed(a);
    for (int i = 0; i < 32; i++) T_INT(a[i], 31 - i);
}

int main(void)
{
    T_RUN(test_faults);
    T_RUN(test_order);
    T_RUN(test_early);
    T_RUN(test_warpgroups);
    return t_end();
}
