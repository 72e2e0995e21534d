/* SPDX-License-Identifier: Apache-2.0
 * What the scripted server does with a request.
 */
#ifndef TESTS_NET_ACTIONS_H
#define TESTS_NET_ACTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct request { int fd; const char *body; size_t n; uint64_t hash; const char *authorization; };
bool act(const struct request *q, const char *action);         /* true: the connection may go on */

#endif
