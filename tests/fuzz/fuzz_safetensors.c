/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"
#include "store/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct safetensors s;
    if (st_open(fuzz_file(p, n, 0), &s)) return 0;
    for (int i = 0; i < s.n; i++) {
        if (st_find(&s, s.v[i].name) != &s.v[i]) abort();
        fuzz_numbers(&s.v[i]);
    }
    st_close(&s);
    return 0;
}
