/* SPDX-License-Identifier: Apache-2.0
 * Options: one table per program (or subcommand) from which both the parser and the help are made.
 *
 *     static struct { int n; double t; } set = { 1, 1.0 };
 *     static const struct opt opts[] = {
 *         { 'n', NULL,          "N", OPT_INT,   &set.n, 1, 4096, "paths per question" },
 *         { 0,   "temperature", "T", OPT_FLOAT, &set.t, 0, 100,  "0 takes the likeliest token" },
 *         OPT_END };
 *     int rest = opt_parse(opts, argc, argv);      -> index of the first operand, or -1 after fail_kind(ERR_USAGE)
 *
 * "--name value", "--name=value", "-n value", "-nvalue", "-abc" for flags, "--" ends the options.
 */
#ifndef BASE_OPT_H
#define BASE_OPT_H

#include <stdbool.h>
#include <stdio.h>
#include "base/err.h"

enum opt_kind {
    OPT_FLAG,        /* bool *: set to true */
    OPT_INT,         /* int *, within [lo, hi] */
    OPT_U64,         /* uint64_t * */
    OPT_FLOAT,       /* double *, within [lo, hi] */
    OPT_STR,         /* const char **: points into argv */
    OPT_CHOICE,      /* int *: index of the word in arg, which reads "a|b|c" */
    OPT_LIST,        /* struct opt_list *: may be given several times */
    OPT_GROUP        /* no option: help is a heading */
};

enum { OPT_LIST_MAX = 64 };
struct opt_list { const char *v[OPT_LIST_MAX]; int n; };

struct opt {
    char letter;                 /* 0: none */
    const char *name;            /* NULL: none */
    const char *arg;             /* name of the value in the help; NULL for flags */
    enum opt_kind kind;
    void *to;
    double lo, hi;               /* both 0: no bound */
    const char *help;
};
#define OPT_END { 0, NULL, NULL, OPT_FLAG, NULL, 0, 0, NULL }

MUST_USE int opt_parse(const struct opt *opts, int argc, char **argv);   /* argv[0] is skipped */
void opt_help(const struct opt *opts, FILE *out);                        /* prints the present values as defaults */

#endif
