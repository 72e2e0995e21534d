/* SPDX-License-Identifier: Apache-2.0 */
#include "t.h"
#include "record/answer.h"

static struct slice text(const char *s) { return (struct slice){ s, strlen(s) }; }

static void test_canonical(void)
{
    static const char *const cases[][2] = {
        { " The  Red\tCircle. ", "red circle" }, { "\"yes\"", "yes" }, { "**B**", "b" }, { "(c)", "c" }, { "an apple", "apple" },
        { "a", "a" }, { "the", "the" }, { "", "" }, { " . ", "" }, { "3.", "3" }, { ".5", ".5" }, { "-5", "-5" }, { "$5", "$5" },
        { "5%", "5%" }, { "a 'star'", "star" }, { "\xC3\x89t\xC3\xA9", "\xC3\x89t\xC3\xA9" }, { "theory", "theory" }, { "x  -  y", "x - y" },
    };
    for (int i = 0; i < countof(cases); i++) {
        struct buf b = { 0 };
        answer_canonical(text(cases[i][0]), &b);
        T_STR(b.p, cases[i][1]);
        buf_free(&b);
    }
}

static void test_number(void)
{
    static const struct { const char *s; bool ok; double x; } cases[] = {
        { "42", true, 42 }, { "-3.5", true, -3.5 }, { "1,234", true, 1234 }, { "1,234,567.25", true, 1234567.25 }, { "$12", true, 12 },
        { "12%", true, 0.12 }, { " 7. ", true, 7 }, { ".5", true, 0.5 }, { "1e3", true, 1000 }, { "2.5E-1", true, 0.25 }, { "+4", true, 4 },
        { "\xE2\x88\x92" "4", true, -4 }, { "\xE2\x82\xAC" "9", true, 9 },
        { "", false, 0 }, { "-", false, 0 }, { "12,34", false, 0 }, { "1,23", false, 0 }, { "1234,567", false, 0 }, { "1.2.3", false, 0 },
        { "0x10", false, 0 }, { "inf", false, 0 }, { "nan", false, 0 }, { "1e999", false, 0 }, { "1e", false, 0 }, { "3 cats", false, 0 },
        { "--4", false, 0 }, { "1,234,5", false, 0 },
    };
    for (int i = 0; i < countof(cases); i++) {
        double x = 0;
        if (answer_number(text(cases[i].s), &x) != cases[i].ok || fabs(x - cases[i].x) > 1e-12 * fabs(x)) {
            t_bad++;
            printf("# \"%s\": %g\n", cases[i].s, x);
        }
    }
    char longest[400];
    memset(longest, '9', sizeof longest);
    double x;
    T_CHECK(!answer_number((struct slice){ longest, sizeof longest }, &x));
}

static bool same(enum answer_match how, const char *got, const char *gold)
{
    const struct slice choice[] = { text("blue"), text("red"), text("The green one") };
    return answer_equal(how, text(got), text(gold), choice, 3);
}

static void test_matches(void)
{
    T_CHECK(same(ANSWER_EXACT, "Red.", "red"));
    T_CHECK(!same(ANSWER_EXACT, "3.0", "3"));
    T_CHECK(!same(ANSWER_EXACT, "", "3"));
    T_CHECK(same(ANSWER_NUMBER, "3.0", "3"));
    T_CHECK(same(ANSWER_NUMBER, "1,000", "1000"));
    T_CHECK(!same(ANSWER_NUMBER, "3.1", "3"));
    T_CHECK(!same(ANSWER_NUMBER, "three", "3"));
    T_CHECK(same(ANSWER_NUMBER, "Red", "red"));
    T_CHECK(same(ANSWER_RELAXED, "105", "100"));
    T_CHECK(same(ANSWER_RELAXED, "95", "100"));
    T_CHECK(!same(ANSWER_RELAXED, "105.01", "100"));
    T_CHECK(same(ANSWER_RELAXED, "-95", "-100"));
    T_CHECK(!same(ANSWER_RELAXED, "95", "-100"));
    T_CHECK(same(ANSWER_RELAXED, "0.0", "0"));
    T_CHECK(!same(ANSWER_RELAXED, "0.01", "0"));
    T_CHECK(!same(ANSWER_RELAXED, "12%", "12"));      /* as in ChartQA's script */
    T_CHECK(same(ANSWER_RELAXED, "12%", "0.12"));
    T_CHECK(same(ANSWER_RELAXED, "Yes", "yes"));
}

static void test_choices(void)
{
    static const char *const second[] = { "B", "b", "(B)", "B.", "B. red", "b: red", "red", "Red.", "the red" };
    for (int i = 0; i < countof(second); i++) T_CHECK(same(ANSWER_CHOICE, second[i], "B"));
    T_CHECK(same(ANSWER_CHOICE, "green one", "C"));
    T_CHECK(same(ANSWER_CHOICE, "A", "blue"));
    T_CHECK(!same(ANSWER_CHOICE, "A", "B"));
    T_CHECK(!same(ANSWER_CHOICE, "D", "B"));
    T_CHECK(!same(ANSWER_CHOICE, "bed", "B"));
    T_CHECK(!same(ANSWER_CHOICE, "", "B"));
    const struct slice labels[] = { text("C"), text("A"), text("B") };
    T_INT(answer_choice(text("a"), labels, 3), 1);    /* a choice's text counts before a letter */
}

int main(void)
{
    T_RUN(test_canonical);
    T_RUN(test_number);
    T_RUN(test_matches);
    T_RUN(test_choices);
    return t_end();
}
