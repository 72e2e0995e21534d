/* SPDX-License-Identifier: Apache-2.0
 * The commands of cos-select, one a file.
 */
#ifndef TOOLS_SELECT_H
#define TOOLS_SELECT_H

#include "common.h"

extern const struct opt select_best_opts[], select_vote_opts[], select_weighted_opts[], select_pairs_opts[], select_top_opts[],
                        select_filter_opts[];
int select_best(struct tool *t);
int select_vote(struct tool *t);
int select_weighted(struct tool *t);
int select_pairs(struct tool *t);
int select_top(struct tool *t);
int select_filter(struct tool *t);

#endif
