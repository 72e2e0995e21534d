/* SPDX-License-Identifier: Apache-2.0
 * The ends of paths, and paths as records. */
#include "../../lib/search/paths.c"

#include "record/path.h"
#include "search/path_record.h"
#include "text/steps.h"
#include "t.h"

static struct tokenizer *tok;
static struct model_io io;
static int end_id;

static void make_tokenizer(void)
{
    const char *special[STEP_TOKENS + 1];
    for (int i = 0; i < STEP_TOKENS; i++) special[i] = step_tokens[i].text;
    special[STEP_TOKENS] = "<|im_end|>";
    struct tok_trainer *tr = tok_trainer_new();
    for (int i = 0; i < 3; i++) T_OK(tok_trainer_add(tr, "Look at it, it looks red. Answer:\n", 34));
    tok = tok_trainer_end(tr, 320, special, countof(special));
    end_id = tok_id(tok, "<|im_end|>");
    io = (struct model_io){ .tok = tok, .stop = &end_id, .nstop = 1, .end_of_turn = end_id };
}

/* The text as a path; with `ended` the end token behind it. */
static struct gen_path path_of(const char *text, bool ended, enum gen_end end)
{
    struct tok_ids ids = { 0 };
    T_OK(tok_encode(tok, text, strlen(text), TOK_SPECIAL, &ids));
    struct gen_path p = { .index = 3, .end = end, .n = (int)ids.n + ended };
    p.token = mem_array((size_t)p.n + 1, sizeof *p.token);
    p.logprob = mem_array((size_t)p.n + 1, sizeof *p.logprob);
    if (ids.n) memcpy(p.token, ids.id, ids.n * sizeof *p.token);
    if (ended) p.token[ids.n] = (uint32_t)end_id;
    for (int i = 0; i < p.n; i++) p.logprob[i] = -(float)i;
    tok_ids_free(&ids);
    return p;
}

static void text_of(const uint32_t *id, int n, struct buf *out)
{
    buf_clear(out);
    tok_decode(tok, id, (size_t)n, 0, out);
}

static const char chain[] =
    "<|reasoning_start|>\n<|reasoning_step_start|>\n<|reasoning_step_name_start|>Look<|reasoning_step_name_end|>\n"
    "<|reasoning_step_thought_start|>it is red<|reasoning_step_thought_end|>\n"
    "<|reasoning_step_reflection_start|>it looks red<|reasoning_step_reflection_end|>\n<|reasoning_step_end|>\n"
    "<|reasoning_proceed|>\n<|reasoning_step_start|>\n<|reasoning_step_name_start|>Say<|reasoning_step_name_end|>\n"
    "<|reasoning_step_thought_start|>red\xc3\xa9<|reasoning_step_thought_end|>\n"
    "<|reasoning_step_reflection_start|>yes<|reasoning_step_reflection_end|>\n<|reasoning_step_end|>\n"
    "<|reasoning_end|>\nAnswer:\n<|answer_start|>red<|answer_end|>";

static void test_whole_path(void)
{
    struct record *r = rec_new();
    struct gen_path p = path_of(chain, true, GEN_STOP);
    val_set(&r->zone, &r->root, "scores", val_map());
    path_into(r, path_record(&r->zone, &p, &io, "digest"));
    const val *path = val_get(&r->root, "path"), *steps = val_get(path, "steps");
    const uint32_t *ids = NULL;
    const float *lp = NULL;
    size_t n = 0, nl = 0;
    int64_t index, a, b;
    T_CHECK(!val_get(&r->root, "scores"));
    T_CHECK(val_is_str(val_get(path, "end"), "stop") && val_is_str(val_get(path, "answer"), "red"));
    T_CHECK(val_is_str(val_get(path, "tokenizer"), tok_digest(tok)) && !val_get(path, "text"));
    T_CHECK(val_i64(val_get(path, "index"), &index) && index == 3);
    T_CHECK(val_u32s(val_get(path, "tokens"), &ids, &n) && val_f32s(val_get(val_get(path, "logprobs"), "digest"), &lp, &nl));
    T_INT(n, p.n);
    T_INT(nl, p.n);
    T_INT(ids[n - 1], end_id);
    T_INT(val_len(steps), 2);
    struct buf text = { 0 };
    const char *begin = strstr(chain, "<|reasoning_step_start|>"), *end = strstr(chain, "\n<|reasoning_proceed|>");
    for (int k = 0; k < 2; k++) {                      /* the tokens of a span are exactly the step's text */
        const val *span = val_get(val_at(steps, k), "span");
        T_CHECK(val_i64(val_at(span, 0), &a) && val_i64(val_at(span, 1), &b));
        text_of(ids + a, (int)(b - a), &text);
        char *want = mem_strn(begin, (size_t)(end - begin));
        T_STR(text.p, want);
        free(want);
        begin = strstr(end, "<|reasoning_step_start|>");
        end = strstr(end, "\n<|reasoning_end|>");
    }
    T_CHECK(val_is_str(val_get(val_at(steps, 1), "thought"), "red\xc3\xa9"));
    buf_free(&text);
    free(p.token);
    free(p.logprob);
    rec_free(r);
}

static void check_end(const char *text, bool ended, enum gen_end how, const char *end, int nstep, const char *kept)
{
    struct record *r = rec_new();
    struct gen_path p = path_of(text, ended, how);
    path_into(r, path_record(&r->zone, &p, &io, "d"));
    const val *path = val_get(&r->root, "path"), *got = val_get(path, "text");
    T_CHECK(val_is_str(val_get(path, "end"), end));
    T_INT(val_len(val_get(path, "steps")), nstep);
    T_CHECK(kept ? val_is_str(got, kept) : !got);
    free(p.token);
    free(p.logprob);
    rec_free(r);
}

static void test_ends(void)
{
    char cut[sizeof chain];
    strcpy(cut, chain);
    *strstr(cut, "<|reasoning_step_name_start|>Say") = 0;
    check_end(chain, false, GEN_STOP, "stop", 2, NULL);            /* by a stop text */
    check_end(chain, false, GEN_LENGTH, "length", 2, NULL);
    check_end(cut, false, GEN_LENGTH, "length", 1, NULL);
    check_end(cut, true, GEN_STOP, "format", 1, cut);
    check_end("red", true, GEN_STOP, "format", 0, "red");
    check_end("", true, GEN_STOP, "format", 0, "");
    check_end("", false, GEN_LENGTH, "length", 0, NULL);
}

/* Stop texts over token borders, at once and never. Returns how many tokens the path took. */
static int push_all(const char *text, const struct slice *stop, int nstop, enum gen_end *end)
{
    struct gen_path p = path_of(text, true, GEN_STOP), out = { 0 };
    struct job j = { .max_tokens = 1000, .r.stop = { &end_id, 1, stop, nstop, tok } };
    struct path path = { .job = &j, .out = &out };
    int n = 0;
    while (n < p.n && !path_push(&path, (struct sampled){ (int)p.token[n], 0 })) n++;
    struct buf got = { 0 };
    tok_decode(tok, out.token, (size_t)out.n, 0, &got);
    T_CHECK(!strncmp(got.p, text, mem_min(got.len, strlen(text))));
    buf_free(&got);
    buf_free(&path.tail);
    free(out.token);
    free(out.logprob);
    free(p.token);
    free(p.logprob);
    *end = out.end;
    return n + 1;
}

static void test_stop_text(void)
{
    enum gen_end end;
    struct slice s[] = { { "\n\n", 2 }, { "s red. Bu", 9 }, { "red. But red", 12 } };
    const char *text = "It looks red. But red is not what it looks.";
    int all = push_all(text, NULL, 0, &end), n = push_all(text, s, 1, &end);
    T_INT(n, all);
    T_INT(end, GEN_STOP);
    n = push_all(text, s, 2, &end);
    T_CHECK(n < all);
    struct gen_path p = path_of("It looks red. Bu", false, GEN_STOP);
    T_CHECK(n >= p.n - 2 && n <= p.n + 1);
    free(p.token);
    free(p.logprob);
    T_CHECK(push_all(text, s + 2, 1, &end) < all);
    T_CHECK(push_all(text, s + 2, 1, &end) > n);
    T_INT(push_all("", s, 3, &end), 1);
}

static void test_length(void)
{
    struct gen_path out = { 0 };
    struct job j = { .max_tokens = 130, .r.stop = { &end_id, 1, NULL, 0, NULL } };
    struct path path = { .job = &j, .out = &out };
    for (int i = 0; i < 129; i++) T_CHECK(!path_push(&path, (struct sampled){ i, -1 }));
    T_CHECK(path_push(&path, (struct sampled){ 7, -1 }));
    T_INT(out.end, GEN_LENGTH);
    T_INT(out.n, 130);
    out.n = 129;
    T_CHECK(path_push(&path, (struct sampled){ end_id, -1 }));     /* the end token as the last possible one: ended by itself */
    T_INT(out.end, GEN_STOP);
    free(out.token);
    free(out.logprob);
}

int main(void)
{
    make_tokenizer();
    if (!tok) return printf("not ok - tokenizer: %s\n", err_msg()), 1;
    T_RUN(test_whole_path);
    T_RUN(test_ends);
    T_RUN(test_stop_text);
    T_RUN(test_length);
    tok_free(tok);
    return t_end();
}
