/* SPDX-License-Identifier: Apache-2.0
 * The schema files, put in by the assembler. */
#include "record/schema.h"

#define FILE_BYTES(name) \
    __asm__(".pushsection .rodata\n" #name "_begin:\n.incbin \"schemas/" #name ".json\"\n" #name "_end:\n.byte 0\n.popsection\n"); \
    extern const char name##_begin[], name##_end[];

FILE_BYTES(sample)
FILE_BYTES(path)
FILE_BYTES(pair)

const char *schema_text(enum rec_kind kind, size_t *n)
{
    const char *begin = kind == REC_SAMPLE ? sample_begin : kind == REC_PATH ? path_begin : pair_begin;
    const char *end = kind == REC_SAMPLE ? sample_end : kind == REC_PATH ? path_end : pair_end;
    *n = (size_t)(end - begin);
    return begin;
}
