/* SPDX-License-Identifier: Apache-2.0 */
#include "text/steps.h"

#include <stdlib.h>
#include "t.h"

#define STEP(name, thought, refl, tag) "<|reasoning_step_start|>\n<|reasoning_step_name_start|>" name \
    "<|reasoning_step_name_end|>\n<|reasoning_step_thought_start|>" thought "<|reasoning_step_thought_end|>\n" \
    "<|reasoning_step_reflection_start|>" refl "<|reasoning_step_reflection_end|>\n<|reasoning_step_end|>" tag "\n"
#define HEAD "<|reasoning_start|>\n"
#define NEXT "<|reasoning_proceed|>\n"
#define TAIL(answer, tag) "<|reasoning_end|>\nAnswer:\n<|answer_start|>" answer "<|answer_end|>" tag

static const char two[] = HEAD STEP("Look", "Two red dots.", "As the image shows.", "") NEXT
    STEP("Add", "1 < 2 <| so знаки.", "", "") TAIL("42", "");

static int parse(const char *s, struct arena *a, struct chain *c, bool *strict, const char **why)
{
    return chain_parse(s, strlen(s), a, c, strict, why);
}

static bool same(struct slice s, const char *want) { return s.n == strlen(want) && !memcmp(s.p, want, s.n); }

static void test_exact(void)
{
    struct arena a = {0};
    struct chain c;
    struct buf b = {0};
    bool strict;
    const char *why;
    T_OK(parse(two, &a, &c, &strict, &why));
    T_CHECK(strict && !why);
    T_INT(c.nstep, 2);
    T_CHECK(same(c.step[0].name, "Look") && same(c.step[0].reflection, "As the image shows."));
    T_CHECK(same(c.step[1].thought, "1 < 2 <| so знаки.") && same(c.step[1].reflection, ""));
    T_CHECK(c.has_answer && same(c.answer, "42") && !c.answer_tag);
    T_CHECK(!strncmp(two + c.step[1].begin, "<|reasoning_step_start|>", 24));
    T_CHECK(!strncmp(two + c.step[0].end - 22, "<|reasoning_step_end|>\n<|reasoning_proceed|>", 40));
    T_CHECK(!strcmp(two + c.answer_begin, "<|answer_start|>42<|answer_end|>"));
    T_INT(c.answer_end, strlen(two));
    chain_write(&c, 0, &b);
    T_STR(b.p, two);
    buf_clear(&b);
    chain_write(&c, STEPS_OPEN, &b);
    T_CHECK(!strncmp(two, b.p, b.len) && !strncmp(two + b.len, "<|reasoning_end|>", 17));
    buf_free(&b);
    arena_free(&a);
}

static void test_tags(void)
{
    struct arena a = {0};
    struct chain c;
    struct buf b = {0};
    bool strict;
    const char *why;
    static const char tagged[] = HEAD STEP("a", "b", "c", "к+и") NEXT STEP("d", "e", "f", "к-и") TAIL("g", "ки");
    T_OK(parse(tagged, &a, &c, &strict, &why));
    T_CHECK(strict);
    T_INT(c.step[0].tag, TOK_GOOD);
    T_INT(c.step[1].tag, TOK_BAD);
    T_INT(c.answer_tag, TOK_TAG);
    chain_write(&c, STEPS_LABELS, &b);
    T_STR(b.p, tagged);
    buf_clear(&b);
    chain_write(&c, STEPS_TAGS, &b);
    T_STR(b.p, HEAD STEP("a", "b", "c", "ки") NEXT STEP("d", "e", "f", "ки") TAIL("g", "ки"));
    T_FAIL(parse(HEAD STEP("a", "b", "c", "ки") TAIL("g", ""), &a, &c, &strict, &why), "tags not behind every step");
    buf_free(&b);
    arena_free(&a);
}

static void test_loose(void)
{
    struct arena a = {0};
    struct chain c;
    bool strict;
    const char *why;
    static const char *const loose[] = {
        HEAD " " STEP("a", "b", "c", "") TAIL("g", ""), HEAD STEP("a", "b", "c", "") TAIL("g", "\n"),
        "<|reasoning_start|>" STEP("a", "b", "c", "") TAIL("g", ""), "\n" HEAD STEP("a", "b", "c", " ки") TAIL("g", "\nки") };
    for (int i = 0; i < countof(loose); i++) {
        T_OK(parse(loose[i], &a, &c, &strict, &why));
        T_CHECK(!strict);
    }
    T_OK(parse(HEAD STEP(" a ", " b\n", "", "") TAIL(" g ", ""), &a, &c, &strict, &why));
    T_CHECK(strict && same(c.answer, " g "));               /* contents are kept as they are */
    arena_free(&a);
}

static void test_reasons(void)
{
    static const struct { const char *text, *why, *message; } bad[] = {
        { "The answer is 42.", "no reasoning start", "no reasoning start" },
        { "", "no reasoning start", "no reasoning start" },
        { HEAD TAIL("42", ""), "no step", "no step" },
        { HEAD STEP("a", " ", "c", "") TAIL("42", ""), "no thought", "step 1: no thought" },
        { HEAD STEP("a", "b", "c", "") STEP("a", "b", "c", "") TAIL("42", ""), "no proceed marker", "step 2: no proceed" },
        { HEAD STEP("a", "b", "c", "") "so " TAIL("42", ""), "text between markers", "step 2: text between" },
        { HEAD STEP("a", "b", "c", "") TAIL(" ", ""), "no answer", "no answer" },
        { HEAD STEP("a", "b", "c", "") "<|reasoning_end|>\n", "no answer", "no answer" },
        { HEAD STEP("a", "b", "c", "") "<|reasoning_end|>\n<|answer_start|>4<|answer_end|>", "no answer line", "no answer line" },
        { HEAD STEP("a", "b", "c", "") TAIL("42", "") " and more", "text behind the answer", "text behind" },
        { HEAD STEP("a", "b<|answer_start|>", "c", "") TAIL("42", ""), "thought not closed", "step 1: thought not closed" },
        { HEAD STEP("a", "b", "c", "") NEXT "<|reasoning_step_start|>\n<|reasoning_step_name_start|>x", "cut off", "step 2: cut off" },
        { HEAD "<|reasoning_backtrack|>\n" STEP("a", "b", "c", "") TAIL("4", ""), "no step start", "step 1: no step start" } };
    for (int i = 0; i < countof(bad); i++) {
        struct arena a = {0};
        struct chain c;
        bool strict;
        const char *why = NULL;
        T_FAIL(parse(bad[i].text, &a, &c, &strict, &why), bad[i].message);
        T_STR(why, bad[i].why);
        arena_free(&a);
    }
}

/* Cut at every byte: the strict parse fails, the prefix parse keeps what is whole and nothing else. */
static void test_every_cut(void)
{
    struct chain whole, c;
    struct arena a = {0}, b = {0};
    bool strict;
    const char *why;
    T_OK(parse(two, &a, &whole, &strict, &why));
    for (size_t n = 0; n < strlen(two); n++) {
        char *cut = malloc(n ? n : 1);                       /* exact size, so that the sanitizer sees overreads */
        memcpy(cut, two, n);
        T_INT(chain_parse(cut, n, &b, &c, &strict, &why), -1);
        chain_parse_prefix(cut, n, &b, &c);
        int want = (n >= whole.step[0].end) + (n >= whole.step[1].end);
        T_INT(c.nstep, want);
        T_CHECK(!c.has_answer);
        for (int i = 0; i < want; i++) T_INT(c.step[i].end, whole.step[i].end);
        free(cut);
        arena_reset(&b);
    }
    chain_parse_prefix(two, strlen(two), &b, &c);
    T_CHECK(c.has_answer && same(c.answer, "42"));
    arena_free(&a);
    arena_free(&b);
}

static void test_direct_answer(void)
{
    struct buf b = {0};
    struct chain c = { .answer = { "42", 2 }, .has_answer = true };
    chain_write(&c, STEPS_TAGS, &b);
    T_STR(b.p, "<|answer_start|>42<|answer_end|>ки");
    buf_clear(&b);
    chain_write(&c, STEPS_OPEN, &b);
    T_STR(b.p, HEAD);
    buf_free(&b);
}

static void test_answer_find(void)
{
    struct slice s;
    const char *t = "x <|answer_start|> (A) <|answer_end|> <|answer_start|>B<|answer_end|>";
    T_CHECK(answer_find(t, strlen(t), &s) && same(s, "(A)"));
    T_CHECK(answer_find("<|answer_end|>z<|answer_start|> D ", 34, &s) && same(s, "D"));
    T_CHECK(!answer_find("<|answer_start|>B", 17, &s) && !answer_find("B<|answer_end|>", 15, &s));
    T_CHECK(answer_find("<|answer_start|><|answer_end|>", 30, &s) && same(s, ""));
}

static void test_table(void)
{
    enum step_token which;
    for (int i = 0; i < STEP_TOKENS; i++) T_CHECK(step_tokens[i].text && step_tokens[i].description);
    for (int i = 0; i < TOK_TAG; i++) {
        T_INT(marker_find(step_tokens[i].text, strlen(step_tokens[i].text), &which), 0);
        T_INT(which, i);
    }
}

int main(void)
{
    T_RUN(test_exact);
    T_RUN(test_tags);
    T_RUN(test_loose);
    T_RUN(test_reasons);
    T_RUN(test_every_cut);
    T_RUN(test_direct_answer);
    T_RUN(test_answer_find);
    T_RUN(test_table);
    return t_end();
}
