/* SPDX-License-Identifier: Apache-2.0
 * Readers of image settings that do not stand in a preprocessor_config.json.
 */
#ifndef MEDIA_PREPROCESS_PRIV_H
#define MEDIA_PREPROCESS_PRIV_H

#include "media/preprocess.h"
#include "store/json.h"

bool pre_is_internvl_chat(const json_t *doc);                      /* doc: a model's config.json */
MUST_USE int pre_read_internvl_chat(const json_t *doc, struct pre_cfg *cfg);

#endif
