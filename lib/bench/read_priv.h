/* SPDX-License-Identifier: Apache-2.0
 * What the readers of benchmark files share: a row on its way to a record.
 */
#ifndef BENCH_READ_PRIV_H
#define BENCH_READ_PRIV_H

#include <stdbool.h>
#include "bench/py.h"
#include "bench/read.h"

struct bench_output { struct slice response, stored; };              /* p NULL: there is none */
/* And takes note that it was asked for. NULL: none. */
const struct bench_output *outputs_find(struct bench_outputs *o, struct slice id);

enum { USED_MAX = 64 };
struct read_job {
    const struct bench_reader *cfg;
    const val *row;
    struct record *out;
    struct arena a;
    const char *used[USED_MAX]; int nused;     /* keys that are not for meta */
    const char *why;
};
const val *row_use(struct read_job *j, const char *key);             /* NULL: absent or null */
const val *row_use_first(struct read_job *j, const char *const *keys);
bool row_use_text(struct read_job *j, const char *key, struct slice *s);
int  row_reject(struct read_job *j, const char *why);                /* returns -1 */
void row_put(struct read_job *j, const char *key, val v);
void row_put_text(struct read_job *j, const char *key, struct slice s);
void row_put_meta(struct read_job *j, const char *key, val v);
void row_put_meta_text(struct read_job *j, const char *key, struct slice s);
val  row_text(struct read_job *j, struct slice s);
/* A string, or a number as text in `number`. */
bool row_scalar(const val *v, char number[32], struct slice *s);
bool row_id(const val *row, char number[32], struct slice *id);
/* "response", "prediction", the last of "messages". */
bool row_response(const val *row, struct slice *s);

/* Options within a text: "A: red, B: blue" (mark ": "), "A. red\nB. blue" (". "), "(A) red (B) blue" (") "). Appends their
 * texts to choices; *begin: where the first stands. false: there are not two. */
struct option_form { const char *before, *open, *close, *between; };
bool row_options(struct read_job *j, struct slice s, const struct option_form *form, struct val_list *choices, size_t *begin);

int row_images(struct read_job *j);
int row_judged(struct read_job *j);            /* of the two sets of judged steps: question, steps and labels */
int row_llava(struct read_job *j, const val *turns);                 /* ScienceQA as LLaVA has it */

#endif
