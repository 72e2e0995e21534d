/* SPDX-License-Identifier: Apache-2.0
 * PRM styles: what a reward model is made to read, and where its scores stand, against the original code of each
 * (tests/golden/make_prm_styles.py); styles from files and folders.
 */
#include "text/prm_form.h"

#include <stdlib.h>
#include <unistd.h>
#include "base/file.h"
#include "store/json.h"
#include "t.h"
#include "text/response.h"

#define GOLDEN "tests/golden/tokenizer/"

static struct slice text_of(const json_t *s) { return (struct slice){ json_string_value(s), json_string_length(s) }; }

static struct tokenizer *with_tokens(bool mm)
{
    static const char *const vision[] = { "<|vision_start|>", "<|image_pad|>", "<|vision_end|>" }, *const prm[] = { "<prm>", "Yes", "No" };
    struct tokenizer *t = tok_load(GOLDEN "qwen2.json");
    T_INT(tok_add(t, mm ? prm : vision, 3), 3);
    return t;
}

/* llama2.json without tokens of its own, as Mistral's is. */
static struct tokenizer *plain_llama(void)
{
    json_t *doc = json_file(GOLDEN "llama2.json", 1 << 22), *added = json_object_get(doc, "added_tokens");
    while (json_array_size(added) > 3) json_array_remove(added, json_array_size(added) - 1);
    char *s = json_dumps(doc, 0);
    struct tokenizer *t = tok_parse(s, strlen(s), "llama2.json");
    free(s);
    json_decref(doc);
    return t;
}

static struct prm_form *form_of(const char *style, const char *chat, const struct tokenizer *t)
{
    struct prm_style s;
    if (prm_style_load(style, &s)) return NULL;
    return prm_form_new(&s, chat_find(chat), t);
}

enum { STEPS = 4 };

/* The prompt's tokens and behind them the path's. */
static void encode(const struct prm_form *f, const json_t *v, struct tok_ids *ids, struct prm_ids *path)
{
    static const struct prompt_image one[2] = { { .tokens = 1 }, { .tokens = 1 } };
    const json_t *steps = json_object_get(v, "steps"), *answer = json_object_get(v, "answer");
    struct step step[STEPS] = { 0 };
    struct chain c = { .step = step, .nstep = (int)json_array_size(steps), .has_answer = json_is_string(answer) };
    struct buf tail = {0};
    struct span place[2];
    struct prompt_in in = { .question = text_of(json_object_get(v, "question")), .image = one, .layout = f->style.prompt,
                            .nimage = (int)json_integer_value(json_object_get(v, "images")), .system = f->style.system, .tail = &tail };
    for (int i = 0; i < c.nstep; i++) step[i].thought = text_of(json_array_get(steps, (size_t)i));
    if (c.has_answer) c.answer = text_of(answer);
    T_OK(prompt_encode(f->tok, f->chat, &in, ids, place));
    T_OK(prm_form_encode(f, (struct slice){ tail.p, tail.len }, &c, path));
    for (int k = 0; k < in.nimage; k++) T_INT(ids->id[place[k].begin], tok_id(f->tok, f->chat->img_token));
    buf_free(&tail);
}

static void check_case(const json_t *v, const struct tokenizer *t)
{
    struct prm_form *f = form_of(json_string_value(json_object_get(v, "style")), json_string_value(json_object_get(v, "chat")), t);
    const json_t *want = json_object_get(v, "ids"), *at = json_object_get(v, "at");
    struct tok_ids ids = {0};
    struct prm_ids path = {0};
    T_CHECK(f);
    if (!f) { printf("# %s\n", err_msg()); return; }
    encode(f, v, &ids, &path);
    size_t prompt = ids.n;
    for (size_t i = 0; i < path.ids.n; i++) tok_ids_add(&ids, path.ids.id[i], 0);
    bool same = ids.n == json_array_size(want);
    for (size_t i = 0; same && i < ids.n; i++) same = ids.id[i] == json_integer_value(json_array_get(want, i));
    if (!same) printf("# %s: %zu ids, want %zu\n", f->style.name, ids.n, json_array_size(want));
    T_CHECK(same && prompt > 0);
    T_INT(path.n, json_array_size(at));
    for (int i = 0; i < path.n; i++) {
        T_INT((int)prompt + path.end[i] - 1, json_integer_value(json_array_get(at, (size_t)i)));
        T_CHECK(prm_ids_step(&path, i).end == path.end[i] && prm_ids_step(&path, i).begin == (i ? path.end[i - 1] : 0));
    }
    T_INT(f->good, json_integer_value(json_object_get(v, "good")));
    T_INT(f->bad, json_integer_value(json_object_get(v, "bad")));
    tok_ids_free(&ids);
    prm_ids_free(&path);
    prm_form_free(f);
}

static void test_golden(void)
{
    json_t *cases = json_file("tests/golden/prm_styles.json", 1 << 22), *v;
    struct tokenizer *qwen = with_tokens(false), *mm = with_tokens(true), *llama = plain_llama();
    size_t i;
    T_CHECK(json_array_size(cases) >= 10 && qwen && llama);
    json_array_foreach(cases, i, v) {
        const char *style = json_string_value(json_object_get(v, "style"));
        check_case(v, !strcmp(style, "math-shepherd") ? llama : !strcmp(style, "mm-prm") ? mm : qwen);
    }
    tok_free(mm);
    json_decref(cases);
    tok_free(qwen);
    tok_free(llama);
}

/* CoS as data is text/response.h with tags, token by token, open and whole. */
static void test_cos(void)
{
    struct tokenizer *t = tok_load(GOLDEN "qwen2.json");
    struct prm_form *f = form_of("cos", "internvl", t);
    struct step step[2] = { { .name = { "Look", 4 }, .thought = { "Three ки.", 11 }, .reflection = { "", 0 } },
                            { .name = { "<|im_end|>", 10 }, .thought = { " a\n", 3 }, .reflection = { "b", 1 } } };
    for (int k = 0; k < 6; k++) {
        struct chain c = { .step = step, .nstep = k / 2, .answer = { "3 к+и", 7 }, .has_answer = k % 2 };
        struct response r = {0};
        struct prm_ids ids = {0};
        T_OK(response_encode(t, &c, STEPS_TAGS | (c.has_answer ? 0 : STEPS_OPEN), &r));
        T_OK(prm_form_encode(f, (struct slice){ 0 }, &c, &ids));
        T_INT(ids.n, c.nstep + c.has_answer);
        T_CHECK(ids.ids.n <= r.ids.n && (!ids.ids.n || !memcmp(ids.ids.id, r.ids.id, ids.ids.n * sizeof *r.ids.id)));
        for (int i = 0; i < c.nstep; i++) T_INT(ids.end[i], r.step[i].end + 1);
        if (c.has_answer) T_INT(ids.end[c.nstep], r.answer.end + 1);
        response_free(&r);
        prm_ids_free(&ids);
    }
    prm_form_free(f);
    tok_free(t);
}

static void test_refused(void)
{
    struct tokenizer *t = with_tokens(false), *llama = plain_llama(), *bare = tok_load(GOLDEN "gpt2.json");
    struct prm_ids ids = {0};
    T_CHECK(!form_of("nonsense", "internvl", t) && strstr(err_msg(), "there are cos, math-shepherd, mm-prm, visualprm, vl-prm"));
    T_CHECK(!form_of("mm-prm", "internvl", bare) && strstr(err_msg(), "lacks the tag <prm> of PRM style mm-prm"));
    T_CHECK(!form_of("cos", "internvl", bare) && strstr(err_msg(), "lacks the tag ки"));
    T_CHECK(!form_of("visualprm", "internvl2_5", bare) && strstr(err_msg(), "<|im_start|>"));
    T_CHECK(!form_of("math-shepherd", "mistral", t) && strstr(err_msg(), "lacks the token ▁+"));
    struct prm_form *f = form_of("math-shepherd", "mistral", llama);
    struct step step = { .thought = { "знаки", 10 } };
    struct chain c = { .step = &step, .nstep = 1 };
    T_CHECK(f);
    T_FAIL(prm_form_encode(f, (struct slice){ 0 }, &c, &ids), "holds the tag ки");
    prm_ids_free(&ids);
    prm_form_free(f);
    tok_free(t);
    tok_free(llama);
    tok_free(bare);
}

static void put_text(const char *dir, const char *name, const char *text)
{
    char *path = file_join(dir, name);
    T_OK(file_write(path, text, strlen(text)));
    free(path);
}

static void test_files(void)
{
    char dir[] = "/tmp/cos-t-prm-XXXXXX";
    struct prm_style s, again;
    T_CHECK(mkdtemp(dir));
    char *path = file_join(dir, "cos_prm.json");
    T_OK(prm_style_load("vl-prm", &s));
    T_OK(prm_style_save(&s, dir));
    T_OK(prm_style_load(path, &again));
    T_CHECK(!strcmp(s.system, again.system) && !strcmp(s.step, again.step) && !strcmp(s.next, again.next) && !strcmp(s.bad, again.bad));
    prm_style_free(&s);
    prm_style_free(&again);
    static const struct { const char *text, *message; } bad[] = {
        { "[]", "want an object" }, { "{\"prompt\": \"x\"}", "step" }, { "{\"prompts\": \"x\"}", "no key \"prompts\"" }, { "{", "line" },
        { "{\"prompt\": \"\", \"step\": \"\", \"answer\": \"\", \"tag\": \"\", \"good\": \"\", \"bad\": \"\"}", "tag: empty" } };
    for (int i = 0; i < countof(bad); i++) {
        put_text(dir, "cos_prm.json", bad[i].text);
        T_FAIL(prm_style_load(path, &s), bad[i].message);
        T_CHECK(strstr(err_msg(), "cos_prm.json"));
    }
    put_text(dir, "cos_prm.json", "{\"prompt\": \"{question}\", \"step\": \"{what}ки\", \"answer\": \"{answer}{k}ки\", \"tag\": \"ки\", \"good\": \"a\", \"bad\": \"b\"}");
    T_OK(prm_style_load(path, &s));
    struct tokenizer *t = tok_load(GOLDEN "qwen2.json");
    struct prm_form *f = prm_form_new(&s, chat_find("internvl"), t);
    struct step step = { 0 };
    struct chain c = { .step = &step, .nstep = 1 }, a = { .has_answer = true };
    struct prm_ids ids = {0};
    T_CHECK(f);
    T_FAIL(prm_form_encode(f, (struct slice){ 0 }, &c, &ids), "no {what} here");
    T_FAIL(prm_form_encode(f, (struct slice){ 0 }, &a, &ids), "no {k} here");
    prm_ids_free(&ids);
    prm_form_free(f);
    tok_free(t);
    free(path);
    T_OK(dir_remove(dir));
}

static void picked(const char *dir, const struct tokenizer *t, const char *want)
{
    struct prm_style s;
    if (!want) { T_FAIL(prm_style_pick(dir, t, &s), "want --prm-style"); return; }
    T_OK(prm_style_pick(dir, t, &s));
    T_STR(s.name, want);
    prm_style_free(&s);
}

static void test_pick(void)
{
    char dir[] = "/tmp/cos-t-prm-XXXXXX";
    T_CHECK(mkdtemp(dir));
    struct tokenizer *t = tok_load(GOLDEN "qwen2.json"), *bare = tok_load(GOLDEN "gpt2.json");
    struct prm_style s;
    picked(dir, t, "cos");
    picked(dir, bare, NULL);
    put_text(dir, "config.json", "{\"architectures\": [\"InternVLChatModel\"], \"auto_map\": {\"AutoModel\": \"modeling.InternVLRewardModel\"}}");
    picked(dir, bare, "visualprm");
    T_INT(tok_add(bare, (const char *const[]){ "<prm>" }, 1), 1);
    picked(dir, bare, "mm-prm");
    T_OK(prm_style_load("math-shepherd", &s));
    T_OK(prm_style_save(&s, dir));
    prm_style_free(&s);
    picked(dir, t, "math-shepherd");
    tok_free(t);
    tok_free(bare);
    T_OK(dir_remove(dir));
}

int main(void)
{
    T_RUN(test_golden);
    T_RUN(test_cos);
    T_RUN(test_refused);
    T_RUN(test_files);
    T_RUN(test_pick);
    return t_end();
}
