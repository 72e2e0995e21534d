/* SPDX-License-Identifier: Apache-2.0
 * What every program has: the standard options, streams with provenance, rejects counted by reason, progress,
 * one-line errors, and an exit that has checked its output.
 *
 *     static const struct opt opts[] = { ..., OPT_END };
 *     static const struct command cmds[] = { { NULL, "summary", opts, run, "[FILE...]", NULL }, { 0 } };
 *     int main(int argc, char **argv) { return tool_main("cos-select", "chooses among paths", cmds, argc, argv); }
 *
 *     static int run(struct tool *t) {
 *         if (tool_open(t)) return -1;                         stdin (or operands), stdout, provenance
 *         while ((s = tool_read(t, r)) > 0) { ...; tool_reject(t, r, "no answer") or tool_write(t, r) }
 *         return s < 0 ? -1 : tool_close(t);                   trailer, accounting, stdout closed and checked
 *     }
 *
 * SIGPIPE is ignored, so that a closed pipe is an error of the write. An interrupt ends the program at once; its
 * output then has no trailer, and whoever reads it notices.
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
    const struct opt *opts;                  /* its own options, or NULL; the standard ones are added */
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
    struct rec_reader *in;                   /* of the operand being read; NULL without record input */
    struct rec_writer *out;
    struct tool_streams *streams;            /* private */
};

int tool_main(const char *program, const char *about, const struct command *cmds, int argc, char **argv);

/* Opens stdin -> stdout; operands, where taken, are input files in order, "-" is stdin. Reads the first header and
 * writes ours. Where streams of different provenance follow one another, tool_write starts a new stream likewise; it
 * goes by record.stream, which tool_read sets. Records made afresh (0) go where the ones before them went. */
MUST_USE int tool_open(struct tool *t);
/* For programs whose input is not records: opens the output alone, with a provenance that starts here. */
MUST_USE int tool_open_out(struct tool *t);
/* The next input file, for those: 1 with *f (closed by the next call) and *name, 0 behind the last, -1. */
MUST_USE int tool_next_file(struct tool *t, FILE **f, const char **name);

MUST_USE int tool_read(struct tool *t, struct record *r);                         /* 1, 0, -1 as rec_read */
MUST_USE int tool_read_packed(struct tool *t, struct buf *out, uint64_t *number); /* as rec_read_packed */
const char *tool_input_name(const struct tool *t);                                 /* of the file read last, for messages */
/* The header above the record read last, if its provenance is another than that of the record before; else NULL. For
 * programs that move packed records; tool_write does by itself what it is for. Borrowed until tool_main ends. */
const val *tool_new_header(const struct tool *t);
struct rec_prov tool_provenance(const struct tool *t);                            /* this run's entry */
MUST_USE int tool_write(struct tool *t, const struct record *r);
/* Counts the record under `reason` (a static string; shown in first-seen order), writes it to --rejects with
 * meta.reject = reason. r may be NULL where the input could not be made into a record. */
MUST_USE int tool_reject(struct tool *t, const struct record *r, const char *reason);
/* The same, and for the first few records a note with the particulars: "record 17 (id x): a.png: truncated PNG". */
MUST_USE int tool_reject_noted(struct tool *t, const struct record *r, const char *reason, const char *particulars);

/* Accounting: in + added = out + rejected + dropped, or tool_close fails. The calls above count by themselves.
 * These and tool_reject's counting may come from several threads. */
void tool_drop(struct tool *t, uint64_t n, const char *reason);    /* read, and left out on purpose: "900 not chosen" */
void tool_added(struct tool *t, uint64_t n);                       /* written beyond one for each read */
void tool_count(struct tool *t, uint64_t in, uint64_t out);        /* of programs that move records in other ways */

/* The end: the accounting on stderr, "cos-select: 1000 in, 90 out, 10 rejected (no answer 10), 900 not chosen";
 * the trailer; stdout closed and checked. */
MUST_USE int tool_close(struct tool *t);

/* Progress on stderr: a bar on a terminal, one plain line every few seconds otherwise, none with -q. */
void tool_progress(struct tool *t, const char *unit, double done, double total, const char *extra);   /* total 0: unknown */
void tool_note(struct tool *t, const char *fmt, ...) PRINTF_LIKE(2, 3);    /* one line on stderr unless -q */
void tool_warn(struct tool *t, const char *fmt, ...) PRINTF_LIKE(2, 3);    /* one line on stderr always */
/* Programs whose result on stdout is text write here instead of to t->out; tool_close checks it, and counts every
 * record read and not rejected as used unless tool_count said how many were written. */
FILE *tool_text(struct tool *t);

#endif
