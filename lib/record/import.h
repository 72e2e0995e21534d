/* SPDX-License-Identifier: Apache-2.0
 * Foreign JSON into step records: the forms of record/form.h.
 *
 *     struct import_in *in = import_open(stdin, "stdin");
 *     while ((s = import_next(in, &text, &line)) > 0)
 *         if (import_parse(text.p, text.n, row)) ...               not JSON: broken input
 *         else if (import_row(&cfg, row, record, &why)) ...        a row that makes no record: count(why)
 *
 * A row's keys that its form does not know are kept in meta (behind "meta" of the row itself and what a form keeps there; of two
 * values of one name the later has _ behind it, up to three). What was asked is never cleaned, except that a question's choices
 * are taken off its end where they stand there as prompts have them ("\nA. red\nB. blue") and are given as "choices", too.
 */
#ifndef RECORD_IMPORT_H
#define RECORD_IMPORT_H

#include "media/source.h"
#include "media/tar.h"
#include "record/form.h"
#include "text/tokenizer.h"

/* ---- rows of a file: JSON lines, or one JSON array of objects, told apart by the first character ---- */

struct import_in;
struct import_in *import_open(FILE *f, const char *name);     /* does not own f */
/* The same, and one object of objects: its members are the rows, {"1": {..}, "2": {..}}. */
struct import_in *import_open_keyed(FILE *f, const char *name);
struct slice import_key(const struct import_in *in);          /* of the row, as it is written; empty where rows have none */
void import_close(struct import_in *in);                      /* NULL is fine */
/* The text of the next row, borrowed until the next call, and the number of its first line. 1, 0 at the end; -1 when
 * the file is empty, an array is not closed, or a row is too large. */
MUST_USE int import_next(struct import_in *in, struct slice *row, uint64_t *line);
MUST_USE int import_parse(const char *s, size_t n, struct record *row);   /* -1: not one JSON object */

/* ---- a row to a record ---- */

/* Files beside a row: the other members of a tar shard that share its key (media/tar.h). A row names its images by their
 * member names; one that names none has all that are images, in their order. */
struct import_beside {
    const char *prefix;                        /* of the references made: "shard.tar!"; NULL: the bytes go into the record */
    const struct tar_member *m; int n;
};

struct import_cfg {
    const struct form *form;
    bool lenient;                              /* accept chains that are complete but not exact (chain_parse) */
    bool unanswered;                           /* free-form chains without an answer are paths, too */
    const char *prefix;                        /* put before image names: "images.zip!" or "dir/"; NULL: nothing */
    struct media_source *media;                /* non-NULL: image bytes go into the record */
    const struct import_beside *beside;        /* of this row; NULL: none */
    const struct tokenizer *tok;               /* non-NULL: adds path.tokens, spans and the tokenizer's digest */
};
/* Fills out (cleared first). -1: no record comes of this row; *why is the reason (static), out what could be read, with
 * the reply in meta.reply. Without an id in the row, out has none: the caller gives it one. Thread-safe. */
MUST_USE int import_row(const struct import_cfg *c, const struct record *row, struct record *out, const char **why);

#endif
