/* SPDX-License-Identifier: Apache-2.0
 * A model folder made from another one.
 */
#ifndef TRAIN_FOLDER_H
#define TRAIN_FOLDER_H

#include "model/model.h"

/* Copies what lies in `from` besides weights, config.json, tokenizer.json (with `tokenizer`: that too) and what
 * training wrote: processor settings, generation settings, chat templates, licences. Of a GGUF file: the like, made
 * from its metadata. */
MUST_USE int folder_copy_rest(const char *from, const char *to, bool tokenizer);

#endif
