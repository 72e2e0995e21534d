/* SPDX-License-Identifier: Apache-2.0
 * LlavaNext, Idefics3 and SmolVLM against transformers, from pictures to logits: make_vlm.py wrote the checkpoints and the
 * numbers.
 */
#include <stdlib.h>
#include <unistd.h>

#define GOLDEN "tests/golden/"
#include "golden.h"

static const char *const names[] = { "llava_next/llama3", "llava_next/mistral", "llava_next/vicuna", "llava_next/qwen2",
                                     "idefics3/llama", "idefics3/whole", "smolvlm/llama" };

static void test_logits(void)
{
    for (int i = 0; i < countof(names); i++) check_logits(names[i], DT_F32, TOL_F32);
}

/* As t_internvl.c: 2^-9 of rounding for each of some 30 roundings, which add up like random steps. */
static void test_logits_in_bf16(void)
{
    for (int i = 0; i < countof(names); i++) check_logits(names[i], DT_BF16, 0.04);
}

static void test_gradients(void)
{
    check_golden_gradients("llava_next/llama3", false, 40);
    check_golden_gradients("llava_next/llama3", true, 40);
    check_golden_gradients("idefics3/llama", false, 40);
    check_golden_gradients("smolvlm/llama", false, 20);
}

static void test_transformers_loads_ours(void)
{
    char dir[] = "/tmp/t_vlm.XXXXXX", sub[64];
    if (!mkdtemp(dir)) { T_CHECK(!"mkdtemp"); return; }
    for (int i = 0; i < countof(names); i++) {
        snprintf(sub, sizeof sub, "%s/%d", dir, i);
        save_changed(names[i], i == 0 || i == 4 || i == 6, sub);
    }
    check_load(dir);
    T_OK(dir_remove(dir));
}

int main(void)
{
    dev = ops_cpu(2);
    T_RUN(test_logits);
    T_RUN(test_logits_in_bf16);
    T_RUN(test_gradients);
    if (getenv("COS_REF_PYTHON")) T_RUN(test_transformers_loads_ours);
    else printf("ok %d - test_transformers_loads_ours # SKIP COS_REF_PYTHON names no python with transformers\n", ++t_tests);
    dev->close(dev);
    return t_end();
}
