/* SPDX-License-Identifier: Apache-2.0
 * Reward model and preference objectives against torch: make_objectives.py wrote the numbers.
 */
#include <stdlib.h>
#include "../unit/device.h"
#include "../unit/t.h"
#include "store/safetensors.h"
#include "train/objective_dpo.h"
#include "train/objective_prm.h"

#define DIR_MODEL "tests/golden/internvl/qwen2"
static const char *const prompts[] = { "text", "one", "two", "several" };
enum { TAG = 60, BAD = 61, GOOD = 62 };        /* as in make_objectives.py */

/* Losses and gradients are sums of f32 products in another order than torch's. Losses were found to agree to 5e-6 where the head
 * is scaled by 300, else to 2e-7; gradients to 2e-5 of a tensor's norm (or of 1e-3 of the largest, where one is smaller). */
static const double TOL = 5e-5;

static struct safetensors checkpoint, golden;  /* numbers beside the checkpoint, and ours */
static struct ops *dev;
static double worst;

/* ---- reading the numbers ---- */

static const struct st_tensor *find(const struct safetensors *g, const char *a, const char *b)
{
    char key[256];
    snprintf(key, sizeof key, "%s%s", a, b);
    const struct st_tensor *t = st_find(g, key);
    if (!t) printf("# no %s\n", key), exit(1);
    return t;
}

static double *get_f64(const char *a, const char *b, int *n)
{
    const struct st_tensor *t = find(&golden, a, b);
    double *x = mem_array(t->n, sizeof *x);
    if (t->t == ST_F64) memcpy(x, t->p, t->bytes);
    for (size_t i = 0; t->t == ST_F32 && i < t->n; i++) {
        float f;
        st_get_f32(t, i, 1, &f);
        x[i] = (double)f;
    }
    *n = (int)t->n;
    return x;
}

static int *get_int(const struct safetensors *g, const char *a, const char *b, int *n)
{
    const struct st_tensor *t = find(g, a, b);
    int *x = mem_array(t->n, sizeof *x);
    memcpy(x, t->p, t->bytes);
    *n = (int)t->n;
    return x;
}

static double get_one(const char *a, const char *b)
{
    int n;
    double *x = get_f64(a, b, &n), one = x[0];
    free(x);
    return one;
}

/* ---- on numbers: f64 on both sides ---- */

static void test_prm_numbers(void)
{
    int n;
    double *x = get_f64("prm", ".numbers", &n);
    for (double *r = x; r < x + n; r += 4) {
        double grad, loss = prm_tag_loss(r[0], r[1], &grad);
        T_NEAR(loss, r[2], 1e-14 * fmax(fabs(r[2]), 1));   /* torch: x - log sum exp, which rounds at the size of x */
        T_NEAR(grad, r[3], 1e-14);
    }
    free(x);
}

static struct dpo_cfg terms_of(const double *w) { return (struct dpo_cfg){ "", w[0], w[1], w[2], w[3], w[4] }; }

static void test_dpo_numbers(void)
{
    int n;
    double *x = get_f64("dpo", ".numbers", &n);
    for (double *r = x; r < x + n; r += 16) {
        struct dpo_cfg c = terms_of(r);
        struct dpo_pair p = { { r[6], r[7] }, { r[8], r[9] }, { (int)r[10], (int)r[11] } };
        double grad[2], loss = dpo_pair_loss(&c, &p, r[5], grad);
        T_NEAR(loss, r[12], 1e-12 * fmax(fabs(r[12]), 1e-3));
        T_NEAR(grad[0], r[13], 1e-12 * fmax(fabs(r[13]), 1e-3));
        T_NEAR(grad[1], r[14], 1e-12 * fmax(fabs(r[14]), 1e-3));
        T_NEAR(p.lp[0] - p.ref[0] - (p.lp[1] - p.ref[1]), r[15], 1e-9);
    }
    free(x);
}

/* ---- through the model ---- */

static void add_seq(struct draft *d, const int *prompt, int n, const char *key, const char *rest)
{
    int more;
    int *id = get_int(&golden, key, rest, &more);
    struct train_seq *s = &d->ex.seq[d->ex.nseq++];
    *s = (struct train_seq){ mem_array((size_t)(n + more), sizeof *s->id), n + more, n };
    for (int i = 0; i < n + more; i++) s->id[i] = (uint32_t)(i < n ? prompt[i] : id[i - n]);
    free(id);
}

/* Images are runs of the image token. */
static void add_places(struct draft *d, const int *id, int n, const struct model_cfg *c)
{
    int per = cfg_tokens_per_tile(c), side = c->vision.image;
    struct image_set *set = &d->set;
    d->ex.place = mem_array((size_t)n, sizeof *d->ex.place);
    set->tiles = mem_array((size_t)n, sizeof *set->tiles);
    for (int i = 0; i < n;) {
        int run = 0;
        while (i + run < n && id[i + run] == c->image_token_id) run++;
        if (run) d->ex.place[d->ex.nplace++] = (struct train_place){ i, i + run, set->nfeature, (uint32_t)c->image_token_id };
        if (run) set->tiles[set->nimage++] = (struct tiles){ .n = run / per, .h = side, .w = side };
        set->nfeature += run;
        i += run ? run : 1;
    }
}

static struct draft begin(int p, const struct model_cfg *c, int **id, int *n)
{
    struct draft d = { .ex = { .set = -1 }, .set = { .digest = { (uint64_t)p + 1, 0 } } };
    *id = get_int(&checkpoint, prompts[p], ".ids", n);
    add_places(&d, *id, *n, c);
    return d;
}

static void add(struct dataset *ds, struct draft *d, const double *own, int nown)
{
    d->ex.own = mem_array((size_t)nown, sizeof *d->ex.own);
    d->ex.nown = nown;
    for (int i = 0; i < nown; i++) d->ex.own[i] = (float)own[i];
    T_OK(dataset_add(ds, d));
    draft_free(d);
}

static int by_name(const void *a, const void *b)
{
    const struct param *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static void compare_gradients(struct model *m, const char *name)
{
    struct params *ps = model_params(m);
    const struct param **p = mem_array((size_t)ps->n, sizeof *p);
    int n;
    double *want = get_f64(name, ".grad", &n), most = 0;
    T_INT(n, 2 * ps->n);
    for (int i = 0; i < ps->n; i++) p[i] = &ps->v[i], most = fmax(most, want[2 * i]);
    qsort(p, (size_t)ps->n, sizeof *p, by_name);
    for (int i = 0; i < ps->n; i++) {
        double sum = 0, wave = 0, floor = fmax(want[2 * i], 1e-3 * most);
        for (size_t k = 0; k < p[i]->n; k++) {
            sum += (double)p[i]->grad[k] * (double)p[i]->grad[k];
            wave += (double)p[i]->grad[k] * cos((double)k);
        }
        double off = fmax(fabs(sqrt(sum) - want[2 * i]), fabs(wave - want[2 * i + 1])) / floor;
        if (!(off <= TOL)) printf("# %s, %s: off by %.3g of %.3g\n", name, p[i]->name, off, floor), t_bad++;
        worst = fmax(worst, off);
    }
    free(p);
    free(want);
}

static void compare(struct model *m, struct dataset *ds, const struct objective *obj, const char *name, bool share)
{
    struct batch_cfg bc = { .ds = ds, .share = share };
    struct batch b = { 0 };
    struct train_sum sum = { 0 };
    struct train_pass pass = { .m = m, .b = &b };
    const struct st_tensor *t = find(&checkpoint, "pixels", "");
    float *pixels = mem_array(t->n, sizeof *pixels), *px = pixels;
    int which[countof(prompts)];
    st_get_f32(t, 0, t->n, pixels);
    for (int i = 0; i < countof(prompts); i++) pass.total += obj->weight(obj, dataset_at(ds, which[i] = i));
    batch_layout(&b, &bc, which, countof(prompts));
    for (int i = 0; i < b.in.nimage; px += tiles_floats(&b.image[i++].tiles)) b.image[i].px = px;
    param_zero_grads(model_params(m), dev);
    T_OK(model_forward(m, &b.in, &pass.hidden));
    pass.dhidden = model_dhidden(m);
    T_OK(obj->loss(obj, &pass, &sum));
    T_OK(model_backward(m, &b.in, pass.dhidden));
    double want = get_one(name, ".loss");
    T_NEAR(sum.loss, want, TOL * fabs(want));
    worst = 0;
    compare_gradients(m, name);
    printf("# %s%s: loss %.6f off by %.1e, gradients by at most %.1e\n", name, share ? ", rows shared" : "", sum.loss,
           fabs(sum.loss - want) / fabs(want), worst);
    batch_free(&b);
    free(pixels);
}

static void scale_head(struct model *m, float by)
{
    struct mat w = model_head(m, &(float *){ NULL });
    for (int i = 0; i < 2; i++) {
        float *row = (float *)w.p + (int64_t)(i ? GOOD : BAD) * w.ld;
        for (int c = 0; c < w.cols; c++) row[c] *= by;
    }
}

static struct model *open_model(void)
{
    struct model *m = model_load(DIR_MODEL, dev, DT_F32, MODEL_TRAIN);
    if (!m) printf("# %s\n", err_msg()), exit(1);
    return m;
}

static void one_prm(const char *name)
{
    struct model *m = open_model();
    struct dataset *ds = dataset_new("/tmp/t_objectives");
    struct train_prm p;
    int ntags, n, *id, at = 0;
    double *tags = get_f64(name, ".tags", &ntags);
    scale_head(m, (float)get_one(name, ".head"));
    for (int i = 0; i < countof(prompts); i++) {
        struct draft d = begin(i, model_config(m), &id, &n);
        double own[16 * PRM_OWN] = { 0 };
        int k = 0;
        add_seq(&d, id, n, "prm.ids.", prompts[i]);
        for (int j = n; j < d.ex.seq[0].n; j++) {
            if (d.ex.seq[0].id[j] != TAG) continue;
            memcpy(own + k, tags + at, 2 * sizeof *own);
            at += 2;
            k += PRM_OWN;
        }
        add(ds, &d, own, k);
        free(id);
    }
    T_INT(at, ntags);
    const struct prm_form form = { .style = { .name = "golden" }, .tag = { TAG }, .ntag = 1, .good = GOOD, .bad = BAD };
    objective_prm(&p, &(struct prm_cfg){ .labels = "" }, &form);
    compare(m, ds, &p.base, name, false);
    objective_prm_free(&p);
    free(tags);
    dataset_free(ds);
    model_free(m);
}

static void test_prm(void)
{
    static const char *const name[] = { "prm.hard", "prm.soft", "prm.count", "prm.neutral", "prm.saturated" };
    for (int i = 0; i < countof(name); i++) one_prm(name[i]);
}

static void one_dpo(const char *name)
{
    struct model *m = open_model();
    struct dataset *ds = dataset_new("/tmp/t_objectives");
    struct train_dpo d;
    int k, n, *id;
    double *ref = get_f64(name, ".ref", &k), *terms = get_f64(name, ".terms", &k);
    for (int i = 0; i < countof(prompts); i++) {
        struct draft draft = begin(i, model_config(m), &id, &n);
        char key[64];
        snprintf(key, sizeof key, "dpo.ids.%s.", prompts[i]);
        add_seq(&draft, id, n, key, "chosen");
        add_seq(&draft, id, n, key, "rejected");
        add(ds, &draft, ref + 2 * i, 2);
        free(id);
    }
    struct dpo_cfg c = terms_of(terms);
    objective_dpo(&d, &c);
    d.state[DPO_SHIFT] = terms[5];
    compare(m, ds, &d.base, name, false);
    compare(m, ds, &d.base, name, true);
    free(ref);
    free(terms);
    dataset_free(ds);
    model_free(m);
}

static void test_dpo(void)
{
    static const char *const name[] = { "dpo.sigmoid", "dpo.ipo", "dpo.bco", "dpo.nll", "dpo.all", "dpo.saturated" };
    for (int i = 0; i < countof(name); i++) one_dpo(name[i]);
}

int main(void)
{
    dev = test_ops(1);
    if (!dev || st_open(DIR_MODEL "/golden.safetensors", &checkpoint) || st_open("tests/golden/objectives/golden.safetensors", &golden)) {
        printf("# %s\n", err_msg());
        return 1;
    }
    T_RUN(test_prm_numbers);
    T_RUN(test_dpo_numbers);
    T_RUN(test_prm);
    T_RUN(test_dpo);
    st_close(&golden);
    st_close(&checkpoint);
    dev->close(dev);
    return t_end();
}
