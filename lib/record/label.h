/* SPDX-License-Identifier: Apache-2.0
 * Labels of steps and answers, one of record.path.steps[i].labels or path.answer_labels: {by, k, n} is worth k/n, {by, value}
 * its value; value 0.5 is Neutral, value null says nothing.
 */
#ifndef RECORD_LABEL_H
#define RECORD_LABEL_H

#include "record/record.h"

struct label {
    double value;                              /* in [0, 1] */
    int64_t k, n;                              /* n 0: no tries were counted */
    bool neutral;
};
/* 1; 0: it says nothing; -1: malformed. */
int label_read(const val *label, struct label *out);
/* The label of a source ("by"); NULL: none of it. */
const val *label_of(const val *labels, const char *source, size_t n);
/* The first of the sources, names with commas between, that says something; NULL sources: the first label that does.
 * 1, 0: none says anything, -1: malformed. */
int label_pick(const val *labels, const char *sources, struct label *out);

#endif
