/* SPDX-License-Identifier: Apache-2.0
 * Prompts as files: what is said to a server about a record.
 *
 *     Whatever stands above the first section is a comment.
 *     [system]
 *     You look closely.
 *     [user]
 *     {images}
 *     {question}
 *     {choices}
 *     The right answer is {answer}.
 *
 * [system], [user] and [assistant], alone on a line, begin messages; there may be several, for examples. In them, {name} is
 * filled in:
 *
 *   {images}      the record's images that have no <image> mark in the question. A prompt without {images} sends none
 *   {question}    the question; its <image> marks become the images, where {images} is in the prompt
 *   {choices}     a line for each choice: "A. ..." (more than 26: "1. ...")
 *   {steps}       the steps of the path: "Step 1: NAME", "Thought: ...", "Reflection: ..."
 *   {step_count}  how many there are
 *   {key}         any other text or number of the record, as {answer}, {path.answer}, {meta.topic}
 *   {{            a brace
 *
 * A field that the record lacks makes it one that cannot be asked, but {images}, {choices} and fields with a question mark,
 * {meta.hint?}, are then nothing; a line with such fields and no others is left out when nothing came of them.
 */
#ifndef NET_PROMPT_FILE_H
#define NET_PROMPT_FILE_H

#include "media/source.h"
#include "record/record.h"

struct prompt_file;
struct prompt_file *prompt_file_load(const char *path);                 /* NULL + fail() with the line */
struct prompt_file *prompt_file_parse(const char *text, size_t n, const char *name);   /* name: for messages */
void prompt_file_free(struct prompt_file *p);                           /* NULL is fine */
extern const char prompt_file_plain[];         /* images, question and choices, and nothing else */

/* Appends the messages as a JSON array. -1: the record cannot be asked, *why is the reason (static; fail() has the
 * particulars). Safe from several threads. */
MUST_USE int prompt_file_fill(const struct prompt_file *p, const struct record *r, struct media_source *media, struct buf *out,
                              const char **why);

#endif
