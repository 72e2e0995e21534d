/* SPDX-License-Identifier: Apache-2.0
 * From records to a trained model, whatever is learned.
 */
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "text/response.h"
#include "update.h"

struct update update_defaults(void)
{
    return (struct update){ .max_tokens = 8192, .c = train_defaults() };
}

/* ---- records ---- */

/* Records become examples on all threads, and are added in their order. */
struct ingest { struct tool *t; const struct model_io *io; struct dataset *ds; const struct objective *obj; int max_tokens; };
struct item { struct record *r; struct draft d; const char *why; char *particulars; };   /* why: rejected */

static int ingest_read(void *arg, void **out)
{
    struct ingest *in = arg;
    struct item *x = mem_alloc(sizeof *x);
    x->r = rec_new();
    int s = tool_read(in->t, x->r);
    *out = x;
    if (s > 0) return s;
    rec_free(x->r);
    free(x);
    *out = NULL;
    return s;
}

static int ingest_work(void *arg, void *item)
{
    struct ingest *in = arg;
    struct item *x = item;
    int max = mem_min(in->max_tokens, in->io->max_positions);
    err_set(ERR_INPUT, "");                    /* not every reason has particulars of its own */
    if (in->obj->encode(in->obj, in->io, x->r, &x->d, &x->why)) x->particulars = mem_str(*err_msg() ? err_msg() : x->why);
    else if (draft_longest(&x->d) > max) {
        x->why = "too long";
        x->particulars = mem_fmt("%d tokens, at most %d", draft_longest(&x->d), max);
    }
    return 0;
}

static void ingest_drop(void *arg, void *item)
{
    (void)arg;
    struct item *x = item;
    draft_free(&x->d);
    rec_free(x->r);
    free(x->particulars);
    free(x);
}

static int ingest_write(void *arg, void *item)
{
    struct ingest *in = arg;
    struct item *x = item;
    int bad = x->why ? tool_reject_noted(in->t, x->r, x->why, x->particulars) : dataset_add(in->ds, &x->d);
    tool_progress(in->t, "records read", (double)x->r->number, 0, NULL);
    ingest_drop(arg, item);
    return bad;
}

/* plan: standard output stays open. */
static int ingest(struct tool *t, const struct model_io *io, struct dataset *ds, const struct objective *obj, int max_tokens, bool plan)
{
    struct ingest in = { t, io, ds, obj, max_tokens };
    struct par_pipe p = { &in, ingest_read, ingest_work, ingest_write, ingest_drop };
    if (tool_open(t)) return -1;
    tool_text(t);
    if (par_pipe(t->std.threads, &p) || (!plan && tool_close(t))) return -1;
    if (!dataset_count(ds)) return fail("no examples to train on");
    tool_note(t, "%d examples, %ld tokens (longest %d), %d distinct images", dataset_count(ds), dataset_tokens(ds),
              dataset_longest(ds), dataset_sets(ds));
    char line[256];
    if (obj->tell && obj->tell(obj, ds, line, sizeof line)) tool_warn(t, "%s", line);
    else if (obj->tell) tool_note(t, "%s", line);
    return 0;
}

/* ---- the run ---- */

static volatile sig_atomic_t interrupted;
static void on_signal(int sig) { (void)sig; interrupted = 1; }
static bool want_stop(void *arg) { (void)arg; return interrupted; }

static void catch_signals(void)                /* the first one ends the run in order, the second one at once */
{
    struct sigaction a = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}

struct watch { struct tool *t; int first; };

static void show(void *arg, const struct train_report *r)
{
    struct watch *w = arg;
    if (w->first < 0) w->first = r->step - 1;
    char text[128];
    snprintf(text, sizeof text, ", loss %.4f, lr %.3g, %.0f tokens/s", r->loss, r->lr, (double)r->tokens / mem_max(r->seconds, 1e-9));
    tool_progress(w->t, "steps", r->step - w->first, r->steps - w->first, text);
}

static void say(void *arg, const char *text) { tool_note(((struct watch *)arg)->t, "%s", text); }

static int parse_freeze(const char *list, bool *frozen)
{
    if (list && !strcmp(list, "none")) return 0;
    while (list && *list) {
        size_t n = strcspn(list, ",");
        char *word = mem_strn(list, n);
        int part = part_find(word);
        if (part < 0) fail_kind(ERR_USAGE, "--freeze: no part '%s' (vision, projector, decoder, embed, head)", word);
        free(word);
        if (part < 0) return -1;
        frozen[part] = true;
        list += n + (list[n] == ',');
    }
    return 0;
}

static enum dtype dtype_of(int choice, enum dtype by_itself)
{
    return choice == AS_AUTO ? by_itself : choice == AS_F32 ? DT_F32 : DT_BF16;
}

static int show_memory(struct tool *t, const struct train_job *job)
{
    struct ops *o = model_ops(job->m);
    if (train_measure(job)) return -1;
    usage_print(o->usage, o->room(o), stdout);
    return tool_close(t);
}

static int train(struct tool *t, const struct update *u, struct model *m, const struct model_io *io, const struct objective *obj)
{
    struct dataset *ds = dataset_new(u->c.out);
    if (!ds) return -1;
    struct watch w = { t, -1 };
    struct train_job job = { &u->c, m, io, ds, obj, { &w, show, want_stop, say } };
    int r = ingest(t, io, ds, obj, u->max_tokens, u->plan);
    if (!r && u->plan) r = show_memory(t, &job);
    else if (!r) {
        catch_signals();
        r = train_run(&job);
    }
    if (r == 1) tool_note(t, "%s is complete already: nothing to do", u->c.out);
    dataset_free(ds);
    return r < 0 ? -1 : 0;
}

static int with_model(struct tool *t, struct update *u, struct ops *o, update_objective *open)
{
    enum dtype dt = dtype_of(u->dtype, o->fast);
    u->c.save = dtype_of(u->save, dt);
    int flags = MODEL_TRAIN;
    for (int i = 0; i < PARTS; i++) flags |= u->c.frozen[i] ? MODEL_FREEZE << i : 0;
    struct model_io *io = model_io_open(u->model, &(struct model_io_cfg){ .images = u->images, .chat = u->chat, .prm = u->prm, .prm_style = u->style });
    struct step_ids ids;
    if (io && !u->prm && step_ids_find(io->tok, &ids)) {
        fail_in("%s (cos-update init --model adds the tokens of the step format)", u->model);
        model_io_free(io);
        return -1;
    }
    struct model *m = io ? model_load(u->model, o, dt, flags) : NULL;
    const struct objective *obj = m ? open(m, io) : NULL;
    int bad = obj ? train(t, u, m, io, obj) : -1;
    model_free(m);
    model_io_free(io);
    return bad;
}

int update_train(struct tool *t, struct update *u, update_objective *open, void (*close)(void))
{
    if (!u->model || !u->c.out) return fail_kind(ERR_USAGE, "--model and --out are needed");
    if (parse_freeze(u->freeze, u->c.frozen)) return -1;
    u->c.base = u->model;
    u->c.seed = t->std.seed;
    if (train_check_out(&u->c)) return -1;
    u->c.sched = (enum sched)u->sched;
    u->c.threads = mem_max(t->std.threads / 4, 1);
    struct ops *o = ops_open((enum device)u->device, t->std.threads);
    if (!o) return -1;
    o->loose_rows = true;                      /* a step's rows are the same in every run */
    if (u->plan) o->measure(o);
    int bad = with_model(t, u, o, open);
    if (close) close();
    o->close(o);
    return bad;
}
