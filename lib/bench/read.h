/* SPDX-License-Identifier: Apache-2.0
 * The benchmarks' own files, and files of models' outputs, into records: samples, or paths that keep the response as it is in
 * path.text. The same for sets of judged steps, whose judgements become labels by "truth".
 *
 *     struct bench_rows *in = bench_rows_open(READ_MATHVISTA, stdin, "stdin");
 *     while ((s = bench_rows_next(in, row, &line)) > 0)
 *         if (bench_read(&cfg, row, line, record, &why)) count(why);       a row that makes no record
 *
 * Files are JSON lines, a JSON array, a JSON object of objects whose keys are the ids, TSV with a header (as pandas writes it:
 * quotes around fields with tabs, line ends or quotes), or, for mme, lines of image TAB question TAB answer [TAB response].
 * Which it is shows from the first bytes. Keys that no benchmark knows go into meta.
 *
 *   mathvista   testmini.json, output_*.json ("response", "extraction"), JSONL of CoS ("text" is the prompt)
 *   mmstar      TSV or JSONL; options within the question ("Options: A: .., B: ..") go into meta.choices, too
 *   mmmu        JSONL ("options" a list or its text in Python), output.json ("all_choices", "index2ans", "response"),
 *               answer_dict_val.json ("ground_truth"; answers by `outputs`)
 *   m3cot       JSONL; outputs with "messages", the last of which is the response
 *   ai2d        JSONL of InternVL, TSV, or rows with "options" and the answer's index as text
 *   chartqa     test_human.json (imgname, query, label), JSONL, TSV; the split is the file's where rows do not say
 *   scienceqa   problems.json, JSONL, LLaVA's conversations (the hint and the choices are read out of the question), TSV
 *   mme         lines as above, one file a task: the file's name is the task; TSV and JSONL with "category"
 *   processbench, visualprocessbench   steps with the place of the first error, with a judgement for each
 */
#ifndef BENCH_READ_H
#define BENCH_READ_H

#include "media/source.h"
#include "record/record.h"

enum bench_form { READ_MATHVISTA, READ_MMSTAR, READ_MMMU, READ_M3COT, READ_AI2D, READ_CHARTQA, READ_SCIENCEQA, READ_MME, READ_PROCESSBENCH,
                  READ_VISUALPROCESSBENCH, READ_FORMS };
#define BENCH_FORM_WORDS "mathvista|mmstar|mmmu|m3cot|ai2d|chartqa|scienceqa|mme|processbench|visualprocessbench"
extern const char *const bench_form_names[READ_FORMS];

/* ---- rows ---- */

struct bench_rows;
struct bench_rows *bench_rows_open(enum bench_form form, FILE *f, const char *name);       /* does not own f */
void bench_rows_close(struct bench_rows *in);                                              /* NULL is fine */
/* The next row as a map of its fields; an object's key is under "pid" unless the row has one. 1, 0, -1 when the file is
 * broken. line: of its beginning. */
MUST_USE int bench_rows_next(struct bench_rows *in, struct record *row, uint64_t *line);

/* ---- outputs in a file of their own, by id ---- */

/* An object of texts by id; LLaVA's {"outputs": {id: text}, "results": {id: index}}; or rows with an id and a response. */
struct bench_outputs;
struct bench_outputs *bench_outputs_load(const char *path);                                /* NULL + fail() */
void bench_outputs_free(struct bench_outputs *o);                                          /* NULL is fine */
size_t bench_outputs_unused(const struct bench_outputs *o);                                /* that no row asked for so far */

/* ---- a row to a record ---- */

struct bench_reader {
    enum bench_form form;
    const char *file;                          /* name of the input */
    const char *prefix;                        /* put before image names; NULL: nothing */
    struct media_source *media;                /* non-NULL: image bytes go into the record */
    struct bench_outputs *outputs;             /* NULL: none */
};
/* Fills out (cleared first). -1: no record comes of it, *why is the reason (static). Rows without an id get one made of the
 * file's name and the line. */
MUST_USE int bench_read(const struct bench_reader *c, const struct record *row, uint64_t line, struct record *out, const char **why);

#endif
