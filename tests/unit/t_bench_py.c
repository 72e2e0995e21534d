/* SPDX-License-Identifier: Apache-2.0
 * Python's text, numbers and random generator; expected values were printed by Python 3.12. */
#include "t.h"
#include "bench/py.h"

static struct arena a;

static bool is(struct slice s, const char *want)
{
    if (py_same(s, py_text(want))) return true;
    printf("# \"%.*s\", want \"%s\"\n", (int)s.n, s.p, want);
    return false;
}

static void test_float(void)
{
    static const struct { const char *s; bool ok; double x; } cases[] = {
        { "42", true, 42 }, { " \xE3\x80\x80" "1.5\n", true, 1.5 }, { ".5", true, 0.5 }, { "5.", true, 5 }, { "+1e3", true, 1000 }, { "-2E-1", true, -0.2 },
        { "1_000.5", true, 1000.5 }, { "1_0e1_0", true, 1e11 }, { "\xD9\xA1\xD9\xA2", true, 12 }, { "\xEF\xBC\x91", true, 1 },
        { "1e400", true, INFINITY }, { "-Infinity", true, -INFINITY }, { "iNf", true, INFINITY },
        { "", false, 0 }, { "1,000", false, 0 }, { "$5", false, 0 }, { "5%", false, 0 }, { "_1", false, 0 }, { "1_", false, 0 }, { "1__0", false, 0 },
        { "1_.5", false, 0 }, { "0x10", false, 0 }, { "nan(1)", false, 0 }, { "1e", false, 0 }, { ".", false, 0 }, { "--1", false, 0 }, { "1 2", false, 0 },
        { "infinit", false, 0 },
    };
    for (int i = 0; i < countof(cases); i++) {
        double x = 0;
        bool ok = py_float(py_text(cases[i].s), &x);
        if (ok != cases[i].ok || x != cases[i].x) t_bad++, printf("# \"%s\": %d %g\n", cases[i].s, ok, x);
    }
    double x = 0;
    T_CHECK(py_float(py_text("NaN"), &x) && isnan(x));
    T_CHECK(!py_float((struct slice){ "1\0", 2 }, &x));
}

static void test_int(void)
{
    struct slice s;
    T_CHECK(py_int(&a, py_text(" 007 "), &s) && is(s, "7"));
    T_CHECK(py_int(&a, py_text("-0"), &s) && is(s, "0"));
    T_CHECK(py_int(&a, py_text("+1_2"), &s) && is(s, "12"));
    T_CHECK(py_int(&a, py_text("-123456789012345678901234567890"), &s) && is(s, "-123456789012345678901234567890"));
    T_CHECK(!py_int(&a, py_text("2.0"), &s) && !py_int(&a, py_text(""), &s) && !py_int(&a, py_text("1e3"), &s));
    T_CHECK(py_truncate(&a, -0.5, &s) && is(s, "0"));
    T_CHECK(py_truncate(&a, -7.9, &s) && is(s, "-7"));
    T_CHECK(py_truncate(&a, 1e30, &s) && is(s, "1000000000000000019884624838656"));
    T_CHECK(!py_truncate(&a, INFINITY, &s) && !py_truncate(&a, NAN, &s));
}

static void test_round_and_print(void)
{
    static const struct { double x; int n; const char *text; } cases[] = {
        { 2.675, 2, "2.67" }, { 0.125, 2, "0.12" }, { 0.375, 2, "0.38" }, { -0.04, 1, "-0.0" }, { 1.25, 1, "1.2" }, { 3, 1, "3.0" }, { 1e22, 2, "1e+22" },
        { 1e16, 1, "1e+16" }, { 123456789012345.0, 1, "123456789012345.0" }, { 0.00012, 5, "0.00012" }, { 0.00001, 6, "1e-05" }, { 0.1 + 0.2, 17, "0.30000000000000004" },
        { INFINITY, 1, "inf" }, { 1e308, 2, "1e+308" },
    };
    for (int i = 0; i < countof(cases); i++) T_CHECK(is(py_float_text(&a, py_round(cases[i].x, cases[i].n)), cases[i].text));
    T_CHECK(is(py_float_text(&a, 5e-324), "5e-324") && is(py_float_text(&a, 0), "0.0") && is(py_float_text(&a, NAN), "nan"));
}

static void test_text(void)
{
    T_CHECK(is(py_strip(py_text("\xC2\xA0\t a b \xE2\x80\x83\r\n")), "a b"));
    T_CHECK(is(py_strip(py_text(" \n")), ""));
    T_CHECK(is(py_strip_chars(py_text("((A)"), "("), "A)"));
    T_CHECK(is(py_lower(&a, py_text("\xC3\x89 A\xC4\xB0 \xCE\x9F\xCE\xA3 \xCE\xA3\xCE\x91")), "\xC3\xA9 ai\xCC\x87 \xCE\xBF\xCF\x82 \xCF\x83\xCE\xB1"));
    T_CHECK(is(py_title(&a, py_text("iT's 2nd aPPLE")), "It'S 2Nd Apple"));
    T_CHECK(py_find(py_text("abab"), py_text("b")) == 1 && py_rfind(py_text("abab"), py_text("ab")) == 2);
    T_CHECK(py_rfind(py_text("abc"), py_text("")) == 3 && py_find(py_text("a"), py_text("ab")) == -1 && py_rfind(py_text("a"), py_text("ab")) == -1);
    T_INT(py_levenshtein(py_text("kitten"), py_text("sitting")), 3);
    T_INT(py_levenshtein(py_text(""), py_text("135\xC2\xB0")), 4);                 /* code points, not bytes */
    T_INT(py_levenshtein(py_text("\xE8\xA7\x92"), py_text("\xE5\xBA\xA6")), 1);
    struct slice rest = py_text(" a\xE3\x80\x80" "b "), w;
    T_CHECK(py_word(&rest, &w) && is(w, "a") && py_word(&rest, &w) && is(w, "b") && !py_word(&rest, &w));
}

static void test_list(void)
{
    struct slice s = py_text(" ['a\\'b', \"c, d\", 2014, 1.50, None] "), w;
    static const char *const want[] = { "a'b", "c, d", "2014", "1.5", "None" };
    T_CHECK(py_list(&s));
    for (int i = 0; i < countof(want); i++) T_CHECK(py_list_item(&a, &s, &w) && is(w, want[i]));
    T_CHECK(!py_list_item(&a, &s, &w) && !s.n);
    s = py_text("[Italy, Spain]");
    T_CHECK(py_list(&s) && !py_list_item(&a, &s, &w) && s.n);
    s = py_text("['open]");
    T_CHECK(py_list(&s) && !py_list_item(&a, &s, &w) && s.n);
    s = py_text("(1)");
    T_CHECK(!py_list(&s));
}

static void test_random(void)
{
    static const uint32_t first[] = { 2746317213u, 478163327u, 107420369u, 3184935163u, 1181241943u };
    static const int choice[] = { 0, 0, 2, 1, 1, 1, 0, 0, 3, 0, 0, 0 };
    struct py_random r;
    py_seed(&r, 42);
    for (int i = 0; i < countof(first); i++) T_INT(py_random32(&r), first[i]);
    py_seed(&r, 42);
    for (int i = 0; i < countof(choice); i++) T_INT(py_choice(&r, 4), choice[i]);
    int seen = 0;
    for (int i = 0; i < 2000; i++) seen |= 1 << py_choice(&r, 5);
    T_INT(seen, 31);
    T_INT(py_choice(&r, 1), 0);
    py_seed(&r, 0x123456789aULL);
    T_INT(py_random32(&r), 2322649219u);
}

int main(void)
{
    T_RUN(test_float);
    T_RUN(test_int);
    T_RUN(test_round_and_print);
    T_RUN(test_text);
    T_RUN(test_list);
    T_RUN(test_random);
    arena_free(&a);
    return t_end();
}
