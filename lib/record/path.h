/* SPDX-License-Identifier: Apache-2.0
 * A path inside a record: the record's form of a chain (text/steps.h) and back.
 */
#ifndef RECORD_PATH_H
#define RECORD_PATH_H

#include "record/record.h"
#include "text/steps.h"

/* Why a chain cannot be written and read again as the same ("no step", "no thought", "no answer", "a marker within a step";
 * static); NULL: it can. */
const char *path_unwritable(const struct chain *c);
/* Builds the map {"steps": [{name, thought, reflection}], "answer"} in the zone. */
val  path_from_chain(msgpack_zone *z, const struct chain *c);
/* Reads a path map; slices are borrowed from it, chain->step is in the arena. -1 on a malformed path. */
MUST_USE int path_to_chain(const val *path, struct arena *a, struct chain *c);
/* The text of the path in CoS form, appended. */
MUST_USE int path_text(const val *path, int flags, struct buf *out);

#endif
