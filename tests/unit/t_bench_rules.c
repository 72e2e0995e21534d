/* SPDX-License-Identifier: Apache-2.0
 * Every rule and trap of the benchmarks' protocols, a record each. Expected values were printed by the benchmarks' own
 * functions, where there are such. */
#include "t.h"
#include "bench/bench.h"
#include "bench/py.h"
#include "record/jsonl.h"

struct trial { const char *record; const char *want; bool right; };            /* want: the prediction; NULL: unparsed */

static struct bench_rule rule_of(const char *bench, enum bench_protocol p, enum bench_extract e)
{
    return (struct bench_rule){ .bench = bench_find(bench), .protocol = p, .extract = e };
}

static void unpack(const char *json, struct record *r)
{
    struct buf b = { 0 };
    T_OK(jsonl_get(json, strlen(json), &b));
    T_OK(rec_unpack(r, b.p, b.len));
    buf_free(&b);
}

static void try_all(const struct bench_rule *rule, const struct trial *t, int n)
{
    struct arena a = { 0 };
    struct record *r = rec_new();
    T_OK(bench_check(rule));
    for (int i = 0; i < n; i++) {
        struct bench_verdict v = { 0 };
        unpack(t[i].record, r);
        T_OK(bench_judge(rule, r, &a, &v));
        bool same = v.parsed ? t[i].want && py_same(v.prediction, py_text(t[i].want)) : !t[i].want;
        if (same && v.right == t[i].right) continue;
        t_bad++;
        printf("# %s %s: \"%.*s\" parsed %d right %d\n#   %s\n", bench_name(rule->bench), bench_protocol_words[rule->protocol], (int)v.prediction.n,
               v.parsed ? v.prediction.p : "", v.parsed, v.right, t[i].record);
    }
    rec_free(r);
    arena_free(&a);
}

/* A record of a text response; m: more keys, with a comma behind each. */
#define TEXT(m, text) "{\"id\": \"1\", " m "\"path\": {\"text\": \"" text "\"}}"
#define STORED(m, answer) "{\"id\": \"1\", " m "\"path\": {\"answer\": \"" answer "\"}}"
#define AS "<|answer_start|>"
#define AE "<|answer_end|>"

/* ---- 0.1: the markers ---- */

#define GOLD_B "\"answer\": \"B\", "
static void test_markers(void)
{
    static const struct trial t[] = {
        { TEXT(GOLD_B, AS " (B) " AE), "B", true },
        { TEXT(GOLD_B, "x" AS "B" AE " x " AS "C" AE), "B", true },                    /* the first of two */
        { TEXT(GOLD_B, AS "B"), NULL, false },                                          /* no end */
        { TEXT(GOLD_B, "B" AE), NULL, false },
        { TEXT(GOLD_B, AE "z" AS " D "), "D", false },                                  /* reversed */
        { TEXT(GOLD_B, AS "( B )" AE), " B ", false },                                  /* spaces within brackets stay */
        { TEXT(GOLD_B, AS ")B(" AE), "B", true },
        { TEXT(GOLD_B, AS "((B))" AE), "B", true },
        { TEXT(GOLD_B, AS "(B) cat" AE), "B) cat", false },
        { TEXT(GOLD_B, AS "f(2)" AE), "f(2", false },
        { TEXT(GOLD_B, AS AE), "", false },                                             /* empty: kept, and wrong */
        { TEXT(GOLD_B, AS "B. cat" AS "C" AE), "B. cat", false },
        { TEXT(GOLD_B, AS "b" AE), "b", false },                                        /* case counts */
        { TEXT(GOLD_B, AS "**B**" AE), "**B**", false },
        { TEXT(GOLD_B, "The answer is B"), NULL, false },
        { STORED(GOLD_B, "B"), "B", true },                                             /* without text: rebuilt from the path */
        { STORED(GOLD_B, "(B)"), "B", true },
        { "{\"id\": \"1\", " GOLD_B "\"path\": {\"steps\": [{\"name\": \"n\", \"thought\": \"t\", \"reflection\": \"\"}], \"answer\": \"B\"}}", "B", true },
        { "{\"id\": \"1\", " GOLD_B "\"path\": {\"steps\": [{\"name\": \"n\", \"thought\": \"t\", \"reflection\": \"\"}]}}", NULL, false },
        { "{\"id\": \"1\", " GOLD_B "\"path\": {}}", NULL, false },
    };
    static const char *const same[] = { "mmstar", "m3cot" };
    for (int i = 0; i < countof(same); i++) {
        struct bench_rule rule = rule_of(same[i], BENCH_COS, EXTRACT_AUTO);
        try_all(&rule, t, countof(t));
        rule.extract = EXTRACT_MARKERS;
        try_all(&rule, t, countof(t));
    }
}

/* ---- 0.2 ---- */

static void test_other_extractions(void)
{
    static const struct trial final[] = {
        { TEXT(GOLD_B, "Think. fInAl AnSwEr:  B  \\nC"), "B", true },
        { TEXT(GOLD_B, "Answer: \\n\\n B \\n more"), "B", true },
        { TEXT(GOLD_B, "Answer: C. Final answer: B"), "C. Final answer: B", false },     /* the first of both cues */
        { TEXT(GOLD_B, "B"), "B", true },
        { TEXT(GOLD_B, "it is B"), "it is B", false },
    };
    static const struct trial plain[] = { { TEXT(GOLD_B, AS "B" AE), AS "B" AE, false }, { TEXT(GOLD_B, "B"), "B", true }, { STORED(GOLD_B, "B"), "B", true } };
    static const struct trial stored[] = { { "{\"id\": \"1\", " GOLD_B "\"path\": {\"text\": \"C\", \"answer\": \"B\"}}", "B", true }, { TEXT(GOLD_B, "B"), NULL, false } };
    struct bench_rule rule = rule_of("m3cot", BENCH_COS, EXTRACT_FINAL);
    try_all(&rule, final, countof(final));
    rule.extract = EXTRACT_PLAIN;
    try_all(&rule, plain, countof(plain));
    rule.extract = EXTRACT_STORED;
    try_all(&rule, stored, countof(stored));
}

/* ---- MathVista ---- */

#define MV_CHOICE "\"choices\": [\"145\\u00b0\", \"Yes\", \"No\"], \"answer\": \"Yes\", \"meta\": {\"question_type\": \"multi_choice\", \"answer_type\": \"text\"}, "
#define MV_KIND(kind, precision, gold) "\"answer\": \"" gold "\", \"meta\": {\"question_type\": \"free_form\", \"answer_type\": \"" kind "\", \"precision\": " precision "}, "
#define MV_INT MV_KIND("integer", "null", "14")
#define MV_FLOAT MV_KIND("float", "2", "2.67")

static void test_mathvista(void)
{
    static const struct trial stored[] = {
        { STORED(MV_CHOICE, "(b) or (C)"), "Yes", true },              /* the first letter in brackets */
        { STORED(MV_CHOICE, " B "), "Yes", true },
        { STORED(MV_CHOICE, "D"), "No", false },                       /* no such option: the nearest choice */
        { STORED(MV_CHOICE, "b"), "No", false },                       /* a small letter is none */
        { STORED(MV_CHOICE, "(Z)"), "No", false },
        { STORED(MV_CHOICE, ""), "No", false },                        /* the shortest choice */
        { STORED(MV_CHOICE, "yes!"), "Yes", true },
        { STORED(MV_CHOICE, "\\u89d2"), "No", false },                 /* distances in code points */
        { STORED(MV_INT, "14.0"), "14", true }, { STORED(MV_INT, " 14.9 "), "14", true }, { STORED(MV_INT, "1_4"), "14", true },
        { STORED(MV_INT, "14 cm"), NULL, false }, { STORED(MV_INT, "1,400"), NULL, false }, { STORED(MV_INT, "inf"), NULL, false },
        { STORED(MV_INT, "nan"), NULL, false }, { STORED(MV_INT, "-0.5"), "0", false },
        { STORED(MV_FLOAT, "2.675"), "2.67", true }, { STORED(MV_FLOAT, "2.67"), "2.67", true }, { STORED(MV_FLOAT, "$2.67"), NULL, false },
        { STORED(MV_KIND("float", "1", "0.0"), "-0.04"), "-0.0", false },              /* negative zero is another text */
        { STORED(MV_KIND("float", "2", "0.1"), "0.1"), "0.1", true }, { STORED(MV_KIND("float", "1", "3.0"), "3"), "3.0", true },
        { STORED(MV_KIND("float", "null", "3.0"), "3"), NULL, false },
        { STORED(MV_KIND("list", "null", "[1, 2]"), "[1, 2]"), "[1, 2]", true }, { STORED(MV_KIND("list", "null", "[1, 2]"), "[1,2]"), "[1,2]", false },
        { "{\"id\": \"1\", " MV_INT "\"path\": {}}", NULL, false },
        { "{\"id\": \"1\", " MV_INT "\"path\": {\"answer\": 14.0}}", "14", true },
        { STORED("\"choices\": [\"x\", \"x\"], \"answer\": \"x\", \"meta\": {\"question_type\": \"multi_choice\"}, ", "(B)"), "x", true },
    };
    static const struct trial response[] = {
        { TEXT(MV_INT, "14"), "14", true }, { TEXT(MV_INT, "It is 14"), NULL, false }, { TEXT(MV_INT, ""), NULL, false },
        { TEXT(MV_INT, "So: The answer is \\\"14.2\\\". Done"), "14", true }, { TEXT(MV_FLOAT, "2.6701"), "2.67", true },
        { TEXT(MV_CHOICE, "Yes"), "Yes", true }, { TEXT(MV_CHOICE, "I think yes"), NULL, false }, { TEXT(MV_CHOICE, ""), "No", false },
        { TEXT(MV_CHOICE, AS "(B)" AE), "Yes", true }, { TEXT(MV_INT, AS "14.7" AE), "14", true },
    };
    static const struct trial text_ints[] = { { STORED(MV_INT, "14.0"), NULL, false }, { STORED(MV_INT, "+014"), "14", true }, { STORED(MV_CHOICE, ""), NULL, false },
        { STORED(MV_CHOICE, "(B)"), "Yes", true } };
    struct bench_rule rule = rule_of("mathvista", BENCH_OFFICIAL, EXTRACT_STORED);
    try_all(&rule, stored, countof(stored));
    rule.int_text = rule.no_guess = true;
    try_all(&rule, text_ints, countof(text_ints));
    rule = rule_of("mathvista", BENCH_OFFICIAL, EXTRACT_AUTO);
    try_all(&rule, response, countof(response));
}

static void test_mathvista_others(void)
{
    static const struct trial cos[] = {
        { TEXT(MV_CHOICE, AS "Beans" AE), "B", true },                 /* the right answer is a letter: so the first is taken */
        { TEXT(MV_CHOICE, AS "b" AE), "b", true }, { TEXT(MV_CHOICE, AS " ( B ) x" AE), "B", true }, { TEXT(MV_CHOICE, AS "Yes" AE), "Yes", false },
        { TEXT(MV_INT, AS "14.0" AE), "14.0", false }, { TEXT(MV_INT, AS "14 cm" AE), "14 cm", false }, { TEXT(MV_INT, AS "14" AE), "14", true },
        { TEXT("\"answer\": \"Red Cat\", ", AS "red cat" AE), "red cat", true }, { TEXT(MV_INT, "14"), NULL, false },
        { TEXT("\"answer\": \"C\", ", AS "Cat" AE), "C", true },
    };
    static const struct trial kit[] = {
        { TEXT(MV_CHOICE, "The answer is B."), "B", true }, { TEXT(MV_CHOICE, "yes"), "B", true }, { TEXT(MV_CHOICE, "maybe"), NULL, false },
        { TEXT(MV_INT, "14"), "14", true }, { TEXT(MV_INT, "14.0"), NULL, false }, { TEXT(MV_FLOAT, "2.670"), "2.67", true },
        { TEXT(MV_FLOAT, AS "2.675" AE), "2.675", false },             /* floats are not rounded */
        { STORED(MV_KIND("list", "null", "[1]"), "[1]"), "[1]", true },
    };
    struct bench_rule rule = rule_of("mathvista", BENCH_COS, EXTRACT_AUTO);
    T_CHECK(bench_gold_note(&rule) != NULL);
    try_all(&rule, cos, countof(cos));
    rule = rule_of("mathvista", BENCH_VLMEVALKIT, EXTRACT_AUTO);
    T_CHECK(!bench_gold_note(&rule));
    try_all(&rule, kit, countof(kit));
}

/* ---- MMStar ---- */

#define GOLD_A "\"answer\": \"A\", "
static void test_mmstar(void)
{
    static const struct trial t[] = {
        { TEXT(GOLD_A, "an apple"), "A", true }, { TEXT(GOLD_A, " (a) x"), "A", true }, { TEXT(GOLD_A, "Option A"), "A", true },
        { TEXT(GOLD_A, "The answer is A"), "A", true }, { TEXT(GOLD_A, "The answer\\nis a."), "A", true }, { TEXT(GOLD_A, "The answer is (A)"), NULL, false },
        { TEXT(GOLD_A, "the answer is: a"), NULL, false }, { TEXT(GOLD_A, "**A**"), NULL, false }, { TEXT(GOLD_A, "Answer: B"), "A", true },
        { TEXT(GOLD_B, "Answer: B"), "A", false }, { TEXT(GOLD_A, ""), NULL, false }, { TEXT(GOLD_A, "("), NULL, false }, { TEXT(GOLD_A, "E"), NULL, false },
        { TEXT(GOLD_B, "x" AS "(B)" AE), "B", true },
    };
    struct bench_rule rule = rule_of("mmstar", BENCH_OFFICIAL, EXTRACT_AUTO);
    try_all(&rule, t, countof(t));
    T_INT(bench_fixed_size(&rule, NULL), 1500);
    T_INT(bench_fixed_size(&rule, "category"), 250);
    T_INT(bench_fixed_size(&rule, "l2_category"), 0);
    rule.protocol = BENCH_COS;
    T_INT(bench_fixed_size(&rule, NULL), 0);
}

/* ---- MMMU ---- */

#define MU4 "\"choices\": [\"red\", \"blue\", \"dark red\", \"green\"], "
static void test_mmmu_choice(void)
{
    static const struct trial t[] = {
        { TEXT(MU4 GOLD_B, "(C) then (B)"), "B", true }, { TEXT(MU4 GOLD_B, "B or C"), "C", false }, { TEXT(MU4 GOLD_B, "answer: B"), "B", true },
        { TEXT(MU4 GOLD_B, "A)"), NULL, false }, { TEXT(MU4 GOLD_B, "b"), NULL, false }, { TEXT(MU4 GOLD_B, "\\\"B\\\""), NULL, false },
        { TEXT(MU4 GOLD_B, "'B'"), "B", true }, { TEXT(MU4 GOLD_B, "B."), "B", true }, { TEXT(MU4 GOLD_B, "B.\\n"), NULL, false },
        { TEXT(MU4 GOLD_B, "?B!,"), "B", true }, { TEXT(MU4 GOLD_B, "B,!"), NULL, false },       /* each mark once, "," before "!" */
        { TEXT(MU4 GOLD_B, "!,B,!"), NULL, false }, { TEXT(MU4 GOLD_B, ",!B!,"), "B", true },
        { TEXT(MU4 GOLD_A, "I think it would be dark red here"), "A", true },          /* "red" begins later than "dark red" */
        { TEXT(MU4 GOLD_B, "It is clearly Blue to me"), "B", true }, { TEXT(MU4 GOLD_B, "clearly blue to me"), NULL, false },     /* five words */
        { TEXT(MU4 GOLD_B, "I say A but (B) it is"), "B", true },      /* brackets come first */
        { TEXT(MU4 GOLD_B, ""), NULL, false },
        { TEXT(MU4 "\"meta\": {\"answers\": [\"A\", \"B\"]}, ", "(B)"), "B", true },
        { TEXT(MU4 GOLD_B, "x " AS "(B)" AE), "B", true },
    };
    static const struct trial cos[] = {
        { TEXT(MU4 GOLD_A, AS "Apple" AE), "A", true }, { TEXT(MU4 GOLD_B, AS "the blue one" AE), "B", true }, { TEXT(MU4 GOLD_A, AS "so dark red" AE), "A", true },
        { TEXT(MU4 GOLD_B, AS "BLUE" AE), "B", true }, { TEXT(MU4 GOLD_B, AS "x Blue" AE), "x Blue", false }, { TEXT(MU4 GOLD_B, AS "b" AE), "b", false },
        { TEXT(MU4 GOLD_B, AS AE), "", false },                        /* the reference crashes on it */
    };
    static const struct trial stored[] = { { STORED(MU4 GOLD_B, "B"), "B", true }, { STORED(MU4 GOLD_B, "(B)"), "(B)", false },
        { STORED("\"answer\": \"B\", \"meta\": {\"question_type\": \"multiple-choice\"}, ", "B"), "B", true } };
    struct bench_rule rule = rule_of("mmmu", BENCH_OFFICIAL, EXTRACT_AUTO);
    try_all(&rule, t, countof(t));
    rule.extract = EXTRACT_STORED;
    try_all(&rule, stored, countof(stored));
    rule = rule_of("mmmu", BENCH_COS, EXTRACT_AUTO);
    try_all(&rule, cos, countof(cos));
}

static void test_mmmu_open(void)
{
    static const struct trial t[] = {
        { TEXT("\"answer\": \"42\", ", "The answer is 42."), "42.0 | 42.0", true },
        { TEXT("\"answer\": \"36\", ", "36 watts"), "36 watts | 36.0", true },
        { TEXT("\"answer\": \"234.5\", ", "$1,234.50"), "$1,234.50 | 1234.0 | 234.5", true },
        { TEXT("\"answer\": \"1000\", ", "so 1e3"), "1000.0 | 1000.0 | 3.0", true },
        { TEXT("\"answer\": \"0.286\", ", "0.29"), "0.29 | 0.29", true }, { TEXT("\"answer\": \"0.9965\", ", "1"), "1.0 | 1.0", true },
        { TEXT("\"answer\": \"1/64\", ", "0.015625"), "0.02 | 0.02", false }, { TEXT("\"answer\": \"-141\", ", "141"), "141.0 | 141.0", false },
        { TEXT("\"answer\": \"C\", ", "The answer is C"), " c | c ", true }, { TEXT("\"answer\": \"C\", ", "cat"), "cat", false },
        { TEXT("\"answer\": \"x\", ", "This: a\\nthe result = b = 7"), "7.0 | 7.0", false },           /* "=" in the last line alone */
        { TEXT("\"answer\": \"x\", ", "this = 3\\nnone"), "= 3 | 3.0", false },                        /* "this " holds "is " */
        { TEXT("\"answer\": \"4\", ", "is so 4 = 4"), "4.0 | 4.0", true }, { TEXT("\"answer\": \"x\", ", "the end is :"), "the end is :", false },
        { TEXT("\"answer\": \"q\", ", "1.5e3x 1,2 3,"), "1.5e3x 1,2 3, | 1500.0 | 1.0 | 2.0", false },
        { TEXT("\"answer\": \"dog\", \"meta\": {\"answers\": [\"Tampa\", \"dog\"]}, ", "so a DOG"), "a dog", true },
        { TEXT("\"answer\": \"x\", ", ""), NULL, false },
        { TEXT("\"answer\": \"7\", \"meta\": {\"question_type\": \"open\"}, ", AS "7" AE), "7.0 | 7.0", true },
    };
    static const struct trial kit[] = { { TEXT("\"answer\": \"tampa\", ", "I say Tampa"), "A", true }, { TEXT("\"answer\": \"x\", ", "B"), "B", false },
        { TEXT(MU4 GOLD_B, "blue."), "B", true } };
    struct bench_rule rule = rule_of("mmmu", BENCH_OFFICIAL, EXTRACT_AUTO);
    try_all(&rule, t, countof(t));
    rule.protocol = BENCH_VLMEVALKIT;
    T_CHECK(bench_gold_note(&rule) != NULL);
    try_all(&rule, kit, countof(kit));
}

/* ---- M3CoT ---- */

#define M3 "\"choices\": [\"Increase\", \"No change\", \"Decrease\", \"A decrease\"], "
static void test_m3cot(void)
{
    static const struct trial t[] = {
        { TEXT(M3 GOLD_B, "(a) or (B)"), "B", true }, { TEXT(M3 GOLD_B, "increase then decrease"), "C", false }, { TEXT(M3 GOLD_B, "D B"), "D", false },
        { TEXT(M3 GOLD_B, "B) foo"), NULL, false }, { TEXT(M3 GOLD_B, "\\\"B\\\""), NULL, false }, { TEXT(M3 GOLD_B, "No"), NULL, false },
        { TEXT(M3 GOLD_A, "[Answer] (A) [Rationale] (B)"), "A", true }, { TEXT(M3 GOLD_A, "(B) [Answer] (C) [Answer] (A) [Context] (D)"), "A", true },
        { TEXT(M3 GOLD_A, "(x)"), "X", false },                        /* any letter in brackets decides */
        { TEXT(M3 GOLD_A, "this is a test"), "A", true }, { TEXT(M3 GOLD_B, "say b,\\nc!"), "C", false }, { TEXT(M3 GOLD_B, "E"), NULL, false },
        { TEXT(M3 GOLD_B, "so: B."), "B", true }, { TEXT(M3 GOLD_B, ""), NULL, false }, { TEXT(M3 "\"answer\": 1, ", "(B)"), "B", true },
        { TEXT(M3 GOLD_B, "x" AS "B" AE), "B", true },
    };
    struct bench_rule rule = rule_of("m3cot", BENCH_OFFICIAL, EXTRACT_AUTO);
    try_all(&rule, t, countof(t));
}

/* ---- AI2D, and VLMEvalKit's inference of options ---- */

#define CATS "\"choices\": [\"cat\", \"dog\", \"red dog\"], "
static void test_options(void)
{
    static const struct trial kit[] = {
        { TEXT(CATS GOLD_A, "The answer is (A)."), "A", true }, { TEXT(CATS GOLD_A, "A or B"), NULL, false }, { TEXT(CATS GOLD_A, "It is a CAT"), "A", true },
        { TEXT(CATS GOLD_A, "red dog"), NULL, false },                 /* two options' texts are in it */
        { TEXT(CATS GOLD_A, "A A A"), "A", true }, { TEXT(CATS GOLD_A, "Z"), "Z", false }, { TEXT(CATS GOLD_A, "a"), NULL, false },
        { TEXT(CATS GOLD_A, "Failed to obtain answer via API, A"), NULL, false }, { TEXT(CATS GOLD_A, "Cannot determine the answer: A"), "Z", false },
        { TEXT(CATS GOLD_A, "D, then A"), "A", true }, { TEXT(CATS GOLD_A, "'A'"), NULL, false }, { TEXT(CATS GOLD_A, "B cat"), "B", false },
        { TEXT(GOLD_A, "D or A"), NULL, false },                       /* no choices: four letters */
    };
    static const struct trial cos[] = {
        { TEXT(GOLD_A, AS " a " AE), "a", true }, { TEXT(GOLD_A, AS "A." AE), "A.", false }, { TEXT(GOLD_A, AS "A) cat" AE), "A) cat", false },
        { TEXT("\"meta\": {\"answers\": [\"x\", \"Y\"]}, ", AS "y" AE), "y", true }, { TEXT(GOLD_A, "A"), NULL, false }, { TEXT(GOLD_A, AS "( A )" AE), " A ", true },
    };
    struct bench_rule rule = rule_of("ai2d", BENCH_VLMEVALKIT, EXTRACT_AUTO);
    try_all(&rule, kit, countof(kit));
    rule.protocol = BENCH_COS;
    try_all(&rule, cos, countof(cos));
    rule.protocol = BENCH_OFFICIAL;
    T_FAIL(bench_check(&rule), "ai2d has cos, vlmevalkit");
}

/* ---- ChartQA ---- */

#define NUM(gold) "\"answer\": \"" gold "\", "
static void test_chartqa(void)
{
    static const struct trial by_gold[] = {
        { TEXT(NUM("100"), "95"), "95", true }, { TEXT(NUM("95"), "100"), "100", false }, { TEXT(NUM("10.3"), " 9.8 "), "9.8", true },
        { TEXT(NUM("0.02"), "0.021"), "0.021", false }, { TEXT(NUM("0.02"), "0.0209"), "0.0209", true }, { TEXT(NUM("0"), "0"), "0", true },
        { TEXT(NUM("0"), "0.0"), "0.0", false }, { TEXT(NUM("0%"), "0"), "0", false }, { TEXT(NUM("10%"), "10.4%"), "10.4%", true },
        { TEXT(NUM("24%"), "0.24"), "0.24", true }, { TEXT(NUM("24%"), "24"), "24", false }, { TEXT(NUM("2000"), "2,000"), "2,000", false },
        { TEXT(NUM("1000"), "1e3"), "1e3", true }, { TEXT(NUM("inf"), "inf"), "inf", false }, { TEXT(NUM("nan"), "nan"), "nan", false },
        { TEXT(NUM("%"), "%"), "%", true }, { TEXT(NUM("0.5"), "50%%"), "50%%", true }, { TEXT(NUM("Yes"), "yes"), "yes", true },
        { TEXT(NUM("\\u00c9"), "\\u00e9"), "\xC3\xA9", true }, { TEXT(NUM("[2014, 2016]"), "2014"), "2014", false },
        { TEXT("\"answer\": 14, ", "14.2"), "14.2", true },
    };
    static const struct trial by_answer[] = {
        { TEXT(NUM("100"), AS "95" AE), "95", false }, { TEXT(NUM("95"), AS "100" AE), "100", true }, { TEXT(NUM("10.3"), AS "9.8" AE), "9.8", false },
        { TEXT(NUM("0.02"), AS "0.021" AE), "0.021", true }, { TEXT(NUM("0.0"), AS "0" AE), "0", false }, { TEXT(NUM("14"), "14"), NULL, false },
        { TEXT("\"meta\": {\"answers\": [\"3\", \"4\"]}, ", AS "4" AE), "4", true },
    };
    static const struct trial kit[] = {
        { TEXT(NUM("[2014, 2016]"), "2016"), "2016", true }, { TEXT(NUM("[Italy, Spain]"), "[italy, spain]"), "[italy, spain]", true },
        { TEXT(NUM("[Italy, Spain]"), "Italy"), "Italy", false }, { TEXT(NUM("['Italy', 'Spain']"), "italy"), "italy", true },
        { TEXT(NUM("10.3"), "9.8"), "9.8", false }, { TEXT(NUM("[]"), "[]"), "[]", false },
    };
    struct bench_rule rule = rule_of("chartqa", BENCH_OFFICIAL, EXTRACT_AUTO);
    try_all(&rule, by_gold, countof(by_gold));
    rule.protocol = BENCH_COS;
    try_all(&rule, by_answer, countof(by_answer));
    rule.protocol = BENCH_VLMEVALKIT;
    try_all(&rule, kit, countof(kit));
}

/* ---- ScienceQA ---- */

static void test_scienceqa(void)
{
    static const struct trial official[] = {
        { TEXT(CATS GOLD_B, "Because. The answer is B."), "B", true }, { TEXT(CATS GOLD_B, "The answer is B"), NULL, false },
        { TEXT(CATS GOLD_B, "The answer is B\\n"), NULL, false }, { TEXT(CATS GOLD_B, "The answer is B\\u00e9"), "B", true },
        { TEXT(CATS GOLD_B, "The answer is B. The answer is B."), NULL, false }, { TEXT(CATS GOLD_B, "The answer is D."), NULL, false },
        { TEXT(CATS GOLD_B, "B"), NULL, false }, { TEXT(CATS GOLD_B, "the answer is B."), NULL, false }, { TEXT(CATS GOLD_B, "The answer is Bears"), "B", true },
        { TEXT(CATS GOLD_B, AS "(B)" AE), "B", true }, { TEXT(CATS GOLD_B, AS "a red dog" AE), "B", true }, { TEXT(CATS "\"answer\": 1, ", "The answer is B."), "B", true },
    };
    static const struct trial llava[] = {
        { TEXT(CATS GOLD_B, "B"), "B", true }, { TEXT(CATS GOLD_B, "B. dog"), "B", true }, { TEXT(CATS GOLD_B, "B."), NULL, false }, { TEXT(CATS GOLD_B, "D"), NULL, false },
        { TEXT(CATS GOLD_B, "So the answer. The answer is B."), "B", true },
    };
    static const struct trial cos[] = {
        { TEXT(CATS GOLD_B, AS "B. dog" AE), "B", true }, { TEXT(CATS GOLD_B, AS "Bears" AE), "B", true }, { TEXT(CATS GOLD_B, AS "the dog" AE), "B", true },
        { TEXT(CATS GOLD_B, AS "E. x" AE), "E", false }, { TEXT(CATS GOLD_B, AS "x(B)" AE), "x(B", false }, { TEXT(CATS GOLD_B, AS "" AE), "", false },
    };
    struct bench_rule rule = rule_of("scienceqa", BENCH_OFFICIAL, EXTRACT_AUTO);
    try_all(&rule, official, countof(official));
    T_INT(bench_expected(&rule), 4241);
    rule.protocol = BENCH_LLAVA;
    try_all(&rule, llava, countof(llava));
    rule.protocol = BENCH_COS;
    try_all(&rule, cos, countof(cos));
    rule.extract = EXTRACT_PLAIN;
    static const struct trial plain[] = { { TEXT(CATS GOLD_B, "(B) dog"), "B", true }, { TEXT(CATS GOLD_B, "(B) fish"), "B", true } };
    try_all(&rule, plain, countof(plain));
}

/* ---- MME ---- */

#define YES_GOLD "\"answer\": \"Yes\", "
#define NO_GOLD "\"answer\": \"No\", "
static void test_mme(void)
{
    static const struct trial official[] = {
        { TEXT(YES_GOLD, "Yes"), "yes", true }, { TEXT(NO_GOLD, "not sure"), "no", true }, { TEXT(NO_GOLD, "None"), "no", true }, { TEXT(NO_GOLD, "know"), "no", true },
        { TEXT(NO_GOLD, "Nope"), "no", true }, { TEXT(YES_GOLD, " yes, it"), "yes", true }, { TEXT(YES_GOLD, "  Yes"), NULL, false }, { TEXT(YES_GOLD, "Y"), NULL, false },
        { TEXT(YES_GOLD, "The answer is yes"), NULL, false }, { TEXT(NO_GOLD, "It is not"), NULL, false }, { TEXT(YES_GOLD, ""), NULL, false },
        { TEXT(YES_GOLD, "\\u3000yes"), "yes", true },                 /* four characters, not bytes */
        { TEXT(YES_GOLD, "x" AS "Yes" AE), "yes", true },
    };
    static const struct trial kit[] = {
        { TEXT(YES_GOLD, "The answer is yes."), "yes", true }, { TEXT(YES_GOLD, "yes or no"), NULL, false }, { TEXT(NO_GOLD, "It is, no, black"), "no", true },
        { TEXT(NO_GOLD, "no-one"), "no", true }, { TEXT(NO_GOLD, "**No**"), NULL, false }, { TEXT(NO_GOLD, "not"), NULL, false }, { TEXT(NO_GOLD, "a,no 1,2"), NULL, false },
    };
    static const struct trial cos[] = { { TEXT(YES_GOLD, AS "Yes" AE), "yes", true }, { TEXT(YES_GOLD, "Yes"), NULL, false } };
    struct bench_rule rule = rule_of("mme", BENCH_OFFICIAL, EXTRACT_AUTO);
    try_all(&rule, official, countof(official));
    rule.protocol = BENCH_VLMEVALKIT;
    try_all(&rule, kit, countof(kit));
    rule.protocol = BENCH_COS;
    try_all(&rule, cos, countof(cos));
}

/* ---- groups, draws, refusals ---- */

static void group_is(const char *bench, const char *json, const char *want)
{
    struct arena a = { 0 };
    struct record *r = rec_new();
    struct bench_group g[BENCH_GROUPS];
    struct buf b = { 0 };
    unpack(json, r);
    int n = bench_groups(bench_find(bench), r, &a, g);
    for (int i = 0; i < n; i++) buf_fmt(&b, "%s=%.*s;", g[i].kind, (int)g[i].name.n, g[i].name.p);
    buf_str(&b, "");
    T_STR(b.p, want);
    buf_free(&b);
    rec_free(r);
    arena_free(&a);
}

static void test_groups(void)
{
    group_is("mathvista", "{\"id\": \"1\", \"meta\": {\"answer_type\": \"text\", \"metadata\": {\"task\": \"t\", \"skills\": [\"x\", \"y\"]}}}",
             "answer_type=text;task=t;skills=x;skills=y;");
    group_is("mmmu", "{\"id\": \"validation_Art_Theory_7\"}", "domain=Art and Design;subject=Art_Theory;");
    group_is("mmmu", "{\"id\": \"x_Astrology_7\"}", "subject=Astrology;");
    group_is("mmmu", "{\"id\": \"7\"}", "");
    group_is("scienceqa", "{\"id\": \"1\", \"images\": [{\"ref\": \"a\"}], \"meta\": {\"hint\": \"h\", \"subject\": \"social science\", \"grade\": \"grade10\", \"topic\": \"t\"}}",
             "subject=SOC;context=TXT;context=IMG;grade=G7-12;topic=t;");
    group_is("scienceqa", "{\"id\": \"1\", \"meta\": {\"hint\": \"\", \"grade\": \"grade6\"}}", "context=NO;grade=G1-6;");
    group_is("mme", "{\"id\": \"1\", \"meta\": {\"category\": \"code_reasoning\"}}", "cognition=code_reasoning;");
    group_is("chartqa", "{\"id\": \"1\", \"meta\": {\"split\": \"test_human\"}}", "split=test_human;");
}

static void test_draws_and_refusals(void)
{
    struct bench_rule rule = rule_of("m3cot", BENCH_OFFICIAL, EXTRACT_AUTO);
    struct arena a = { 0 };
    struct record *r = rec_new();
    struct bench_verdict v;
    unpack(TEXT(M3 GOLD_B, "No"), r);
    T_OK(bench_judge(&rule, r, &a, &v));
    T_CHECK(v.choices == 4 && v.gold == 1);
    unpack("{\"id\": \"1\", \"answer\": \"A\"}", r);
    T_FAIL(bench_judge(&rule, r, &a, &v), "no path");
    unpack("{\"id\": \"1\", \"path\": {\"text\": \"A\"}}", r);
    T_FAIL(bench_judge(&rule, r, &a, &v), "no right answer");
    unpack(TEXT("\"choices\": [true], " GOLD_A, "A"), r);
    T_FAIL(bench_judge(&rule, r, &a, &v), "choice 1 is not text");
    T_CHECK(!bench_find("mmmlu") && strstr(err_msg(), "mathvista, mmstar"));
    rule.int_text = true;
    T_FAIL(bench_check(&rule), "--int-text goes with");
    struct record *m = rec_new();
    unpack("{\"id\": \"validation_Sociology_1\"}", m);
    T_INT(bench_order(bench_find("mmmu"), m), 29);
    T_INT(bench_order(bench_find("mme"), m), 0);
    rec_free(m);
    rec_free(r);
    arena_free(&a);
}

int main(void)
{
    T_RUN(test_markers);
    T_RUN(test_other_extractions);
    T_RUN(test_mathvista);
    T_RUN(test_mathvista_others);
    T_RUN(test_mmstar);
    T_RUN(test_mmmu_choice);
    T_RUN(test_mmmu_open);
    T_RUN(test_m3cot);
    T_RUN(test_options);
    T_RUN(test_chartqa);
    T_RUN(test_scienceqa);
    T_RUN(test_mme);
    T_RUN(test_groups);
    T_RUN(test_draws_and_refusals);
    return t_end();
}
