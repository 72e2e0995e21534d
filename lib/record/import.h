/* SPDX-License-Identifier: Apache-2.0
 * Foreign JSON into step records: the forms of the CoS reference, of InternVL and LLaVA, and free-form chains.
 *
 *     struct import_in *in = import_open(stdin, "stdin");
 *     while ((s = import_next(in, &text, &line)) > 0)
 *         if (import_parse(text.p, text.n, row)) ...               not JSON: broken input
 *         else if (import_row(&cfg, row, record, &why)) ...        a row that makes no record: count(why)
 *
 * A row's keys that no form knows are kept in meta. What was asked is never cleaned; see text/steps.h for the chains.
 */
#ifndef RECORD_IMPORT_H
#define RECORD_IMPORT_H

#include "media/source.h"
#include "record/record.h"
#include "text/tokenizer.h"

/* ---- rows of a file: JSON lines, or one JSON array of objects, told apart by the first character ---- */

struct import_in;
struct import_in *import_open(FILE *f, const char *name);     /* does not own f */
void import_close(struct import_in *in);                      /* NULL is fine */
/* The text of the next row, borrowed until the next call, and the number of its first line. 1, 0 at the end; -1 when
 * the file is empty, an array is not closed, or a row is too large. */
MUST_USE int import_next(struct import_in *in, struct slice *row, uint64_t *line);
MUST_USE int import_parse(const char *s, size_t n, struct record *row);   /* -1: not one JSON object */

/* ---- a row to a record ---- */

enum import_form {
    IMPORT_COS,       /* {"id", "image", "conversations": [{"from", "value"}, ..]}, the reply in the step format; or the
                         reply in "text" or "response" with "question": rollouts */
    IMPORT_LLAVA,     /* conversations with any reply: step format gives a path, else the reply is the answer */
    IMPORT_RAW,       /* {"question_id", "image", "question", "reasoning": [{"step_name", "step_thought",
                         "step_reflection"}], "reason_step_num", "extract_answer"}; with step_scores, answer_score */
    IMPORT_PRM,       /* conversations whose reply has a tag behind every step; labels as к+и and к-и in their place, in a
                         copy behind <|split_token|>, or as an array "labels"; raw rows with scores, too */
    IMPORT_DPO,       /* {"image", "question", "chosen", "rejected"}: a pair */
    IMPORT_TEXT,      /* any reply, cut by text/freeform.h */
    IMPORT_FORMS
};
extern const char *const import_form_names[IMPORT_FORMS];

struct import_cfg {
    enum import_form form;
    bool lenient;                              /* accept chains that are complete but not exact (chain_parse) */
    const char *prefix;                        /* put before image names: "images.zip!" or "dir/"; NULL: nothing */
    struct media_source *media;                /* non-NULL: image bytes go into the record */
    const struct tokenizer *tok;               /* non-NULL: adds path.tokens, spans and the tokenizer's digest */
};
/* Fills out (cleared first). -1: no record comes of this row; *why is the reason (static), out what could be read, with
 * the reply in meta.reply. Without an id in the row, out has none: the caller gives it one. Thread-safe. */
MUST_USE int import_row(const struct import_cfg *c, const struct record *row, struct record *out, const char **why);

#endif
