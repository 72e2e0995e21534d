/* SPDX-License-Identifier: Apache-2.0
 * Given texts over the tree of cached keys: scores at the tags and log-probabilities, on a tiny random model, against
 * whole passes without a cache, against the engine that sampled them, and against themselves under every cut and order.
 */
#include <stdlib.h>
#include "device.h"
#include "base/hash.h"
#include "search/engine.h"
#include "search/logprob.h"
#include "search/prm.h"
#include "t.h"

static const char tiled[] =
    "{\"model_type\": \"internvl\", \"image_token_id\": 5, \"image_seq_length\": 4, \"tie_word_embeddings\": false,"
    " \"vision_config\": {\"model_type\": \"internvl_vision\", \"hidden_size\": 16, \"intermediate_size\": 24,"
    "   \"num_hidden_layers\": 1, \"num_attention_heads\": 2, \"image_size\": [16, 16], \"patch_size\": [4, 4],"
    "   \"initializer_range\": 0.3},"
    " \"text_config\": {\"model_type\": \"qwen2\", \"hidden_size\": 32, \"intermediate_size\": 40, \"num_hidden_layers\": 2,"
    "   \"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"vocab_size\": 300, \"max_position_embeddings\": 400,"
    "   \"initializer_range\": 0.3, \"eos_token_id\": 2}}";
/* Images of any size, windows, positions of three axes. */
static const char qwen_vl[] =
    "{\"model_type\": \"qwen2_5_vl\", \"image_token_id\": 5, \"tie_word_embeddings\": false,"
    " \"vision_config\": {\"hidden_size\": 16, \"intermediate_size\": 24, \"depth\": 2, \"num_heads\": 2, \"patch_size\": 4,"
    "   \"out_hidden_size\": 32, \"window_size\": 16, \"fullatt_block_indexes\": [1], \"initializer_range\": 0.3},"
    " \"text_config\": {\"hidden_size\": 32, \"intermediate_size\": 40, \"num_hidden_layers\": 2, \"num_attention_heads\": 4,"
    "   \"num_key_value_heads\": 2, \"vocab_size\": 300, \"max_position_embeddings\": 400, \"rms_norm_eps\": 1e-6,"
    "   \"initializer_range\": 0.3, \"eos_token_id\": 2, \"rope_theta\": 1000.0,"
    "   \"rope_scaling\": {\"type\": \"mrope\", \"mrope_section\": [2, 1, 1]}}}";
static const char *config;                     /* of the running test */

/* An image of n tiles, or as large as n tiles side by side. */
static struct tiles tiles_of(int n)
{
    if (config == tiled) return (struct tiles){ .n = n, .h = 16, .w = 16 };
    return (struct tiles){ .n = 1, .h = 16, .w = 16 * n };
}

enum { V = 300, TILE = 3 * 16 * 16, IMG = 5, TILE_TOKENS = 4, QUESTIONS = 5, PATHS = 4, STEPS = 6 };

static struct ops *o;
static struct model *m;                        /* of the running test */
static struct par *pool;
static struct tokenizer *tok;
static struct prm_form *form;                  /* of CoS */

static struct prm_form *cos_form(const struct tokenizer *t)
{
    struct prm_style style;
    T_OK(prm_style_load("cos", &style));
    return prm_form_new(&style, chat_find("internvl"), t);
}

/* ---- questions and paths ---- */

/* Question 0 has no image, 1 and 2 show the same one, 3 another, 4 both of those. */
static struct input make_input(int question)
{
    int nimage = question == 4 ? 2 : question > 0, tiles = 3, text = 3 + question * 5;
    struct input in = { .nimage = nimage, .npx = (size_t)(nimage * tiles) * TILE, .n = 1 + nimage * (tiles * TILE_TOKENS + 1) + text };
    struct rng_key k = rng_key(1, &question, sizeof question);
    in.id = mem_array((size_t)in.n, sizeof *in.id);
    in.image = mem_array((size_t)nimage, sizeof *in.image);
    in.pixels = mem_array(in.npx, sizeof *in.pixels);
    int at = 0;
    in.id[at++] = 7;
    for (int i = 0; i < nimage; i++) {
        struct input_image *im = &in.image[i];
        uint64_t which = (uint64_t)(question == 3 || i);
        size_t first = (size_t)i * (size_t)tiles * TILE;
        *im = (struct input_image){ .pos = at, .end = at + tiles * TILE_TOKENS, .token = IMG, .n = tiles * TILE_TOKENS,
                                    .tiles = tiles_of(tiles), .px = first };
        float *px = in.pixels + first;
        for (int j = 0; j < tiles * TILE; j++) px[j] = rng_normal(rng_key(2, "image", 5), which, (uint64_t)j);
        for (int j = 0; j < 2; j++) im->digest[j] = hash64(px, (size_t)tiles * TILE * sizeof *px, (uint64_t)j);
        for (int j = 0; j < tiles * TILE_TOKENS; j++) in.id[at++] = IMG;
        in.id[at++] = 8;
    }
    for (int i = 0; i < text; i++) in.id[at++] = 10 + rng_below(k, 0, (uint64_t)i, 200);
    return in;
}

/* The path of a question: steps in words, an answer unless it is cut off. */
struct path { char text[STEPS][3][40]; struct step step[STEPS]; struct chain c; struct prm_ids r; };

static struct path *make_path(int question, int path)
{
    struct path *p = mem_alloc(sizeof *p);
    p->c = (struct chain){ .step = p->step, .nstep = 1 + (question * 3 + path) % STEPS, .answer = { "red ки", 8 }, .has_answer = path % 3 != 2 };
    for (int i = 0; i < p->c.nstep; i++) {
        struct slice *field[3] = { &p->step[i].name, &p->step[i].thought, &p->step[i].reflection };
        for (int k = 0; k < 3; k++) {
            int n = snprintf(p->text[i][k], sizeof p->text[i][k], "step %d of %d\nby %d", i, path * 7 + k, question + (int)strlen("abc") * k);
            *field[k] = (struct slice){ p->text[i][k], (size_t)n };
        }
    }
    T_OK(prm_form_encode(form, (struct slice){ 0 }, &p->c, &p->r));
    return p;
}

static int tags_of(const struct path *p) { return p->c.nstep + p->c.has_answer; }
static int length_of(const struct path *p) { return (int)p->r.ids.n; }

struct world { struct input in[QUESTIONS]; struct path *path[QUESTIONS][PATHS]; };
static struct world w;

static void make_world(void)
{
    for (int q = 0; q < QUESTIONS; q++) {
        w.in[q] = make_input(q);
        for (int k = 0; k < PATHS; k++) w.path[q][k] = make_path(q, k);
    }
}

static void free_world(void)
{
    for (int q = 0; q < QUESTIONS; q++) {
        input_free(&w.in[q]);
        for (int k = 0; k < PATHS; k++) {
            prm_ids_free(&w.path[q][k]->r);
            free(w.path[q][k]);
        }
    }
}

/* ---- without a cache ---- */

/* Logits [n, V] of the rows behind in and id[0, n). */
static float *naive_logits(const struct input *in, const uint32_t *id, int n)
{
    int T = in->n + n, start[2] = { 0, T }, nrow = 0;
    size_t rows = (size_t)T;
    int *all = mem_array(rows, sizeof *all), *pos = mem_array(rows, sizeof *pos);
    int *row = mem_array(rows, sizeof *row), *src = mem_array(rows, sizeof *src), *want = mem_array(rows, sizeof *want);
    float *logits = mem_array((size_t)n * V, sizeof *logits);
    for (int i = 0; i < T; i++) all[i] = (int)(i < in->n ? in->id[i] : id[i - in->n]), pos[i] = i;
    for (int i = 0; i < n; i++) want[i] = in->n + i;
    struct model_image image[2];
    for (int k = 0; k < in->nimage; k++) image[k] = (struct model_image){ in->image[k].tiles, in->pixels + in->image[k].px };
    for (int k = 0; k < in->nimage; k++)
        for (int j = 0; j < in->image[k].n; j++) {
            row[nrow] = in->image[k].pos + j;
            src[nrow] = nrow, nrow++;
        }
    struct model_batch b = { .ntok = T, .id = all, .pos = pos, .nseq = 1, .start = start, .nimage = in->nimage,
                             .image = image, .nimg = nrow, .img_row = row, .img_src = src };
    struct mat hidden;
    T_OK(model_forward(m, &b, &hidden));
    T_OK(model_logits(m, hidden, want, n, logits));
    free(all);
    free(pos);
    free(row);
    free(src);
    free(want);
    return logits;
}

static double naive_logprob(const float *logit, int id)
{
    double sum = 0;
    for (int v = 0; v < V; v++) sum += exp((double)logit[v] - (double)logit[id]);
    return -log(sum);
}

/* ---- scores ---- */

enum { MAX_TAGS = STEPS + 1 };
struct scores { double v[QUESTIONS][PATHS][MAX_TAGS]; };

static struct prm *open_prm(int kv_tokens, int rows)
{
    struct prm *p = prm_new(m, form, &(struct forest_cfg){ .kv_tokens = kv_tokens, .rows = rows });
    T_CHECK(p);
    return p;
}

/* Whole paths, all questions in one run. */
static struct forest_stats score_whole(int rows, struct scores *out)
{
    struct prm *p = open_prm(16384, rows);
    struct forest *f = prm_forest(p);
    struct place *at[QUESTIONS][PATHS + 1];
    for (int q = 0; q < QUESTIONS; q++) {
        T_OK(forest_check(f, &w.in[q], length_of(w.path[q][0])));
        at[q][PATHS] = forest_prompt(f, &w.in[q], w.in[q].n);
        for (int k = 0; k < PATHS; k++)
            at[q][k] = prm_text(p, at[q][PATHS], w.path[q][k]->r.ids.id, length_of(w.path[q][k]), out->v[q][k]);
    }
    T_OK(prm_run(p));
    struct forest_stats s = forest_stats(f);
    for (int q = 0; q < QUESTIONS; q++)
        for (int k = 0; k <= PATHS; k++) forest_drop(f, at[q][k]);
    prm_free(p);
    return s;
}

/* Step by step, as a search does: all questions one step further in each run, the places before dropped on the way. */
static void score_steps(int rows, struct scores *out)
{
    struct prm *p = open_prm(16384, rows);
    struct forest *f = prm_forest(p);
    struct place *at[QUESTIONS][PATHS];
    for (int q = 0; q < QUESTIONS; q++)
        for (int k = 0; k < PATHS; k++) at[q][k] = forest_prompt(f, &w.in[q], w.in[q].n);
    for (int i = 0; i < MAX_TAGS; i++) {
        for (int q = 0; q < QUESTIONS; q++)
            for (int k = 0; k < PATHS; k++) {
                const struct path *x = w.path[q][k];
                struct span s = i < tags_of(x) ? prm_ids_step(&x->r, i) : (struct span){ 0, 0 };
                if (s.begin == s.end) continue;
                struct place *next = prm_text(p, at[q][k], x->r.ids.id + s.begin, s.end - s.begin, &out->v[q][k][i]);
                forest_drop(f, at[q][k]);
                at[q][k] = next;
            }
        T_OK(prm_run(p));
    }
    for (int q = 0; q < QUESTIONS; q++)
        for (int k = 0; k < PATHS; k++) forest_drop(f, at[q][k]);
    prm_free(p);
}

/* One path at a time in a cache that holds little more. */
static void score_alone(struct scores *out)
{
    struct prm *p = open_prm(416, 0);
    struct forest *f = prm_forest(p);
    for (int k = 0; k < PATHS; k++)
        for (int q = QUESTIONS - 1; q >= 0; q--) {
            struct place *prompt = forest_prompt(f, &w.in[q], w.in[q].n), *text = NULL;
            T_CHECK(prompt && (text = prm_text(p, prompt, w.path[q][k]->r.ids.id, length_of(w.path[q][k]), out->v[q][k])));
            T_OK(prm_run(p));
            forest_drop(f, prompt);
            forest_drop(f, text);
        }
    prm_free(p);
}

static void check_scores_naive(const struct scores *got)
{
    int good = tok_id(tok, "к+и"), bad = tok_id(tok, "к-и");
    uint32_t tag = (uint32_t)tok_id(tok, "ки");
    double least = 1, most = 0;
    for (int q = 0; q < QUESTIONS; q++)
        for (int k = 0; k < PATHS; k++) {
            const struct path *p = w.path[q][k];
            int n = length_of(p), i = 0;
            float *logit = naive_logits(&w.in[q], p->r.ids.id, n);
            for (int t = 0; t < n; t++) {
                if (p->r.ids.id[t] != tag) continue;
                const float *l = logit + (size_t)t * V;
                T_NEAR(got->v[q][k][i], 1 / (1 + exp((double)l[bad] - (double)l[good])), 1e-5);
                least = fmin(least, got->v[q][k][i]);
                most = fmax(most, got->v[q][k][i++]);
            }
            T_INT(i, tags_of(p));
            free(logit);
        }
    T_CHECK(least < 0.4 && most > 0.6);                    /* the random model does tell steps apart */
}

static void check_ways(bool naive)
{
    struct scores want = { 0 }, got = { 0 };
    score_whole(0, &want);
    if (naive) check_scores_naive(&want);
    for (int rows = 3; rows < 600; rows *= 8) {
        memset(&got, 0, sizeof got);
        score_whole(rows, &got);
        T_CHECK(!memcmp(&got, &want, sizeof got));
        memset(&got, 0, sizeof got);
        score_steps(rows, &got);
        T_CHECK(!memcmp(&got, &want, sizeof got));
    }
    memset(&got, 0, sizeof got);
    score_alone(&got);
    T_CHECK(!memcmp(&got, &want, sizeof got));
}

static void test_ways(void) { check_ways(true); }

static void test_ways_bf16(void)
{
    struct model_cfg c;
    struct model *f32 = m;
    T_OK(cfg_parse(config, strlen(config), "tiny", &c));
    m = model_new(&c, 1, o, DT_BF16, 0);
    cfg_free(&c);
    T_CHECK(m);
    if (m) check_ways(false);
    model_free(m);
    m = f32;
}

/* ---- what is shared ---- */

static void test_sharing(void)
{
    struct scores s;
    struct forest_stats st = score_whole(0, &s);
    uint64_t prompts = 0, texts = 0, image = 1 + 3 * TILE_TOKENS;
    for (int q = 0; q < QUESTIONS; q++) {
        prompts += (uint64_t)w.in[q].n;
        for (int k = 0; k < PATHS; k++) texts += (uint64_t)length_of(w.path[q][k]);
    }
    T_INT(st.text_rows, texts);
    T_INT(st.shared_rows, 2 * image);                      /* one image of questions 1, 2 and 4 */
    T_INT(st.prompt_rows + st.shared_rows, prompts);
    T_INT(st.tiles, 3 * tiles_of(3).n);
    T_INT(st.shared_tiles, 2 * tiles_of(3).n);
}

/* A place that was dropped before the run: whoever comes next brings pixels of its own. */
static void test_dropped(void)
{
    struct scores want = { 0 };
    double got[MAX_TAGS] = { 0 };
    score_whole(0, &want);
    struct prm *p = open_prm(4096, 0);
    struct forest *f = prm_forest(p);
    struct input first = make_input(3);
    struct place *a = forest_prompt(f, &first, first.n), *t = prm_text(p, a, w.path[3][0]->r.ids.id, 5, NULL);
    forest_drop(f, a);
    forest_drop(f, t);
    input_free(&first);
    struct place *b = forest_prompt(f, &w.in[3], w.in[3].n), *c = prm_text(p, b, w.path[3][0]->r.ids.id, length_of(w.path[3][0]), got);
    T_OK(prm_run(p));
    T_CHECK(!memcmp(got, want.v[3][0], sizeof got));
    forest_drop(f, b);
    forest_drop(f, c);
    forest_drop(f, NULL);
    prm_free(p);
}

static void test_room(void)
{
    int page = kv_page();
    struct prm *p = open_prm(5 * page, 0);
    struct forest *f = prm_forest(p);
    const uint32_t *id = w.path[0][0]->r.ids.id;
    T_FAIL(forest_check(f, &w.in[0], 400), "positions");
    T_FAIL(forest_check(f, &w.in[0], 5 * page), "do not fit");
    T_OK(forest_check(f, &w.in[0], 3 * page));
    struct place *q = forest_prompt(f, &w.in[0], w.in[0].n), *a = forest_text(f, q, id, page, NULL), *b = forest_text(f, a, id, page, NULL);
    T_CHECK(q && a && b);
    T_CHECK(!forest_text(f, b, id, 3 * page + 1, NULL));
    T_CHECK(!forest_prompt(f, &w.in[4], w.in[4].n));
    T_OK(forest_run(f, NULL, NULL));
    forest_drop(f, a);                                     /* b stands on it: nothing is free yet */
    T_CHECK(!forest_text(f, b, id, 3 * page + 1, NULL));
    forest_drop(f, b);
    struct place *c = forest_text(f, q, id, 3 * page + 1, NULL);
    T_CHECK(c);
    forest_drop(f, c);
    forest_drop(f, q);
    for (int i = 2; i <= 4; i++) {                         /* prompts nobody needs any more leave the cache for the next */
        T_CHECK((q = forest_prompt(f, &w.in[i], w.in[i].n)));
        T_OK(forest_run(f, NULL, NULL));
        forest_drop(f, q);
    }
    prm_free(p);
}

static void test_refused(void)
{
    static const char *const some[] = { "<|reasoning_start|>", "ки" };
    struct tok_trainer *tr = tok_trainer_new();
    T_OK(tok_trainer_add(tr, "abc", 3));
    struct tokenizer *bare = tok_trainer_end(tr, 260, some, 2);
    T_CHECK(bare && !cos_form(bare));
    T_CHECK(strstr(err_msg(), "lacks the token к+и of PRM style cos"));
    for (int i = 0; i < 60; i++) {
        char name[16];
        snprintf(name, sizeof name, "<%d>", i);
        T_CHECK(tok_add(bare, (const char *const[]){ name }, 1) == 1);
    }
    for (int i = 0; i < STEP_TOKENS; i++) T_CHECK(tok_add(bare, &step_tokens[i].text, 1) >= 0);
    struct prm_form *f = cos_form(bare);
    T_CHECK(f && !prm_new(m, f, &(struct forest_cfg){ .kv_tokens = 1024 }));
    T_CHECK(strstr(err_msg(), "vocabulary of 300"));
    T_CHECK(!prm_new(m, form, &(struct forest_cfg){ .kv_tokens = 1 }));
    prm_form_free(f);
    tok_free(bare);
}

/* ---- log-probabilities ---- */

enum { SAMPLES = 3, LENGTH = 40 };

static struct gen_path *sample(int question)
{
    static const int eos[] = { 2 };
    struct engine *e = engine_new(m, pool, &(struct engine_cfg){ .batch = 5, .kv_tokens = 4096 });
    struct gen_request r = { .in = make_input(question), .key = rng_key(3, &question, sizeof question), .npath = SAMPLES,
                             .max_tokens = LENGTH, .how = { 0.7, 50, 0.9 }, .stop = { .id = eos, .nid = 1 } };
    struct gen_done d;
    T_OK(engine_submit(e, &r));
    while (!engine_take(e, &d)) T_CHECK(engine_step(e) > 0);
    engine_free(e);
    return d.path;
}

/* Of all samples of all questions at once: as the engine noted them, bit for bit. */
static void check_logprobs(struct gen_path *const path[QUESTIONS], int rows)
{
    struct logprobs *l = logprobs_new(m, pool, &(struct forest_cfg){ .kv_tokens = 8192, .rows = rows });
    struct forest *f = logprobs_forest(l);
    static float lp[QUESTIONS][SAMPLES][LENGTH];
    static uint32_t id[QUESTIONS][SAMPLES][LENGTH + 1];
    struct place *at[QUESTIONS][SAMPLES + 1];
    memset(lp, 0, sizeof lp);
    for (int q = 0; q < QUESTIONS; q++) {
        at[q][SAMPLES] = forest_prompt(f, &w.in[q], w.in[q].n - 1);
        for (int k = 0; k < SAMPLES; k++) {
            id[q][k][0] = w.in[q].id[w.in[q].n - 1];
            memcpy(id[q][k] + 1, path[q][k].token, (size_t)path[q][k].n * sizeof(uint32_t));
            at[q][k] = logprobs_text(l, at[q][SAMPLES], id[q][k], path[q][k].n, lp[q][k]);
        }
    }
    T_OK(logprobs_run(l));
    for (int q = 0; q < QUESTIONS; q++) {
        for (int k = 0; k < SAMPLES; k++) T_CHECK(!memcmp(lp[q][k], path[q][k].logprob, (size_t)path[q][k].n * sizeof(float)));
        for (int k = 0; k <= SAMPLES; k++) forest_drop(f, at[q][k]);
    }
    logprobs_free(l);
}

static void test_logprobs(void)
{
    struct gen_path *path[QUESTIONS];
    for (int q = 0; q < QUESTIONS; q++) path[q] = sample(q);
    check_logprobs(path, 0);
    check_logprobs(path, 7);
    for (int q = 0; q < QUESTIONS; q++) {
        for (int k = 0; k < SAMPLES; k++) {
            struct input in = w.in[q];
            in.n--;
            uint32_t id[LENGTH + 1] = { w.in[q].id[in.n] };
            memcpy(id + 1, path[q][k].token, (size_t)path[q][k].n * sizeof *id);
            float *logit = naive_logits(&in, id, path[q][k].n);
            for (int i = 0; i < path[q][k].n; i++) T_NEAR(path[q][k].logprob[i], naive_logprob(logit + (size_t)i * V, (int)id[i + 1]), 1e-4);
            free(logit);
        }
        gen_paths_free(path[q], SAMPLES);
    }
}

/* Weights that are not numbers must not become a score. */
static void test_nan(void)
{
    struct mat head = model_head(m, NULL);
    float *keep = mem_array((size_t)head.cols, sizeof *keep), *bad = mem_array((size_t)head.cols, sizeof *bad);
    float *row = (float *)head.p + (size_t)tok_id(tok, "к+и") * (size_t)head.cols;
    o->download(o, keep, row, (size_t)head.cols * sizeof *keep);
    for (int i = 0; i < head.cols; i++) bad[i] = NAN;
    o->upload(o, row, bad, (size_t)head.cols * sizeof *bad);
    double score[MAX_TAGS];
    struct prm *p = open_prm(2048, 0);
    struct place *q = forest_prompt(prm_forest(p), &w.in[0], w.in[0].n);
    struct place *a = prm_text(p, q, w.path[0][0]->r.ids.id, length_of(w.path[0][0]), score);
    T_FAIL(prm_run(p), "finite");
    forest_drop(prm_forest(p), a);
    forest_drop(prm_forest(p), q);
    prm_free(p);
    o->upload(o, row, keep, (size_t)head.cols * sizeof *keep);
    free(keep);
    free(bad);
}

static struct tokenizer *make_tokenizer(void)
{
    const char *special[STEP_TOKENS];
    struct tok_trainer *tr = tok_trainer_new();
    for (int i = 0; i < STEP_TOKENS; i++) special[i] = step_tokens[i].text;
    for (int i = 0; i < 3; i++)
        if (tok_trainer_add(tr, "step by step, of the red", 24)) return NULL;
    return tok_trainer_end(tr, V - 5, special, STEP_TOKENS);
}

static void run_all(const char *json)
{
    struct model_cfg c;
    config = json;
    if (cfg_parse(config, strlen(config), "tiny", &c) || !(m = model_new(&c, 1, o, DT_F32, 0))) {
        printf("not ok - model: %s\n", err_msg());
        exit(1);
    }
    form = cos_form(tok);
    make_world();
    T_RUN(test_ways);
    T_RUN(test_ways_bf16);
    T_RUN(test_sharing);
    T_RUN(test_dropped);
    T_RUN(test_room);
    T_RUN(test_refused);
    T_RUN(test_logprobs);
    T_RUN(test_nan);
    free_world();
    model_free(m);
    cfg_free(&c);
    prm_form_free(form);
}

int main(void)
{
    o = test_ops(2);
    pool = par_new(2);
    if (!o || !(tok = make_tokenizer())) return 1;
    run_all(tiled);
    run_all(qwen_vl);
    tok_free(tok);
    par_free(pool);
    o->close(o);
    return t_end();
}
