/* SPDX-License-Identifier: Apache-2.0
 * The engine on a tiny random model, against decoding one path at a time without any cache, and against itself under
 * every way of batching.
 */
#include <stdlib.h>
#include "device.h"
#include "base/hash.h"
#include "base/mem.h"
#include "search/engine_priv.h"
#include "t.h"

static const char tiled[] =
    "{\"model_type\": \"internvl\", \"image_token_id\": 5, \"image_seq_length\": 4, \"tie_word_embeddings\": false,"
    " \"vision_config\": {\"model_type\": \"internvl_vision\", \"hidden_size\": 16, \"intermediate_size\": 24,"
    "   \"num_hidden_layers\": 1, \"num_attention_heads\": 2, \"image_size\": [16, 16], \"patch_size\": [4, 4],"
    "   \"initializer_range\": 0.3},"
    " \"text_config\": {\"model_type\": \"qwen2\", \"hidden_size\": 32, \"intermediate_size\": 40, \"num_hidden_layers\": 2,"
    "   \"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"vocab_size\": 97, \"max_position_embeddings\": 200,"
    "   \"initializer_range\": 0.3, \"eos_token_id\": 2}}";
/* Images of any size, windows, positions of three axes. */
static const char qwen_vl[] =
    "{\"model_type\": \"qwen2_5_vl\", \"image_token_id\": 5, \"tie_word_embeddings\": false,"
    " \"vision_config\": {\"hidden_size\": 16, \"intermediate_size\": 24, \"depth\": 2, \"num_heads\": 2, \"patch_size\": 4,"
    "   \"out_hidden_size\": 32, \"window_size\": 16, \"fullatt_block_indexes\": [1], \"initializer_range\": 0.3},"
    " \"text_config\": {\"hidden_size\": 32, \"intermediate_size\": 40, \"num_hidden_layers\": 2, \"num_attention_heads\": 4,"
    "   \"num_key_value_heads\": 2, \"vocab_size\": 97, \"max_position_embeddings\": 200, \"rms_norm_eps\": 1e-6,"
    "   \"initializer_range\": 0.3, \"eos_token_id\": 2, \"rope_theta\": 1000.0,"
    "   \"rope_scaling\": {\"type\": \"mrope\", \"mrope_section\": [2, 1, 1]}}}";
static const char *config;                     /* of the running test */

/* An image of n tiles, or as large as n tiles side by side. */
static struct tiles tiles_of(int n)
{
    if (config == tiled) return (struct tiles){ .n = n, .h = 16, .w = 16 };
    return (struct tiles){ .n = 1, .h = 16, .w = 16 * n };
}

enum { V = 97, TILE = 3 * 16 * 16, EOS = 2, IMG = 5, TILE_TOKENS = 4 };

static struct ops *o;
static struct model *m;
static struct par *pool;

/* ---- requests ---- */

/* A prompt of `text` tokens, with images of the given tiles in front; equal seeds make equal tokens and images. */
static struct input make_input(uint64_t seed, uint64_t image_seed, int nimage, int tiles, int text)
{
    struct input in = { .nimage = nimage, .npx = (size_t)(nimage * tiles) * TILE };
    struct rng_key k = rng_key(seed, "text", 4), ki = rng_key(image_seed, "image", 5);
    in.n = 1 + nimage * (tiles * TILE_TOKENS + 1) + text;
    in.id = mem_array((size_t)in.n, sizeof *in.id);
    in.image = mem_array((size_t)nimage + 1, sizeof *in.image);
    in.pixels = mem_array(in.npx + 1, sizeof *in.pixels);
    int at = 0;
    in.id[at++] = 7;
    for (int i = 0; i < nimage; i++) {
        struct input_image *im = &in.image[i];
        size_t first = (size_t)i * (size_t)tiles * TILE;
        *im = (struct input_image){ .pos = at, .end = at + tiles * TILE_TOKENS, .token = IMG, .n = tiles * TILE_TOKENS,
                                    .tiles = tiles_of(tiles), .px = first };
        float *px = in.pixels + first;
        for (int j = 0; j < tiles * TILE; j++) px[j] = rng_normal(ki, (uint64_t)i, (uint64_t)j);
        for (int j = 0; j < 2; j++) im->digest[j] = hash64(px, (size_t)tiles * TILE * sizeof *px, (uint64_t)j);
        for (int j = 0; j < tiles * TILE_TOKENS; j++) in.id[at++] = IMG;
        in.id[at++] = 8;
    }
    for (int i = 0; i < text; i++) in.id[at++] = 10 + rng_below(k, 0, (uint64_t)i, V - 10);
    return in;
}

static const int eos[] = { EOS };

struct plan { uint64_t text_seed, image_seed; int nimage, tiles, text, npath; };

/* Many shapes; images and whole prompts recur. */
static struct plan plan_of(int i)
{
    return (struct plan){ (uint64_t)(i % 5), (uint64_t)(i / 4), i % 3, 1 + i % 2 * 2, 1 + i * 7 % 23, 1 + i % 4 };
}

static struct gen_request request(int i, struct sampling how)
{
    struct plan p = plan_of(i);
    return (struct gen_request){
        .in = make_input(p.text_seed, p.image_seed, p.nimage, p.tiles, p.text), .key = rng_key(3, &i, sizeof i),
        .first_index = (uint64_t)(i % 2 * 10), .npath = p.npath, .max_tokens = 5 + i % 30, .how = how,
        .stop = { .id = eos, .nid = 1 }, .user = (void *)(intptr_t)i };
}

/* ---- the naive way ---- */

static void row_logits(const struct input *in, const uint32_t *more, int n, float *logits)
{
    int T = in->n + n, start[2] = { 0, T }, nrow = 0;
    int *id = mem_array((size_t)T, sizeof *id), *pos = mem_array((size_t)T, sizeof *pos);
    int *row = mem_array((size_t)T, sizeof *row), *src = mem_array((size_t)T, sizeof *src);
    for (int i = 0; i < T; i++) id[i] = (int)(i < in->n ? in->id[i] : more[i - in->n]), pos[i] = i;
    struct model_image image[2];
    for (int k = 0; k < in->nimage; k++) image[k] = (struct model_image){ in->image[k].tiles, in->pixels + in->image[k].px };
    for (int k = 0; k < in->nimage; k++)
        for (int j = 0; j < in->image[k].n; j++) {
            row[nrow] = in->image[k].pos + j;
            src[nrow] = nrow, nrow++;
        }
    struct model_batch b = { .ntok = T, .id = id, .pos = pos, .nseq = 1, .start = start, .nimage = in->nimage,
                             .image = image, .nimg = nrow, .img_row = row, .img_src = src };
    struct mat hidden;
    int last = T - 1;
    T_OK(model_forward(m, &b, &hidden));
    T_OK(model_logits(m, hidden, &last, 1, logits));
    free(id);
    free(pos);
    free(row);
    free(src);
}

static void check_naive(const struct gen_request *r, const struct gen_path *p)
{
    struct sampler *s = sampler_new(V);
    float logits[V];
    int same = 1, n = 0;
    double worst = 0;
    for (; n < r->max_tokens && same; n++) {
        row_logits(&r->in, p->token, n, logits);
        struct sampled t = sampler_draw(s, logits, &r->how, (double)rng_uniform(r->key, p->index, r->first_pos + (uint64_t)n));
        same = n < p->n && t.id == (int)p->token[n];
        if (!same) break;
        worst = fmax(worst, fabs((double)t.logprob - (double)p->logprob[n]));
        if (t.id == EOS) { n++; break; }
    }
    T_CHECK(same);
    T_INT(p->n, n);
    T_INT(p->end, p->token[p->n - 1] == EOS ? GEN_STOP : GEN_LENGTH);
    T_CHECK(worst < 1e-4);                             /* packed and cached attention sum in different orders */
    sampler_free(s);
}

static void test_naive(void)
{
    static const struct sampling how[] = { { 0, 0, 1 }, { 1, 0, 1 }, { 0.8, 20, 0.9 } };
    for (int h = 0; h < countof(how); h++) {
        struct engine *e = engine_new(m, pool, &(struct engine_cfg){ .batch = 5, .kv_tokens = 4096, .prefill = 16 });
        struct gen_done d;
        int done = 0;
        for (int i = 0; i < 9; i++) {
            struct gen_request r = request(i, how[h]);
            T_OK(engine_submit(e, &r));
        }
        for (int s = 1; s > 0;) {
            T_CHECK((s = engine_step(e)) >= 0);
            while (engine_take(e, &d)) {
                struct gen_request r = request((int)(intptr_t)d.user, how[h]);
                for (int k = 0; k < d.npath; k++) {
                    T_INT(d.path[k].index, r.first_index + (uint64_t)k);
                    check_naive(&r, &d.path[k]);
                }
                gen_paths_free(d.path, d.npath);
                input_free(&r.in);
                done++;
            }
        }
        T_INT(done, 9);
        engine_free(e);
    }
}

/* ---- batching changes nothing ---- */

enum { REQUESTS = 48 };
struct setting { int batch, kv, prefill, order; };     /* order: 0 as numbered, 1 backwards, 2 a few at a time */

static void add_done(struct engine *e, uint64_t *digest, int *done)
{
    for (struct gen_done d; engine_take(e, &d); (*done)++) {
        uint64_t h = 0;
        for (int k = 0; k < d.npath; k++) {
            h = hash64(d.path[k].token, (size_t)d.path[k].n * 4, h + (uint64_t)d.path[k].end);
            h = hash64(d.path[k].logprob, (size_t)d.path[k].n * 4, h);
        }
        digest[(intptr_t)d.user] = h;
        gen_paths_free(d.path, d.npath);
    }
}

static struct engine_stats run_setting(struct setting s, struct sampling how, uint64_t digest[REQUESTS])
{
    struct engine *e = engine_new(m, pool, &(struct engine_cfg){ .batch = s.batch, .kv_tokens = s.kv, .prefill = s.prefill });
    int done = 0, next = 0, worked = 1;
    memset(digest, 0, REQUESTS * sizeof *digest);
    while (worked > 0 || next < REQUESTS) {
        for (int k = 0; next < REQUESTS && (s.order != 2 || k < 2); k++, next++) {
            struct gen_request r = request(s.order == 1 ? REQUESTS - 1 - next : next, how);
            T_OK(engine_submit(e, &r));
        }
        T_CHECK((worked = engine_step(e)) >= 0);
        add_done(e, digest, &done);
        T_CHECK(e->tree.held <= e->tree.total);
        T_CHECK(kv_free_slots(e->tree.kv) >= (e->tree.total - e->tree.held) * e->tree.page);
    }
    T_INT(done, REQUESTS);
    int cached = 0;
    for (struct piece *p = e->tree.oldest; p; p = p->newer) cached += prefix_pages(&e->tree, p->n);
    for (int i = 0; i < e->tree.nbucket; i++)
        for (struct piece *p = e->tree.bucket[i]; p; p = p->chain)
            if (p->refs) cached += prefix_pages(&e->tree, p->n);
    T_INT(e->tree.held, cached);                       /* nothing promised is left, and no page is lost */
    T_INT(kv_free_slots(e->tree.kv), (e->tree.total - e->tree.held) * e->tree.page);
    struct engine_stats st = engine_stats(e);
    engine_free(e);
    return st;
}

static void test_batching(void)
{
    int page = kv_page(), small = (prefix_pages(&(struct prefix){ .page = page }, 80) + 3) * page;
    const struct setting set[] = { { 64, 8192, 512, 0 }, { 1, 8192, 512, 0 }, { 7, 8192, 512, 0 }, { 64, 8192, 5, 0 },
                                   { 64, small, 512, 0 }, { 3, small, 7, 1 }, { 64, 8192, 512, 1 }, { 16, 1024, 64, 2 } };
    static const struct sampling how[] = { { 0, 0, 1 }, { 1, 0, 0.95 } };
    for (int h = 0; h < countof(how); h++) {
        uint64_t want[REQUESTS], got[REQUESTS];
        for (int i = 0; i < countof(set); i++) {
            int bad = 0;
            struct engine_stats s = run_setting(set[i], how[h], i ? got : want);
            for (int k = 0; i && k < REQUESTS; k++) bad += got[k] != want[k];
            if (bad) printf("# setting %d, sampling %d\n", i, h);
            T_INT(bad, 0);
            T_CHECK(s.kv_peak <= set[i].kv);
        }
    }
}

/* ---- sharing ---- */

static void test_sharing(void)
{
    struct engine *e = engine_new(m, pool, &(struct engine_cfg){ .batch = 8, .kv_tokens = 4096 });
    int prompt = 0, done = 0;
    uint64_t digest[6];
    for (int i = 0; i < 6; i++) {                      /* the same two images; questions 0..2, each asked twice */
        struct gen_request r = { .in = make_input((uint64_t)(i % 3), 9, 2, 3, 6), .key = rng_key(1, "q", 1), .npath = 4,
                                 .max_tokens = 8, .how = { 1, 0, 1 }, .user = (void *)(intptr_t)i };
        prompt = r.in.n;
        T_OK(engine_submit(e, &r));
    }
    int s = 1;
    while (s > 0) T_CHECK((s = engine_step(e)) >= 0);
    add_done(e, digest, &done);
    T_INT(done, 6);
    struct engine_stats st = engine_stats(e);
    T_INT(st.tiles, 2 * tiles_of(3).n);
    T_INT(st.shared_tiles, 5 * 2 * tiles_of(3).n);
    T_INT(st.prompt_rows, prompt + 2 * 7);             /* the images once, the 7 tokens behind them for each question */
    T_INT(st.prompt_rows + st.shared_rows, 6 * prompt);
    T_INT(st.paths, 24);
    T_CHECK(digest[0] == digest[3] && digest[1] == digest[4] && digest[0] != digest[1]);
    engine_free(e);
}

/* A partial path goes on as the whole path would: same key, positions counted on; pieces may be cut anywhere. */
static void test_continue(void)
{
    struct engine *e = engine_new(m, pool, &(struct engine_cfg){ .batch = 4, .kv_tokens = 2048 });
    struct gen_request r = { .in = make_input(1, 1, 1, 1, 5), .key = rng_key(1, "c", 1), .npath = 2, .max_tokens = 20, .how = { 1, 0, 1 } };
    struct gen_done whole, rest;
    T_OK(engine_submit(e, &r));
    while (!engine_take(e, &whole)) T_CHECK(engine_step(e) > 0);
    struct input in = make_input(1, 1, 1, 1, 5);
    int n = in.n, cut[] = { n, n + 3 };
    in.id = mem_grow(in.id, (size_t)n + 8, sizeof *in.id);
    memcpy(in.id + n, whole.path[1].token, 8 * sizeof *in.id);
    in.n += 8;
    uint64_t before = engine_stats(e).prompt_rows;
    struct gen_request more = { .in = in, .cut = cut, .ncut = 2, .key = rng_key(1, "c", 1), .first_index = 1, .first_pos = 8,
                                .npath = 1, .max_tokens = 12, .how = { 1, 0, 1 } };
    T_OK(engine_submit(e, &more));
    while (!engine_take(e, &rest)) T_CHECK(engine_step(e) > 0);
    T_INT(engine_stats(e).prompt_rows - before, 8);
    T_INT(rest.path[0].n, 12);
    T_CHECK(!memcmp(rest.path[0].token, whole.path[1].token + 8, 12 * sizeof(uint32_t)));
    T_CHECK(!memcmp(rest.path[0].logprob, whole.path[1].logprob + 8, 12 * sizeof(float)));
    gen_paths_free(whole.path, whole.npath);
    gen_paths_free(rest.path, rest.npath);
    engine_free(e);
}

/* ---- limits ---- */

static void test_refused(void)
{
    int page = kv_page();
    struct engine *e = engine_new(m, pool, &(struct engine_cfg){ .batch = 2, .kv_tokens = 3 * page });
    struct gen_request none = { .npath = 1, .max_tokens = 1 };
    T_FAIL(engine_submit(e, &none), "empty");
    struct gen_request long_one = { .in = make_input(1, 1, 0, 0, 199), .npath = 1, .max_tokens = 1 };
    T_FAIL(engine_submit(e, &long_one), "positions");
    struct gen_request big = { .in = make_input(1, 1, 0, 0, 3 * page), .npath = 1, .max_tokens = 2 };
    T_FAIL(engine_submit(e, &big), "do not fit");
    struct gen_request odd = { .in = make_input(1, 1, 0, 0, 3), .npath = 1, .max_tokens = 2 };
    odd.in.id[1] = V;
    T_FAIL(engine_submit(e, &odd), "vocabulary");
    struct gen_request zero = { .in = make_input(1, 1, 0, 0, 3), .npath = 0, .max_tokens = 2 };
    T_OK(engine_submit(e, &zero));
    struct gen_done d;
    T_CHECK(engine_take(e, &d) && d.npath == 0);
    gen_paths_free(d.path, d.npath);
    T_INT(engine_step(e), 0);
    struct gen_request one = { .in = make_input(1, 1, 0, 0, 2 * page + 1), .npath = 9, .max_tokens = 1, .how = { 1, 0, 1 } };
    T_OK(engine_submit(e, &one));                      /* a path of one token needs no room beside the prompt */
    while (!engine_take(e, &d)) T_CHECK(engine_step(e) > 0);
    T_INT(d.npath, 9);
    T_INT(d.path[8].n, 1);
    gen_paths_free(d.path, d.npath);
    T_INT(engine_step(e), 0);
    engine_free(e);
    T_CHECK(!engine_new(m, pool, &(struct engine_cfg){ .batch = 2, .kv_tokens = 1 }));
}

/* The model's positions end a path, however many tokens were asked for. */
static void test_positions(void)
{
    struct engine *e = engine_new(m, pool, &(struct engine_cfg){ .batch = 2, .kv_tokens = 2048 });
    struct gen_request r = { .in = make_input(1, 1, 0, 0, 189), .npath = 1, .max_tokens = 1000, .how = { 1, 0, 1 } };
    struct gen_done d;
    T_INT(r.in.n, 190);
    T_OK(engine_submit(e, &r));
    while (!engine_take(e, &d)) T_CHECK(engine_step(e) > 0);
    T_INT(d.path[0].n, 10);
    T_INT(d.path[0].end, GEN_LENGTH);
    gen_paths_free(d.path, d.npath);
    engine_free(e);
}

static void test_unfinished(void)                      /* freed at any moment, nothing is left behind (SAN=1) */
{
    for (int steps = 0; steps < 12; steps++) {
        struct engine *e = engine_new(m, pool, &(struct engine_cfg){ .batch = 4, .kv_tokens = 1024, .prefill = 16 });
        for (int i = 0; i < 8; i++) {
            struct gen_request r = request(i, (struct sampling){ 1, 0, 1 });
            T_OK(engine_submit(e, &r));
        }
        for (int i = 0; i < steps; i++) T_CHECK(engine_step(e) > 0);
        engine_free(e);
    }
}

static void run_all(const char *json)
{
    struct model_cfg c;
    config = json;
    if (cfg_parse(config, strlen(config), "tiny", &c) || !(m = model_new(&c, 1, o, DT_F32, 0))) {
        printf("not ok - model: %s\n", err_msg());
        exit(1);
    }
    T_RUN(test_naive);
    T_RUN(test_batching);
    T_RUN(test_sharing);
    T_RUN(test_continue);
    T_RUN(test_refused);
    T_RUN(test_positions);
    T_RUN(test_unfinished);
    model_free(m);
    cfg_free(&c);
}

int main(void)
{
    o = test_ops(2);
    pool = par_new(2);
    if (!o) return 1;
    run_all(tiled);
    run_all(qwen_vl);
    par_free(pool);
    o->close(o);
    return t_end();
}
