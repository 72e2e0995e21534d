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
        { "x\n\nAnswer: 42", "42" }, { "**Final Answer:** (B).", "(B)" }, { "x\n**Final Answer:** (B).", "(B)" },
        { "x\n### Answer:\n\n$7.5$\n", "7.5" }, { "so \\boxed{\\frac{1}{2}} holds", "\\frac{1}{2}" }, { "so \\boxed{1", NULL },
        { "The answer is: **D**. It fits.", "D" }, { "the ANSWER IS 3.14", "3.14" }, { "The answer is A. No, the answer is B", "B" },
        { "\\boxed{1}\nAnswer: \\boxed{2}", "2" }, { "Answer: 1\nthen\nAnswer: 2", "2" }, { "An answer: no", NULL }, { "Answers vary", NULL },
        { "y\nAnswer:", NULL }, { "the correct option is (C) 5 $\\pi$.", "(C) 5 $\\pi$" }, { "It costs. The answer is $7.", "$7" },
        { "The answer is 125, but it is no option.", "125" }, { "the correct option is not given", NULL },
        { "\u56e0\u6b64\uff0c\u7b54\u6848\u662f B\u3002", "B" }, { "C", "C" }, { "(D)</s>", "(D)" }, { "<think>a b</think><answer>\\boxed{7}</answer>", "7" },
        { "<think>So the answer is 3.</think>", "3" }, { "<think>a b c d e</think>\n**B**", "B" }, { "it is 5</s><|im_end|>", NULL }, { "the answer is x</s> <|im_end|>\n", "x" } };
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
        { "Step 1: a\nb\nStep 2: c", "step", 2 }, { "Step 1: only one", "whole", 1 }, { "steps 1 and\nstep aside", "whole", 1 },
        { "intro\n> **Step 1.** a\n- Step 10) b", "step", 3 }, { "Step 1: a. Then step 2: b. Step 3: c", "step", 3 },
        { "\u6b65\u9aa4 1\uff1aa\n\u7b2c2\u6b65\uff1ab", "step", 2 }, { "Step 1: a\nStep 2: b\n\nc\n\nTherefore d", "step", 3 },
        { "1. Look at the red bar\n2. Count all of its parts", "numbered", 2 }, { "1. a\n3. b", "whole", 1 },
        { "1. Look at the red bar\n2. Count all of its parts\n   - one\n\n   - two\n\nSo it is.", "numbered", 3 },
        { "There are two:\n1. Germany\n2. Japan", "whole", 1 }, { "There are two:\n\n1. Germany\n2. Japan\n\nThat is all.", "paragraph", 2 },
        { "1.5 m\n2.5 m", "whole", 1 }, { "(1) **a**\n(2) **b**\n\n3) the third of these here", "numbered", 3 }, { "# A\nx\n# B\ny", "heading", 2 },
        { "# A\nx\n# B\ny\n\nz\n\nThus w", "heading", 3 }, { "#no\n#no", "whole", 1 }, { "**A** and **B**\n**C** x", "whole", 1 },
        { "a\n \nb\r\n\r\nc", "paragraph", 3 }, { "This gives:\n\nx = 2\n\nSo it is 2.", "paragraph", 2 }, { "Code\n\n```\na\n\nb\n```\n\nend", "paragraph", 3 },
        { "We have\n\n\\[ x\n\n= 2 \\]\n\nand so on", "paragraph", 2 }, { "**Look**: red\n\n**Think**: blue", "paragraph", 2 },
        { "Look at the bars here.\nThere are three of them.", "line", 2 }, { "Look at these bars here:\nThere are three of them.", "whole", 1 },
        { "hard wrapped text that\ngoes on in the next line", "whole", 1 }, { "The first is red. The next one is blue.", "sentence", 2 },
        { "Yes. The first is red. Mr. J. Smith (e.g. No. 3. Ok) is 3.5 m tall. Fine.", "sentence", 2 },
        { "\u56e0\u4e3a\u5b83\u662f\u7ea2\u8272\u7684\u3002\u6240\u4ee5\u5b83\u4e0d\u662f\u84dd\u8272\u7684\u3002", "sentence", 2 }, { "The option B. It is red and so on.", "whole", 1 },
        { "<think>The first is red. The next one is blue.</think>Both are here. The answer is 2.", "think", 3 }, { "B", "answer", 0 }, { "Answer: B", "answer", 0 },
        { "<SUMMARY>a</SUMMARY><CAPTION> </CAPTION>", "whole", 1 }, { "<SUMMARY>a</SUMMARY><REASONING>b</REASONING>", "llava-cot", 2 } };
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
    T_FAIL(freeform_parse("**", 2, &a, &c, &rule, &why), "no step");
    arena_free(&a);
}

static void test_damaged(void)
{
    static const char piece[][16] = { "Step 1: ", "\n", "\n\n", "**", "# ", "2. ", "1) ", "(1", "Answer:", "answer is ", "\\boxed{", "}", ".", "</s>",
        "<SUMMARY>", "</SUMMARY>", "<think>", "</think>", "<answer>", "```", "\\[", "\u3002", ". The ", "Thus ", ":\n\n", " = 2", "<CONCLUSION>", "<|im_end|>", " x ", "\xff", "$" };
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
            T_CHECK(c.nstep > 0 || c.has_answer);
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
