/* SPDX-License-Identifier: Apache-2.0
 * What every program has: the standard options, streams with provenance, rejects counted by reason, progress,
 * one-line errors, and an exit that has checked its output.
 *
 *     static const struct opt opts[] = { ..., OPT_END };
 *     static const struct command cmds[] = { { NULL, "summary", opts, run, "operands" }, { 0 } };
 *     int main(int argc, char **argv) { return tool_main("cos-select", "chooses among paths", cmds, argc, argv); }
 *
 *     static int run(struct tool *t) {
 *         if (tool_open(t)) return -1;                         stdin (or operands), stdout, provenance
 *         while ((s = tool_read(t, r)) > 0) { ...; tool_reject(t, r, "no answer") or tool_write(t, r) }
 *         return s < 0 ? -1 : tool_close(t);                   trailer, accounting, stdout closed and checked
 *     }
 */
#ifndef TOOLS_COMMON_H
#define TOOLS_COMMON_H

#include "base/opt.h"
#include "base/par.h"
#include "record/record.h"

#define COS_VERSION "0.1.0"

/* Set by the standard options: -h --version -q --threads --seed --no-provenance --rejects. */
struct tool_std { bool help, version, quiet, no_provenance; int threads; uint64_t seed; const char *rejects; };

struct tool;
struct command {
    const char *name;                        /* subcommand; NULL: the program has none */
    const char *summary;                     /* one line */
    const struct opt *opts;                  /* its own options; the standard ones are added */
    int (*run)(struct tool *t);              /* 0, or -1 after fail() */
    const char *operands;                    /* "[FILE...]" for usage; NULL: takes none */
    const char *details;                     /* more help text and examples, or NULL */
};

struct tool {
    const char *program;
    const struct command *cmd;
    struct tool_std std;
    int argc; char **argv;                   /* everything, for provenance */
    int noperand; char **operand;
    const char *model_digest;                /* set before tool_open to go into the provenance */
    struct rec_reader *in;
    struct rec_writer *out;
    struct tool_streams *streams;            /* private */
};

int tool_main(const char *program, const char *about, const struct command *cmds, int argc, char **argv);

MUST_USE int tool_open(struct tool *t);                  /* stdin -> stdout; operands, where taken, are input files in order */
MUST_USE int tool_read(struct tool *t, struct record *r);
MUST_USE int tool_write(struct tool *t, const struct record *r);
/* Counts the record under `reason` (kept in first-seen order), writes it to --rejects with meta.reject = reason. */
MUST_USE int tool_reject(struct tool *t, const struct record *r, const char *reason);
/* Adds to records in / out for tools that make several from one or one from several: shown in the accounting line. */
MUST_USE int tool_close(struct tool *t);                 /* "cos-select: 1000 in, 990 out, 10 rejected (no answer 10)" */

/* Progress on stderr: a bar on a terminal, one plain line every few seconds otherwise, none with -q. */
void tool_progress(struct tool *t, const char *unit, double done, double total, const char *extra);   /* total 0: unknown */
void tool_note(struct tool *t, const char *fmt, ...) PRINTF_LIKE(2, 3);    /* one line on stderr unless -q */
void tool_warn(struct tool *t, const char *fmt, ...) PRINTF_LIKE(2, 3);    /* one line on stderr always */
/* Programs whose result on stdout is text (cos-eval, cos-cat --json) write here and let tool_close check it. */
FILE *tool_text(struct tool *t);

#endif
