/* SPDX-License-Identifier: Apache-2.0
 * tokenizer.json: what is read has to encode, decode and take new tokens.
 */
#include "fuzz.h"
#include "text/tokenizer.h"

static void use(struct tokenizer *t)
{
    static const char text[] = "A line of 12 words,  <|im_end|> it's  \xe4\xbd\xa0\xe5\xa5\xbd\xcc\x81 \xf0\x9f\x98\x80\t\xff\r\n</s>";
    static const int flags[] = { 0, TOK_SPECIAL, TOK_NO_ADDED };
    for (int i = 0; i < 3; i++) {
        struct tok_ids ids = {0};
        struct buf out = {0};
        if (!tok_encode(t, text, sizeof text - 1, flags[i], &ids)) tok_decode(t, ids.id, ids.n, i ? 0 : TOK_SKIP_SPECIAL, &out);
        for (size_t k = 0; k < ids.n; k++)
            if (ids.id[k] >= (uint32_t)tok_size(t)) abort();
        buf_free(&out);
        tok_ids_free(&ids);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const char *const more[] = { "<|answer_start|>", "\xd0\xba\xd0\xb8" };
    struct tokenizer *t = tok_parse((const char *)p, n, "fuzz");
    if (!t) return 0;
    use(t);
    if (tok_add(t, more, 2) >= 0) use(t);
    tok_free(t);
    return 0;
}
