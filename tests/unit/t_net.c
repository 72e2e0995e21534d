/* SPDX-License-Identifier: Apache-2.0
 * What programs that ask servers are made of, without a server: addresses, prompt files, requests, replies, verdicts.
 */
#include <stdlib.h>
#include "t.h"
#include "net/address.h"
#include "net/chat.h"
#include "net/prompt_file.h"
#include "net/verdict.h"
#include "record/jsonl.h"
#include "store/json.h"

static const char png[] = "\x89PNG\r\n\x1a\n0123456789abcdef";

/* ---- addresses ---- */

static void check_address(const char *text, const char *url, const char *shown, const char *given)
{
    struct address a;
    T_OK(address_parse(text, &a));
    T_STR(a.url, url);
    T_STR(a.shown, shown);
    T_STR(a.given, given);
    address_free(&a);
}

static void test_address(void)
{
    check_address("http://localhost:8000/v1", "http://localhost:8000/v1/chat/completions", "http://localhost:8000/v1/chat/completions",
                  "http://localhost:8000/v1");
    check_address("https://h/v1/", "https://h/v1/chat/completions", "https://h/v1/chat/completions", "https://h/v1/");
    check_address("http://h", "http://h/v1/chat/completions", "http://h/v1/chat/completions", "http://h/");
    check_address("http://h/x/chat/completions", "http://h/x/chat/completions", "http://h/x/chat/completions", "http://h/x/chat/completions");
    check_address("https://me:pass%20word@h:9/v1?key=secret&v=2#part", "https://h:9/v1/chat/completions?key=secret&v=2",
                  "https://h:9/v1/chat/completions", "https://***@h:9/v1?***");
    struct address a;
    T_OK(address_parse("http://me:pass%20word@h/v1", &a));
    T_STR(a.user, "me");
    T_STR(a.password, "pass word");
    address_free(&a);
}

static void test_no_address(void)
{
    static const char *const bad[] = { "", "localhost:8000", "ftp://h/v1", "file:///etc/passwd", "http://", "http://h:99999/", "http://secret key@h/" };
    struct address a;
    for (int i = 0; i < countof(bad); i++) {
        T_FAIL(address_parse(bad[i], &a), "not an address");
        T_CHECK(!strstr(err_msg(), "secret"));
        T_CHECK(!a.url && !a.user);
    }
}

/* ---- prompt files ---- */

static struct record *record_of(const char *json)
{
    struct buf b = {0};
    struct record *r = rec_new();
    T_OK(jsonl_get(json, strlen(json), &b));
    T_OK(rec_unpack(r, b.p, b.len));
    buf_free(&b);
    return r;
}

/* The messages for a record, as JSON; or "why: message". */
static void check_fill(const char *prompt, const char *json, const char *want)
{
    const char *why = NULL;
    struct buf out = {0};
    struct record *r = record_of(json);
    struct media_source *media = media_open(".", NULL);
    struct prompt_file *p = prompt_file_parse(prompt, strlen(prompt), "p.txt");
    T_CHECK(p);
    if (p && prompt_file_fill(p, r, media, &out, &why)) {
        T_INT(out.len, 0);
        buf_fmt(&out, "%s: %s", why, err_msg());
    }
    T_STR(out.p, want);
    buf_free(&out);
    prompt_file_free(p);
    media_close(media);
    rec_free(r);
}

#define USER(s) "[{\"role\":\"user\",\"content\":" s "}]"

static void test_prompt_text(void)
{
    check_fill("for people\n[system]\n\n Be \"good\". \n\n[user]\nQ: {question}\n{choices}\n{{x} {answer}{meta.n}\n",
               "{\"question\":\"q?\\nr\",\"choices\":[\"a\",\"b\"],\"answer\":4,\"meta\":{\"n\":0.5}}",
               "[{\"role\":\"system\",\"content\":\" Be \\\"good\\\". \"},{\"role\":\"user\",\"content\":\"Q: q?\\nr\\nA. a\\nB. b\\n{x} 40.5\"}]");
    check_fill("[user]\n{question}\n{choices}\nHint: {meta.hint?}\n\nEnd\n[assistant]\nOK\n[user]\n{id}", "{\"id\":\"i\",\"question\":\"q\"}",
               "[{\"role\":\"user\",\"content\":\"q\\n\\nEnd\"},{\"role\":\"assistant\",\"content\":\"OK\"},{\"role\":\"user\",\"content\":\"i\"}]");
    check_fill("[user]\n{steps}\nof {step_count}\n", "{\"path\":{\"steps\":[{\"name\":\"n\",\"thought\":\"t\",\"reflection\":\"r\"},{\"thought\":\"u\"}]}}",
               USER("\"Step 1: n\\nThought: t\\nReflection: r\\n\\nStep 2:\\nThought: u\\nof 2\""));
    check_fill("[user]\r\n{question}\r\n", "{\"question\":\"<image> is a word\"}", USER("\"<image> is a word\""));
}

#define IMG "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,iVBORw0KGgowMTIzNDU2Nzg5YWJjZGVm\"}}"
#define JPG "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/jpeg;base64,/9j/\"}}"
#define TXT(s) "{\"type\":\"text\",\"text\":\"" s "\"}"
#define PNG_DATA "{\"data\":{\"$bin\":\"iVBORw0KGgowMTIzNDU2Nzg5YWJjZGVm\"}}"
#define JPG_DATA "{\"data\":{\"$bin\":\"/9j/\"}}"

static void test_prompt_images(void)
{
    struct buf b = {0};
    T_OK(chat_put_image(png, sizeof png - 1, &b));
    T_STR(b.p, "\"data:image/png;base64,iVBORw0KGgowMTIzNDU2Nzg5YWJjZGVm\"");
    buf_free(&b);
    check_fill("[user]\n{images}\n{question}", "{\"question\":\"q\",\"images\":[" PNG_DATA "," JPG_DATA "]}", USER("[" IMG "," JPG "," TXT("q") "]"));
    check_fill("[user]\n{images}\n{question}", "{\"question\":\"a <image> b <image>\",\"images\":[" PNG_DATA "," JPG_DATA "]}",
               USER("[" TXT("a ") "," IMG "," TXT(" b ") "," JPG "]"));
    check_fill("[user]\nSee {images}and\n{question}", "{\"question\":\"<image>q\",\"images\":[" PNG_DATA "," JPG_DATA "]}",
               USER("[" TXT("See ") "," IMG "," TXT("and\\n") "," JPG "," TXT("q") "]"));
    check_fill("[user]\n{images}\n{question}", "{\"question\":\"q\",\"images\":[]}", USER("\"q\""));
    check_fill("[user]\n{question}", "{\"question\":\"q <image>\",\"images\":[" PNG_DATA "]}", USER("\"q <image>\""));
    check_fill("[user]\n{images}\n{question}\n{images}{question}", "{\"question\":\"q<image>\",\"images\":[" PNG_DATA "]}",
               USER("[" TXT("q") "," IMG "," TXT("\\nq<image>") "]"));
}

static void test_prompt_rejects(void)
{
    check_fill("[user]\n{question}", "{\"id\":\"a\"}", "no question: no question");
    check_fill("[user]\n{answer}", "{\"answer\":null}", "no right answer: no answer");
    check_fill("[user]\n{meta.a}", "{\"meta\":{}}", "a field of the prompt is missing: no meta.a");
    check_fill("[user]\n{meta}", "{\"meta\":{}}", "a field of the prompt is no text: meta: neither text nor number");
    check_fill("[user]\n{steps}", "{\"path\":{\"steps\":[]}}", "no step: no step");
    check_fill("[user]\n{steps}", "{\"path\":{\"steps\":3}}", "malformed path: path.steps: want an array");
    check_fill("[user]\n{images}", "{\"images\":[{\"ref\":\"../x.png\"}]}", "unreadable image: image 1: ../x.png: leads out of the image folder");
    check_fill("[user]\n{images}", "{\"images\":[{\"data\":{\"$bin\":\"AAAA\"}}]}", "unreadable image: image 1: neither PNG, JPEG nor WebP");
    check_fill("[user]\n{images}", "{\"images\":[{}]}", "unreadable image: image 1: neither \"ref\" nor \"data\"");
    check_fill("[user]\n{images}", "{\"images\":3}", "images are not a list: images are not a list");
    check_fill("[user]\n{images}{question}", "{\"question\":\"<image><image>\",\"images\":[" PNG_DATA "]}",
               "image marks and images differ: image marks and images differ");
    check_fill("[user]\n{choices}", "{\"choices\":[1]}", "a choice is not text: a choice is not text");
}

static int parse(const char *text)
{
    struct prompt_file *p = prompt_file_parse(text, strlen(text), "p.txt");
    prompt_file_free(p);
    return p ? 0 : -1;
}

static void test_prompt_bad(void)
{
    T_FAIL(parse("only text"), "p.txt: no [user] section");
    T_FAIL(parse("[system]\nx"), "no [user] section");
    T_FAIL(parse("[user]\nx\n{ y }"), "p.txt: line 3: a brace that begins no field");
    T_FAIL(parse("[user]\n{question"), "line 2: a brace");
    T_FAIL(parse("[user]\n{}"), "line 2: a brace");
    T_FAIL(parse("[user]\nx{"), "line 2: a brace");
    T_FAIL(parse("[user]\n\xff"), "not UTF-8");
    T_OK(parse("a { brace above\n[user]\nx } y"));
    T_OK(parse(prompt_file_plain));
}

/* ---- requests ---- */

static void test_head(void)
{
    static const char *const stop[] = { "\n\n", "END" };
    struct chat_cfg c = { .model = "m\"x", .temperature = 0.7, .top_p = 1, .max_tokens = 9 };
    struct buf b = {0};
    chat_head(&c, 5, &b);
    T_STR(b.p, "{\"model\":\"m\\\"x\",\"temperature\":0.7,\"max_tokens\":9,\"seed\":5,\"stream\":false,\"messages\":");
    buf_clear(&b);
    const char *text = "{\"max_tokens\":null,\"max_completion_tokens\":9,\"seed\":7,\"messages\":[],\"o\":{\"a\":0.1}}";
    json_t *extra = json_parse(text, strlen(text), "extra");
    c = (struct chat_cfg){ .model = "m", .temperature = 0, .top_p = 0.5, .top_k = 3, .max_tokens = 9, .stop = stop, .nstop = 2, .extra = extra };
    chat_head(&c, 5, &b);
    T_STR(b.p, "{\"model\":\"m\",\"temperature\":0.0,\"top_p\":0.5,\"top_k\":3,\"seed\":7,\"stop\":[\"\\n\\n\",\"END\"],\"stream\":false,"
               "\"max_completion_tokens\":9,\"o\":{\"a\":0.1},\"messages\":");
    json_decref(extra);
    buf_free(&b);
}

/* ---- replies ---- */

#define REPLY(content, end) "{\"choices\":[{\"message\":{\"content\":" content "},\"finish_reason\":" end "}]}"

static void check_reply(const char *body, const char *text, bool cut)
{
    struct chat_reply r;
    bool again;
    T_CHECK(!chat_read(body, strlen(body), &r, &again));
    T_STR(r.text.p, text);
    T_INT(r.cut, cut);
    buf_free(&r.text);
}

static void check_no_reply(const char *body, const char *want, bool want_again)
{
    struct chat_reply r;
    bool again;
    T_STR(chat_read(body, strlen(body), &r, &again), want);
    T_INT(again, want_again);
    T_CHECK(!r.text.p);
}

static void test_replies(void)
{
    check_reply(REPLY("\"a\\u00e4\\n\"", "\"stop\""), "aä\n", false);
    check_reply(REPLY("\"a\"", "\"length\""), "a", true);
    check_reply(REPLY("\"a\"", "null"), "a", false);
    check_reply(REPLY("[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"x\"},{\"text\":\"b\"}]", "\"stop\""), "ab", false);
    check_reply("{\"error\":null,\"choices\":[{\"message\":{\"content\":\"a\",\"refusal\":null}}]}", "a", false);
    check_no_reply("", "reply is not JSON", true);
    check_no_reply("<html>", "reply is not JSON", true);
    check_no_reply("{\"choices\":[{\"message\":{\"content\":\"cu", "reply is not JSON", true);
    check_no_reply("[]", "reply without an answer", true);
    check_no_reply("{\"choices\":[]}", "reply without an answer", true);
    check_no_reply("{\"choices\":{\"message\":1}}", "reply without an answer", true);
    check_no_reply("{\"error\":{\"message\":\"busy\"}}", "error in a reply", true);
    T_CHECK(strstr(err_msg(), "busy"));
    check_no_reply("{\"error\":\"busy\"}", "error in a reply", true);
    check_no_reply(REPLY("null", "\"stop\""), "empty reply", false);
    check_no_reply(REPLY("\"\"", "\"stop\""), "empty reply", false);
    check_no_reply(REPLY("3", "\"stop\""), "empty reply", false);
    check_no_reply(REPLY("\"a\"", "\"content_filter\""), "stopped by a content filter", false);
    check_no_reply("{\"choices\":[{\"message\":{\"content\":null,\"refusal\":\"no\"}}]}", "the model refuses", false);
}

/* ---- verdicts ---- */

/* "GNB" and the answer's letter behind a slash; or why not. */
static void check_verdicts(const char *reply, int n, const char *want)
{
    struct arena a = {0};
    struct verdicts v;
    struct buf b = {0};
    const char *why = verdicts_read((struct slice){ reply, strlen(reply) }, n, &a, &v);
    if (why) buf_str(&b, why);
    for (int i = 0; i < n && !why; i++) buf_byte(&b, "BNG"[v.step[i].verdict]);
    if (!why && v.has_answer) buf_fmt(&b, "/%c", "BNG"[v.answer.verdict]);
    T_STR(b.p, want);
    buf_free(&b);
    arena_free(&a);
}

static void test_verdicts(void)
{
    check_verdicts("Verdicts:\nStep 1: Good\nStep 2: Bad\nStep 3: Neutral", 3, "GBN");
    check_verdicts("Step 1 looks fine.\nVerdicts:\nnot these\n\n  VERDICTS: \r\n\r\n step 1: good - so it is\r\nStep 2: BAD\r\nAnswer: Bad - no\r\n\n", 2, "GB/B");
    check_verdicts("Step 1: Good", 1, "no verdicts");
    check_verdicts("Verdicts: Step 1: Good", 1, "no verdicts");
    check_verdicts("", 1, "no verdicts");
    check_verdicts("Verdicts:\n", 1, "verdicts missing");
    check_verdicts("Verdicts:\nStep 1: Good", 2, "verdicts missing");
    check_verdicts("Verdicts:\nStep 1: Good\nAnswer: Good", 2, "verdicts missing");
    check_verdicts("Verdicts:\nStep 1: Good\nStep 2: Good", 1, "too many verdicts");
    check_verdicts("Verdicts:\nStep 1: Good\nAnswer: Good\nAnswer: Good", 1, "too many verdicts");
    check_verdicts("Verdicts:\nStep 2: Good\nStep 1: Good", 2, "verdicts out of order");
    check_verdicts("Verdicts:\nStep 1: Good\nStep 1: Good", 2, "verdicts out of order");
    check_verdicts("Verdicts:\nStep 1: Goodish", 1, "malformed verdict");
    check_verdicts("Verdicts:\nStep 1: Good.", 1, "malformed verdict");
    check_verdicts("Verdicts:\nStep 1: Good - ", 1, "malformed verdict");
    check_verdicts("Verdicts:\nStep 1 Good", 1, "malformed verdict");
    check_verdicts("Verdicts:\nStep one: Good", 1, "malformed verdict");
    check_verdicts("Verdicts:\n**Step 1:** Good", 1, "malformed verdict");
    check_verdicts("Verdicts:\nStep 1: Good\nI hope this helps.", 1, "malformed verdict");
    check_verdicts("Verdicts:\nStep 99999999999: Good", 1, "malformed verdict");
    struct arena a = {0};
    struct verdicts v;
    const char reply[] = "Verdicts:\nStep 1: Bad - it is red - not blue  \n";
    T_CHECK(!verdicts_read((struct slice){ reply, strlen(reply) }, 1, &a, &v));
    T_INT(v.step[0].why.n, strlen("it is red - not blue"));
    arena_free(&a);
}

int main(void)
{
    T_RUN(test_address);
    T_RUN(test_no_address);
    T_RUN(test_prompt_text);
    T_RUN(test_prompt_images);
    T_RUN(test_prompt_rejects);
    T_RUN(test_prompt_bad);
    T_RUN(test_head);
    T_RUN(test_replies);
    T_RUN(test_verdicts);
    return t_end();
}
