/* SPDX-License-Identifier: Apache-2.0
 * Free-form chains: the rules in detail, and that damaged text is cut or refused but never overread.
 */
#include "text/freeform.h"

#include <stdlib.h>
#include "t.h"

static bool same(struct slice s, const char *want) { return s.n == strlen(want) && !memcmp(s.p, want, s.n); }

static void test_answers(void)
{
    static const struct { const char *text, *answer; } cases[] = {
        { "x\n\nAnswer: 42", "42" }, { "**Final Answer:** (B).", NULL }, { "x\n**Final Answer:** (B).", "(B)" },
        { "x\n### Answer:\n\n$7.5$\n", "7.5" }, { "so \\boxed{\\frac{1}{2}} holds", "\\frac{1}{2}" }, { "so \\boxed{1", NULL },
        { "The answer is: **D**. It fits.", "D" }, { "the ANSWER IS 3.14", "3.14" }, { "The answer is A. No, the answer is B", "B" },
        { "\\boxed{1}\nAnswer: \\boxed{2}", "2" }, { "Answer: 1\nthen\nAnswer: 2", "2" }, { "An answer: no", NULL }, { "Answers vary", NULL },
        { "y\nAnswer:", NULL }, { "it is 5</s><|im_end|>", NULL }, { "the answer is x</s> <|im_end|>\n", "x" } };
    for (int i = 0; i < countof(cases); i++) {
        struct arena a = {0};
        struct chain c;
        const char *rule, *why;
        int r = freeform_parse(cases[i].text, strlen(cases[i].text), &a, &c, &rule, &why);
        bool good = cases[i].answer ? r == 0 && c.has_answer && same(c.answer, cases[i].answer) : r != 0 || !c.has_answer;
        if (!good) printf("# \"%s\" gave \"%.*s\"\n", cases[i].text, (int)c.answer.n, c.answer.p ? c.answer.p : "");
        T_CHECK(good);
        arena_free(&a);
    }
}

static void test_rules(void)
{
    static const struct { const char *text, *rule; int steps; } cases[] = {
        { "Step 1: a\nb\nStep 2: c", "step", 2 }, { "Step 1: only one", "paragraph", 1 }, { "steps 1 and\nstep aside", "paragraph", 1 },
        { "intro\n> **Step 1.** a\n- Step 10) b", "step", 3 }, { "1. a\n2. b", "numbered", 2 }, { "1. a\n3. b", "paragraph", 1 },
        { "1.5 m\n2.5 m", "paragraph", 1 }, { "(1) a\n(2) b\n\n3) c", "numbered", 3 }, { "# A\nx\n# B\ny", "heading", 2 },
        { "#no\n#no", "paragraph", 1 }, { "**A** and **B**\n**C** x", "paragraph", 1 }, { "a\n \nb\r\n\r\nc", "paragraph", 3 },
        { "<SUMMARY>a</SUMMARY><CAPTION> </CAPTION>", "paragraph", 1 }, { "<SUMMARY>a</SUMMARY><REASONING>b</REASONING>", "llava-cot", 2 } };
    for (int i = 0; i < countof(cases); i++) {
        struct arena a = {0};
        struct chain c;
        const char *rule = "", *why;
        T_OK(freeform_parse(cases[i].text, strlen(cases[i].text), &a, &c, &rule, &why));
        T_STR(rule, cases[i].rule);
        T_INT(c.nstep, cases[i].steps);
        arena_free(&a);
    }
}

static void test_names(void)
{
    static const char text[] = "1. **Look**: red\n2. **Think:** blue\n3. **Bold** words\n4. plain";
    struct arena a = {0};
    struct chain c;
    const char *rule, *why;
    T_OK(freeform_parse(text, sizeof text - 1, &a, &c, &rule, &why));
    T_INT(c.nstep, 4);
    T_CHECK(same(c.step[0].name, "Look") && same(c.step[0].thought, "red"));
    T_CHECK(same(c.step[1].name, "Think") && same(c.step[1].thought, "blue"));
    T_CHECK(same(c.step[2].name, "Bold") && same(c.step[2].thought, "words"));
    T_CHECK(same(c.step[3].name, "") && same(c.step[3].thought, "plain"));
    T_INT(c.step[3].begin, sizeof text - 1 - 5);
    T_FAIL(freeform_parse(" </s> ", 6, &a, &c, &rule, &why), "empty text");
    T_STR(why, "empty text");
    T_FAIL(freeform_parse("Answer: B", 9, &a, &c, &rule, &why), "no step");
    arena_free(&a);
}

static void test_damaged(void)
{
    static const char piece[][16] = { "Step 1: ", "\n", "\n\n", "**", "# ", "2. ", "1) ", "(1", "Answer:", "answer is ", "\\boxed{", "}", ".", "</s>",
        "<SUMMARY>", "</SUMMARY>", "<CONCLUSION>", "<|im_end|>", " x ", "\xff", "$" };
    uint32_t x = 7;
    for (int i = 0; i < 20000; i++) {
        char text[128];
        size_t n = 0;
        struct arena a = {0};
        struct chain c;
        const char *rule, *why;
        for (int k = 0; k < 9; k++) {
            x = x * 1664525 + 1013904223;
            const char *p = piece[(x >> 16) % countof(piece)];
            memcpy(text + n, p, strlen(p));
            n += strlen(p);
        }
        n -= x % 3;
        char *exact = malloc(n);
        memcpy(exact, text, n);
        if (!freeform_parse(exact, n, &a, &c, &rule, &why)) {
            T_CHECK(c.nstep > 0);
            for (int k = 0; k < c.nstep; k++) T_CHECK(c.step[k].thought.n && c.step[k].end <= n);
        }
        free(exact);
        arena_free(&a);
    }
}

int main(void)
{
    T_RUN(test_answers);
    T_RUN(test_rules);
    T_RUN(test_names);
    T_RUN(test_damaged);
    return t_end();
}
