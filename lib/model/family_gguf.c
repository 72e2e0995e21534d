/* SPDX-License-Identifier: Apache-2.0
 * What llama.cpp's converter calls the tensors of a plain decoder.
 */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "model/family.h"

static const struct { const char *theirs; const char *const *ours; } outside[] = {
    { "token_embd", &text_names_llama.embed }, { "output_norm", &text_names_llama.norm }, { "output", &text_names_llama.head } };
static const struct { const char *theirs; const char *const *ours; } inside[] = {
    { "attn_norm", &text_names_llama.block.norm1 }, { "attn_q", &text_names_llama.block.q }, { "attn_k", &text_names_llama.block.k },
    { "attn_v", &text_names_llama.block.v }, { "attn_output", &text_names_llama.block.o }, { "ffn_norm", &text_names_llama.block.norm2 },
    { "ffn_gate", &text_names_llama.block.gate }, { "ffn_up", &text_names_llama.block.up }, { "ffn_down", &text_names_llama.block.down } };

/* stem.weight or stem.bias: the ending, else NULL. */
static const char *behind(const char *name, const char *stem)
{
    size_t n = strlen(stem);
    return !strncmp(name, stem, n) && name[n] == '.' ? name + n : NULL;
}

char *gguf_our_name(const char *name)
{
    const char *end;
    if (strncmp(name, "blk.", 4)) {
        for (int i = 0; i < countof(outside); i++)
            if ((end = behind(name, outside[i].theirs))) return mem_fmt("%s%s", *outside[i].ours, end);
        return mem_str(name);
    }
    char *rest;
    long layer = strtol(name + 4, &rest, 10);
    for (int i = 0; i < countof(inside) && *rest == '.' && layer >= 0 && layer < 100000; i++)
        if ((end = behind(rest + 1, inside[i].theirs))) {
            char *prefix = mem_fmt(text_names_llama.block.layer, (int)layer), *full = mem_fmt("%s%s%s", prefix, *inside[i].ours, end);
            free(prefix);
            return full;
        }
    return mem_str(name);
}

int gguf_interleaved(const struct model_cfg *c, const char *name)
{
    const char *tensor = strncmp(name, "blk.", 4) ? NULL : strchr(name + 4, '.');
    bool rotated = tensor && (behind(tensor + 1, "attn_q") || behind(tensor + 1, "attn_k"));
    return rotated && !strcmp(c->family, "llama") ? c->text.blocks.head_dim : 0;
}
