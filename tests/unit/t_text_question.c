/* SPDX-License-Identifier: Apache-2.0
 * Keys of questions: what is the same but for spelling, and what is not. */
#include "t.h"
#include "text/question.h"

static const char *key(const char *s)
{
    static char out[4][512];
    static int at;
    struct buf b = { 0 };
    question_key((struct slice){ s, strlen(s) }, &b);
    char *p = out[at++ % 4];
    snprintf(p, sizeof out[0], "%s", b.p ? b.p : "");
    buf_free(&b);
    return p;
}

static void test_same(void)
{
    T_STR(key("What is the value of bar C?"), "what is the value of bar c");
    T_STR(key("  what IS the\n\tvalue of <image> bar \"C\" ..."), "what is the value of bar c");
    T_STR(key("<image>\nWhat is the value of bar <image 2>C?"), "what is the value of bar c");
    T_STR(key("\xEF\xBC\xB7hat is \xEF\xBC\x92?"), "what is 2");                    /* full-width */
    T_STR(key("caf\xC3\xA9"), key("CAFE\xCC\x81"));
    T_STR(key("Stra\xC3\x9F""e"), "strasse");
    T_STR(key("x \xE2\x88\x92 2"), "x - 2");                                        /* U+2212 */
    T_STR(key("x-2"), "x - 2");
    T_STR(key("$x+2=5$"), "x + 2 = 5");
    T_STR(key("50% of\xC2\xA0""it\xC2\xAD"), "50 % of it");                           /* no-break space, soft hyphen */
    T_STR(key("\xE5\x9B\xBE\xE4\xB8\xAD\xE6\x98\xAF\xEF\xBC\x9F"), "\xE5\x9B\xBE\xE4\xB8\xAD\xE6\x98\xAF");
}

static void test_others(void)
{
    T_CHECK(strcmp(key("What is 2 + 3?"), key("What is 2 - 3?")));
    T_CHECK(strcmp(key("x < 3"), key("x > 3")));
    T_CHECK(strcmp(key("a b"), key("ab")));
    T_CHECK(strcmp(key("6/2"), key("6*2")));
    T_STR(key("an <imagery> of"), "an < imagery > of");        /* no mark */
}

static void test_nothing(void)
{
    T_STR(key(""), "");
    T_STR(key(" ?!. "), "");
    T_STR(key("<image>"), "");
    struct buf b = { 0 };
    buf_str(&b, "kept:");
    question_key((struct slice){ "One?", 4 }, &b);
    T_STR(b.p, "kept:one");
    buf_free(&b);
}

int main(void)
{
    T_RUN(test_same);
    T_RUN(test_others);
    T_RUN(test_nothing);
    return t_end();
}
