/* SPDX-License-Identifier: Apache-2.0
 * Reward model and preference objectives on a real (tiny) model: labels to targets, what is rejected, losses at saturation,
 * losses that fall, and stopped runs that go on to the same bytes. Runs in the repository's root.
 */
#include "record/jsonl.h"
#include "text/response.h"
#include "train/logistic.h"
#include "train/objective_dpo.h"
#include "train/objective_prm.h"
#include "train_world.h"

static struct prm_form *form;

/* ---- numbers ---- */

static void test_logistic(void)
{
    T_NEAR(softplus(0), log(2), 1e-15);
    T_NEAR(softplus(-800), 0, 0);
    T_NEAR(softplus(-100) / exp(-100), 1, 1e-15);
    T_NEAR(softplus(1e300), 1e300, 0);
    T_NEAR(sigmoid(-100) / exp(-100), 1, 1e-15);
    T_NEAR(sigmoid(800), 1, 0);
    T_NEAR(sigmoid(-800), 0, 0);
    T_CHECK(isnan(softplus(NAN)) && isnan(sigmoid(NAN)));
    for (double x = -5; x < 5; x += 0.7) T_NEAR(softplus(x) - softplus(-x), x, 1e-14);
}

static void test_prm_saturated(void)
{
    double g;
    T_NEAR(prm_tag_loss(1000, 0, &g), 1000, 0);
    T_NEAR(g, 1, 0);
    T_NEAR(prm_tag_loss(-1000, 1, &g), 1000, 0);
    T_NEAR(g, -1, 0);
    T_NEAR(prm_tag_loss(100, 1, &g) / exp(-100), 1, 1e-14);
    T_NEAR(g / -exp(-100), 1, 1e-14);          /* not rounded away to 0 */
    T_NEAR(prm_tag_loss(0, 0.5, &g), log(2), 1e-15);
    T_NEAR(g, 0, 0);
}

static void test_dpo_gradient(void)
{
    const struct dpo_cfg c = { .beta = 0.3, .sigmoid = 0.8, .ipo = 0.6, .bco = 0.2, .nll = 1.1 };
    for (int far = 0; far < 2; far++) {
        struct dpo_pair p = { { -12.5 - 3000 * far, -20.25 + 2000 * far }, { -13, -18 }, { 5, 9 } };
        double grad[2], ignored[2], h = 1e-4;
        T_CHECK(isfinite(dpo_pair_loss(&c, &p, 0.4, grad)));
        for (int k = 0; k < 2; k++) {
            struct dpo_pair up = p, down = p;
            up.lp[k] += h;
            down.lp[k] -= h;
            double d = (dpo_pair_loss(&c, &up, 0.4, ignored) - dpo_pair_loss(&c, &down, 0.4, ignored)) / (2 * h);
            T_NEAR(grad[k] / d, 1, 1e-6);
        }
    }
}

/* ---- records ---- */

static void from_json(struct record *r, const char *text)
{
    struct buf packed = { 0 };
    T_OK(jsonl_get(text, strlen(text), &packed));
    T_OK(rec_unpack(r, packed.p, packed.len));
    buf_free(&packed);
}

/* A record with a path of two steps: what is labelled of the first, the second and the path. */
static void labelled(struct record *r, const char *one, const char *two, const char *rest)
{
    char *text = mem_fmt("{\"question\":\"q\",\"path\":{\"steps\":[{\"name\":\"a\",\"thought\":\"b\",\"reflection\":\"c\"%s},"
                         "{\"thought\":\"d\"%s}]%s}}", one, two, rest);
    from_json(r, text);
    free(text);
}

#define LABELS(l) ",\"labels\":[" l "]"
#define ANSWER(l) ",\"answer\":\"x\",\"answer_labels\":[" l "]"
#define MC(k, n) "{\"by\":\"mc\",\"k\":" #k ",\"n\":" #n "}"
#define JUDGE(v) "{\"by\":\"judge\",\"value\":" #v "}"

static struct prm_cfg prm_cfg(const char *labels, enum prm_merge merge, enum prm_target target, enum prm_answer answer)
{
    return (struct prm_cfg){ labels, merge, target, 0.5, answer };
}

/* Encodes the record under cfg: want holds target and weight of each tag, n of them; why: the record is rejected. */
static void check_tags(struct record *r, struct prm_cfg cfg, int n, const double (*want)[2], const char *why)
{
    struct train_prm p;
    struct draft d = { 0 };
    const char *got = NULL;
    objective_prm(&p, &cfg, form);
    err_set(ERR_INPUT, "stale");
    int bad = p.base.encode(&p.base, io, r, &d, &got);
    T_INT(bad, why ? -1 : 0);
    if (why) { T_STR(got, why); T_CHECK(strcmp(err_msg(), "stale")); }
    else T_CHECK(!got);
    if (!why && !bad) {
        const struct prm_tag *tag = (const struct prm_tag *)d.ex.own;
        T_INT(d.ex.nown, n * PRM_OWN);
        for (int i = 0; i < n; i++) {
            T_NEAR(tag[i].target, want[i][0], 1e-7);
            T_NEAR(tag[i].weight, want[i][1], 1e-7);
            T_INT(tag[i].answer, i == 2);
        }
    }
    draft_free(&d);
    objective_prm_free(&p);
}
#define TAGS(...) countof(((const double[][2]){ __VA_ARGS__ })), (const double[][2]){ __VA_ARGS__ }, NULL

static void test_prm_targets(void)
{
    struct record *r = rec_new();
    labelled(r, LABELS(MC(5, 16) "," JUDGE(1)), LABELS(MC(8, 16)), ANSWER(MC(16, 16)));
    check_tags(r, prm_cfg("mc", PRM_FIRST, PRM_HARD, PRM_ANSWER_ANY), TAGS({ 0, 1 }, { 1, 1 }, { 1, 1 }));
    check_tags(r, prm_cfg("mc", PRM_FIRST, PRM_SOFT, PRM_ANSWER_ANY), TAGS({ 0.3125, 1 }, { 0.5, 1 }, { 1, 1 }));
    check_tags(r, prm_cfg("mc", PRM_FIRST, PRM_COUNT, PRM_ANSWER_NONE), TAGS({ 0.3125, 16 }, { 0.5, 16 }, { 0, 0 }));
    check_tags(r, prm_cfg("judge", PRM_FIRST, PRM_SOFT, PRM_ANSWER_ANY), TAGS({ 1, 1 }, { 0, 0 }, { 0, 0 }));
    check_tags(r, prm_cfg("judge,mc", PRM_FIRST, PRM_SOFT, PRM_ANSWER_ANY), TAGS({ 1, 1 }, { 0.5, 1 }, { 1, 1 }));
    check_tags(r, prm_cfg("judge,mc", PRM_MEAN, PRM_SOFT, PRM_ANSWER_ANY), TAGS({ 1.3125 / 2, 2 }, { 0.5, 1 }, { 1, 2 }));
    check_tags(r, prm_cfg("judge,mc", PRM_MEAN, PRM_COUNT, PRM_ANSWER_ANY), TAGS({ 6.0 / 17, 17 }, { 0.5, 16 }, { 1, 17 }));
    struct prm_cfg any_try = prm_cfg("mc", PRM_FIRST, PRM_HARD, PRM_ANSWER_ANY);
    any_try.threshold = 1e-9;
    check_tags(r, any_try, TAGS({ 1, 1 }, { 1, 1 }, { 1, 1 }));
    rec_free(r);
}

static void test_prm_neutral_and_unknown(void)
{
    struct record *r = rec_new();
    labelled(r, LABELS(JUDGE(0.5)), LABELS(JUDGE(null)), ANSWER(JUDGE(0)));
    for (int t = PRM_HARD; t <= PRM_COUNT; t++)
        check_tags(r, prm_cfg("judge", PRM_FIRST, (enum prm_target)t, PRM_ANSWER_ANY), TAGS({ 0.5, 1 }, { 0, 0 }, { 0, 1 }));
    /* unknown, not wrong, and not a label either: the next source is asked */
    labelled(r, LABELS(JUDGE(null) "," MC(3, 4)), LABELS(JUDGE(0.5) "," MC(1, 4)), ANSWER(""));
    check_tags(r, prm_cfg("judge,mc", PRM_FIRST, PRM_HARD, PRM_ANSWER_ANY), TAGS({ 1, 1 }, { 0.5, 1 }, { 0, 0 }));
    check_tags(r, prm_cfg("judge,mc", PRM_MEAN, PRM_HARD, PRM_ANSWER_ANY), TAGS({ 1, 1 }, { 0, 2 }, { 0, 0 }));
    check_tags(r, prm_cfg("truth", PRM_FIRST, PRM_HARD, PRM_ANSWER_ANY), 0, NULL, "no label of these sources");
    rec_free(r);
}

static void test_prm_answer(void)
{
    struct record *r = rec_new();
    labelled(r, LABELS(MC(4, 8)), "", ANSWER(JUDGE(1)) ",\"correct\":false");
    check_tags(r, prm_cfg("mc", PRM_FIRST, PRM_SOFT, PRM_ANSWER_ANY), TAGS({ 0.5, 1 }, { 0, 0 }, { 0, 1 }));
    check_tags(r, prm_cfg("mc", PRM_FIRST, PRM_COUNT, PRM_ANSWER_ANY), TAGS({ 0.5, 8 }, { 0, 0 }, { 0, 8 }));
    check_tags(r, prm_cfg("judge,mc", PRM_FIRST, PRM_COUNT, PRM_ANSWER_ANY), TAGS({ 0.5, 8 }, { 0, 0 }, { 1, 8 }));
    check_tags(r, prm_cfg("mc", PRM_FIRST, PRM_SOFT, PRM_ANSWER_LABELS), TAGS({ 0.5, 1 }, { 0, 0 }, { 0, 0 }));
    check_tags(r, prm_cfg("judge", PRM_FIRST, PRM_SOFT, PRM_ANSWER_ANY), TAGS({ 0, 0 }, { 0, 0 }, { 1, 1 }));
    check_tags(r, prm_cfg("judge", PRM_FIRST, PRM_SOFT, PRM_ANSWER_CORRECT), TAGS({ 0, 0 }, { 0, 0 }, { 0, 1 }));
    check_tags(r, prm_cfg("judge", PRM_FIRST, PRM_SOFT, PRM_ANSWER_NONE), 0, NULL, "no label of these sources");
    labelled(r, LABELS(MC(4, 8)), "", ANSWER("") ",\"correct\":null");
    check_tags(r, prm_cfg("mc", PRM_FIRST, PRM_SOFT, PRM_ANSWER_ANY), TAGS({ 0.5, 1 }, { 0, 0 }, { 0, 0 }));
    /* cut off before the answer: no tag for it, whatever is said about it */
    labelled(r, LABELS(MC(4, 8)), LABELS(MC(0, 8)), ",\"correct\":false,\"answer_labels\":[" MC(0, 8) "]");
    check_tags(r, prm_cfg("mc", PRM_FIRST, PRM_SOFT, PRM_ANSWER_ANY), TAGS({ 0.5, 1 }, { 0, 1 }));
    rec_free(r);
}

static void test_prm_rejects(void)
{
    struct record *r = rec_new();
    struct prm_cfg c = prm_cfg("mc", PRM_FIRST, PRM_HARD, PRM_ANSWER_ANY);
    static const char *const bad[] = { "{\"by\":\"mc\"}", MC(5, 4), MC(-1, 4), MC(0, 0), "{\"by\":\"mc\",\"k\":1}", "{\"by\":\"mc\",\"value\":1.5}",
        "{\"by\":\"mc\",\"value\":{\"$float\":\"nan\"}}", "{\"by\":\"mc\",\"value\":\"1\"}", "{\"by\":\"mc\",\"k\":0.5,\"n\":1}" };
    for (int i = 0; i < countof(bad); i++) {
        char *one = mem_fmt(",\"labels\":[%s]", bad[i]);
        labelled(r, LABELS(MC(1, 1)), one, "");
        check_tags(r, c, 0, NULL, "malformed label");
        free(one);
    }
    labelled(r, ",\"labels\":7", ",\"labels\":[7,null,{}]", ANSWER(""));
    check_tags(r, c, 0, NULL, "no label of these sources");
    from_json(r, "{\"question\":\"q\"}");
    check_tags(r, c, 0, NULL, "no path");
    from_json(r, "{\"question\":\"q\",\"path\":{\"steps\":[7]}}");
    check_tags(r, c, 0, NULL, "malformed path");
    from_json(r, "{\"question\":\"q\",\"path\":{},\"correct\":true}");
    check_tags(r, c, 0, NULL, "no label of these sources");
    from_json(r, "{\"path\":{\"answer\":\"x\",\"correct\":true}}");
    check_tags(r, c, 0, NULL, "no question");
    rec_free(r);
}

static void test_prm_text(void)
{
    struct record *r = rec_new();
    struct train_prm p;
    struct prm_cfg c = prm_cfg("mc", PRM_FIRST, PRM_HARD, PRM_ANSWER_ANY);
    struct buf text = { 0 };
    objective_prm(&p, &c, form);
    for (int whole = 0; whole < 2; whole++) {
        struct draft d = { 0 };
        const char *why;
        labelled(r, LABELS(MC(1, 1)), "", whole ? ANSWER("") : "");
        T_OK(p.base.encode(&p.base, io, r, &d, &why));
        const struct train_seq *s = &d.ex.seq[0];
        buf_clear(&text);
        tok_decode(io->tok, s->id + s->prompt, (size_t)(s->n - s->prompt), 0, &text);
        T_CHECK(strstr(text.p, "<|reasoning_step_thought_start|>d<|reasoning_step_thought_end|>\n"));
        if (whole) T_CHECK(strstr(text.p, "ки\n<|reasoning_end|>\nAnswer:\n<|answer_start|>x<|answer_end|>ки"));
        else T_CHECK(!strcmp(text.p + text.len - 4, "ки"));
        T_CHECK(!strstr(text.p, "<|im_end|>"));
        draft_free(&d);
    }
    buf_free(&text);
    objective_prm_free(&p);
    rec_free(r);
}

/* ---- reward model: training ---- */

static void dress_labels(struct record *r, int i)      /* every other path is wrong, and says so in its label and its words */
{
    val *step = val_at(val_path(&r->root, "path.steps"), 0), *path = val_get(&r->root, "path");
    val labels = val_array(&r->zone, 1), one = val_map();
    val_set(&r->zone, &one, "by", val_of_cstr(&r->zone, "mc"));
    val_set(&r->zone, &one, "k", val_of_i64(i % 2 ? 7 : 1));
    val_set(&r->zone, &one, "n", val_of_i64(8));
    *val_at(&labels, 0) = one;
    val_set(&r->zone, step, "labels", labels);
    val_set(&r->zone, step, "reflection", val_of_cstr(&r->zone, i % 2 ? "Sure." : "Perhaps."));
    val_set(&r->zone, path, "correct", val_of_bool(i % 2));
}

static int train_on(const struct train_cfg *c, const struct objective *obj, struct seen *s)
{
    struct dataset *ds = load(obj, RECORDS);
    struct model *m = open_model();
    struct train_job job = { c, m, io, ds, obj, { s, see, stop, NULL } };
    int r = train_run(&job);
    model_free(m);
    dataset_free(ds);
    return r;
}

static void test_prm_trains(void)
{
    struct prm_cfg c = prm_cfg("mc", PRM_FIRST, PRM_HARD, PRM_ANSWER_ANY);
    struct train_prm p;
    struct train_cfg t = quick();
    struct seen s = { 0 };
    dress = dress_labels;
    objective_prm(&p, &c, form);
    compare_ways(&p.base, 1, false, false);
    compare_ways(&p.base, 300, true, true);
    t.batch = RECORDS;
    t.steps = 40;
    t.jitter = 0;
    t.frozen[PART_VISION] = true;
    T_OK(train_on(&t, &p.base, &s));
    printf("# loss %.4f -> %.4f, accuracy %.2f %.2f, scores %.3f %.3f\n", s.first, s.last, s.metric[0], s.metric[1], s.metric[2], s.metric[3]);
    T_CHECK(s.first > 0.5);
    T_CHECK(s.last < 0.05);
    T_NEAR(s.metric[0], 1, 0);
    T_NEAR(s.metric[1], 1, 0);
    T_CHECK(s.metric[2] > 0.9 && s.metric[3] < 0.1);
    T_OK(dir_remove(out));
    objective_prm_free(&p);
}

/* With targets of 1/8 and 7/8 the least loss is the entropy, and scores calibrate there. */
static void test_prm_soft_calibrates(void)
{
    struct prm_cfg c = prm_cfg("mc", PRM_FIRST, PRM_SOFT, PRM_ANSWER_NONE);
    struct train_prm p;
    struct train_cfg t = quick();
    struct seen s = { 0 };
    double entropy = -log(0.125) / 8 - log(0.875) * 7 / 8;
    dress = dress_labels;
    objective_prm(&p, &c, form);
    t.batch = RECORDS;
    t.steps = 80;
    t.jitter = 0;
    t.frozen[PART_EMBED] = t.frozen[PART_HEAD] = true;
    T_OK(train_on(&t, &p.base, &s));
    printf("# loss %.4f -> %.4f, entropy %.4f\n", s.first, s.last, entropy);
    T_CHECK(s.last > entropy - 1e-6 && s.last < entropy + 0.05);
    T_NEAR(s.metric[2], 0.875, 0.1);
    T_NEAR(s.metric[3], 0.125, 0.1);
    T_CHECK(isnan(s.metric[1]));               /* no answer was labelled */
    T_OK(dir_remove(out));
    objective_prm_free(&p);
}

/* ---- pairs: records ---- */

static const char ref_digest[] = "0123456789abcdef0123456789abcdef";

static char *side_json(const char *tokens, const char *logprobs)
{
    return mem_fmt("{\"steps\":[],\"tokens\":{\"$u32\":[%s]},\"tokenizer\":\"%s\",\"logprobs\":%s}", tokens, tok_digest(io->tok), logprobs);
}

static void check_pair(const char *chosen, const char *rejected, const char *why)
{
    struct record *r = rec_new();
    struct draft d = { 0 };
    const char *got = NULL;
    struct train_dpo p;
    objective_dpo(&p, &(struct dpo_cfg){ .ref = ref_digest, .beta = 0.1, .sigmoid = 1 });
    char *text = mem_fmt("{\"question\":\"q\",\"chosen\":%s,\"rejected\":%s}", chosen, rejected);
    from_json(r, text);
    err_set(ERR_INPUT, "stale");
    int bad = p.base.encode(&p.base, io, r, &d, &got);
    T_INT(bad, why ? -1 : 0);
    if (why) { T_STR(got, why); T_CHECK(strcmp(err_msg(), "stale")); }
    else {
        T_CHECK(!got);
        T_INT(d.ex.nseq, 2);
        T_INT(d.ex.seq[0].n - d.ex.seq[0].prompt, 3);      /* as they are: nothing is put behind them */
        T_INT(d.ex.seq[1].n - d.ex.seq[1].prompt, 1);
        T_NEAR(d.ex.own[0], -1.75, 0);
        T_NEAR(d.ex.own[1], -4, 0);
    }
    draft_free(&d);
    free(text);
    rec_free(r);
}

static void test_dpo_records(void)
{
#define REF "\"0123456789abcdef0123456789abcdef\":"
    struct { const char *tokens, *logprobs, *why; } t[] = {
        { "65,66,67", "{" REF "{\"$f32\":[-1.0,-0.5,-0.25]},\"other\":{\"$f32\":[-9.0,-9.0,-9.0]}}", NULL },
        { "65,66,67", "{\"other\":{\"$f32\":[-1.0,-0.5,-0.25]}}", "log-probabilities of another model" },
        { "65,66,67", "{}", "no log-probabilities (cos-score logprob adds them)" },
        { "65,66,67", "7", "no log-probabilities (cos-score logprob adds them)" },
        { "65,66,67", "{" REF "{\"$f32\":[-1.0,-0.5]}}", "malformed log-probabilities" },
        { "65,66,67", "{" REF "[-1.0,-0.5,-0.25]}", "malformed log-probabilities" },
        { "65,66,67", "{" REF "{\"$f32\":[-1.0,\"nan\",-0.25]}}", "malformed log-probabilities" },
        { "65,66,99999", "{" REF "{\"$f32\":[-1.0,-0.5,-0.25]}}", "malformed tokens" },
        { "65,66,4294967295", "{" REF "{\"$f32\":[-1.0,-0.5,-0.25]}}", "malformed tokens" },
        { "", "{" REF "{\"$f32\":[]}}", "no tokens (cos-score logprob adds them)" },
        { "70", "{" REF "{\"$f32\":[-4.0]}}", "chosen and rejected are the same" },
    };
    char *rejected = side_json("70", "{" REF "{\"$f32\":[-4.0]}}");
    for (int i = 0; i < countof(t); i++) {
        char *chosen = side_json(t[i].tokens, t[i].logprobs);
        check_pair(chosen, rejected, t[i].why);
        if (i && i < countof(t) - 1) check_pair(rejected, chosen, t[i].why);
        free(chosen);
    }
    check_pair("7", rejected, "not a pair");
    check_pair("{}", rejected, "no tokens (cos-score logprob adds them)");
    check_pair(rejected, "null", "not a pair");
    check_pair("{\"tokens\":{\"$u32\":[1]},\"tokenizer\":\"x\"}", rejected, "tokens of another tokenizer");
    free(rejected);
}

/* ---- pairs: training ---- */

static val side_val(msgpack_zone *z, const uint32_t *id, size_t n, float lp)
{
    val path = val_map(), all = val_map();
    float each[8];
    for (size_t i = 0; i < n; i++) each[i] = lp;
    val_set(z, &path, "tokens", val_of_u32s(z, id, n));
    val_set(z, &path, "tokenizer", val_of_cstr(z, tok_digest(io->tok)));
    val_set(z, &all, ref_digest, val_of_f32s(z, each, n));
    val_set(z, &path, "logprobs", all);
    return path;
}

static void dress_pair(struct record *r, int i)
{
    uint32_t chosen[] = { 65, 66, 67 + (uint32_t)i % 3 }, rejected[] = { 70, 71 + (uint32_t)i % 2 };
    val_set(&r->zone, &r->root, "chosen", side_val(&r->zone, chosen, 3, -6));
    val_set(&r->zone, &r->root, "rejected", side_val(&r->zone, rejected, 2, -6));
}

static void test_dpo_trains(void)
{
    static const struct dpo_cfg terms[] = {
        { ref_digest, 0.5, 1, 0, 0, 0 }, { ref_digest, 0.5, 0, 1, 0, 0 }, { ref_digest, 0.5, 0, 0, 1, 0 }, { ref_digest, 0.5, 0.8, 0, 0.2, 1 } };
    dress = dress_pair;
    for (int i = 0; i < countof(terms); i++) {
        struct train_dpo d;
        struct train_cfg t = quick();
        struct seen s = { 0 };
        objective_dpo(&d, &terms[i]);
        compare_ways(&d.base, 1, true, true);
        compare_ways(&d.base, 200, true, true);
        t.batch = RECORDS;
        t.steps = 40;
        t.jitter = 0;
        T_OK(train_on(&t, &d.base, &s));
        printf("# terms %d: loss %.4f -> %.4f, rewards %.2f %.2f, accuracy %.2f, log p %.2f %.2f, nll %.2f\n", i, s.first, s.last,
               s.metric[0], s.metric[1], s.metric[3], s.metric[4], s.metric[5], s.metric[6]);
        T_CHECK(s.last < s.first / 2);
        T_NEAR(s.metric[2], s.metric[0] - s.metric[1], 1e-9);
        T_NEAR(s.metric[3], 1, 0);
        T_NEAR(s.metric[0], 0.5 * (s.metric[4] + 18), 1e-4);
        T_NEAR(s.metric[6], -s.metric[4] / 3, 1e-6);
        T_OK(dir_remove(out));
    }
}

/* BCO's shift is more than weights and moments: without it in the state the weights would differ. */
static void test_stopped_is_undisturbed(void)
{
    const struct dpo_cfg c = { ref_digest, 0.5, 0, 0, 1, 0 };
    struct train_cfg t = quick();
    struct train_dpo d;
    struct seen s = { 0 };
    dress = dress_pair;
    objective_dpo(&d, &c);
    T_OK(train_on(&t, &d.base, &s));           /* 2 epochs of 3 steps */
    T_NEAR(d.state[DPO_STEPS], 6, 0);
    T_CHECK(fabs(d.state[DPO_SHIFT]) > 0.01);
    double shift = d.state[DPO_SHIFT];
    char *want = weights(out);
    T_OK(dir_remove(out));
    for (int at = 1; at < 6; at += 2) {
        t.resume = true;
        s = (struct seen){ .stop_at = at };
        objective_dpo(&d, &c);
        T_FAIL(train_on(&t, &d.base, &s), "--resume goes on");
        s = (struct seen){ 0 };
        objective_dpo(&d, &c);
        T_OK(train_on(&t, &d.base, &s));
        T_INT(s.steps, 6 - at);
        T_NEAR(d.state[DPO_SHIFT], shift, 0);
        char *got = weights(out);
        T_STR(got, want);
        free(got);
        T_OK(dir_remove(out));
    }
    free(want);
}

static void test_resume_needs_the_same(void)
{
    struct dpo_cfg c = { ref_digest, 0.5, 0, 0, 1, 0 };
    struct train_cfg t = quick();
    struct train_dpo d;
    struct seen s = { .stop_at = 2 };
    dress = dress_pair;
    objective_dpo(&d, &c);
    T_INT(train_on(&t, &d.base, &s), -1);
    t.resume = true;
    c.bco = 0.5;
    objective_dpo(&d, &c);
    T_FAIL(train_on(&t, &d.base, &s), "bco was 1, and is now 0.5");
    c.bco = 1;
    objective_dpo(&d, &c);
    d.base.nstate = 1;                         /* a state of another kind */
    s = (struct seen){ 0 };
    T_FAIL(train_on(&t, &d.base, &s), "no tensor objective of 1 numbers");
    t.resume = false;
    t.force = true;
    objective_dpo(&d, &c);
    T_OK(train_on(&t, &d.base, &s));
    T_OK(dir_remove(out));
}

int main(void)
{
    T_RUN(test_logistic);
    T_RUN(test_prm_saturated);
    T_RUN(test_dpo_gradient);
    T_RUN(make_world);
    struct prm_style style;
    T_OK(prm_style_load("cos", &style));
    T_CHECK(form = prm_form_new(&style, io->chat, io->tok));
    T_RUN(test_prm_targets);
    T_RUN(test_prm_neutral_and_unknown);
    T_RUN(test_prm_answer);
    T_RUN(test_prm_rejects);
    T_RUN(test_prm_text);
    T_RUN(test_prm_trains);
    T_RUN(test_prm_soft_calibrates);
    T_RUN(test_dpo_records);
    T_RUN(test_dpo_trains);
    T_RUN(test_stopped_is_undisturbed);
    T_RUN(test_resume_needs_the_same);
    prm_form_free(form);
    end_world();
    return t_end();
}
