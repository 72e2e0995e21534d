/* SPDX-License-Identifier: Apache-2.0
 * Between cos-segment and its reading of benchmarks.
 */
#ifndef TOOLS_SEGMENT_H
#define TOOLS_SEGMENT_H

#include "bench/read.h"
#include "common.h"

struct segment_bench {
    enum bench_form form;
    const char *outputs, *split, *source;      /* NULL: none; all rows; the benchmark's name */
    const char *prefix;                        /* of image names; NULL: nothing */
    struct media_source *media;                /* non-NULL: image bytes go into the records */
};
/* Opens the output, reads all files, closes it. */
MUST_USE int segment_bench(struct tool *t, const struct segment_bench *set);

#endif
