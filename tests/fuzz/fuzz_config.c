/* SPDX-License-Identifier: Apache-2.0
 * config.json of every family. What is read keeps the promises that the model's memory is counted by.
 */
#include "fuzz.h"
#include "model/config.h"

static void check_blocks(const struct block_cfg *b)
{
    if (b->layers < 1 || b->hidden < 1 || b->mlp < 1 || b->heads < 1 || b->kv_heads < 1 || b->head_dim < 1) abort();
    if (b->heads % b->kv_heads || (b->rope.kind != ROPE_NONE && b->head_dim % 2)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct model_cfg c;
    if (cfg_parse((const char *)p, n, "fuzz", &c)) return 0;
    check_blocks(&c.text.blocks);
    if (c.text.vocab < 2 || c.text.max_pos < 1 || c.neos < 0 || c.neos > CFG_EOS_MAX) abort();
    if (c.has_vision) check_blocks(&c.vision.blocks);
    cfg_free(&c);
    return 0;
}
