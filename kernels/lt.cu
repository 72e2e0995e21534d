/* SPDX-License-Identifier: Apache-2.0 */
#include "gpu.h"

#include "lt.h"
#ifndef GPU_EMULATED
#include <dlfcn.h>
#endif

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

static struct lt found;

const struct lt *lt_open(void)
{
#ifdef GPU_EMULATED
#define LT_FIND(field, name) found.field = name;
    LT_FUNCTIONS(LT_FIND)
#else
    static const char file[] = "libcublasLt.so." TEXT(CUBLAS_VER_MAJOR);
    void *lib = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!lib) { fail_kind(ERR_DEVICE, "cuda: %s", dlerror()); return NULL; }
#define LT_FIND(field, name) \
    if (!(found.field = (decltype(found.field))dlsym(lib, #name))) { fail_kind(ERR_DEVICE, "cuda: %s lacks " #name, file); return NULL; }
    LT_FUNCTIONS(LT_FIND)
#endif
    return &found;
}
