/* SPDX-License-Identifier: Apache-2.0
 * The reader, and what makes a configuration and a tokenizer of the metadata. With zeros behind the input, so that few bytes
 * can promise many numbers and keep the promise.
 */
#include "fuzz.h"
#include "model/config.h"
#include "store/gguf.h"
#include "text/tokenizer.h"

static void use(const char *path)
{
    static const char text[] = "A line of 12 words, <|im_end|> and \xf0\x9f\x98\x80\n";
    struct gguf g;
    struct model_cfg c;
    if (gguf_open(path, &g)) return;
    for (int i = 0; i < g.n; i++) {
        if (gguf_find(&g, g.v[i].name) != &g.v[i]) abort();
        fuzz_numbers(&g.v[i]);
    }
    gguf_close(&g);
    if (!cfg_load(path, &c)) cfg_free(&c);
    struct tokenizer *t = tok_load(path);
    struct tok_ids ids = {0};
    if (t && tok_encode(t, text, sizeof text - 1, TOK_SPECIAL, &ids)) ids.n = 0;
    tok_ids_free(&ids);
    tok_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    use(fuzz_file(p, n, 0));
    use(fuzz_file(p, n, 1 << 20));
    return 0;
}
