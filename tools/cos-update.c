/* SPDX-License-Identifier: Apache-2.0
 * cos-update: makes models and changes them.
 *   init   a fresh model from a config.json, or an existing one with the tokens of the step format
 *   sft    supervised fine-tuning on paths
 */
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"
#include "text/response.h"
#include "train/assemble.h"
#include "train/trainer.h"

/* ---- init ---- */

static struct { const char *config, *model, *tokenizer, *out; int vocab, max_tiles; bool force; } make = { .max_tiles = 1 };

static const struct opt init_opts[] = {
    { 0, "out", "DIR", OPT_STR, &make.out, 0, 0, "the model folder to write" },
    { 0, "force", NULL, OPT_FLAG, &make.force, 0, 0, "replace DIR where it exists" },
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "A fresh model" },
    { 0, "config", "FILE", OPT_STR, &make.config, 0, 0, "its config.json; vocabulary and token ids are set anew" },
    { 0, "vocab", "N", OPT_INT, &make.vocab, 300, 1 << 20, "learn a byte-level BPE of at most N tokens from the records on stdin" },
    { 0, "tokenizer", "FILE", OPT_STR, &make.tokenizer, 0, 0, "or take this tokenizer.json" },
    { 0, "max-tiles", "N", OPT_INT, &make.max_tiles, 1, 1024, "tiles an image is cut into at most; 1: never cut" },
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "An existing model" },
    { 0, "model", "DIR", OPT_STR, &make.model, 0, 0, "a copy of it that has the 17 tokens of the step format" },
    OPT_END };

static struct tokenizer *learn(struct tool *t)
{
    if (tool_open(t)) return NULL;
    tool_text(t);
    struct tok_trainer *tr = tok_trainer_new();
    struct record *r = rec_new();
    int s;
    while ((s = tool_read(t, r)) > 0 && !assemble_learn(tr, r)) tool_progress(t, "records", (double)r->number, 0, NULL);
    rec_free(r);
    if (s == 0 && !tool_close(t)) return assemble_learned(tr, make.vocab);
    tok_trainer_free(tr);
    return NULL;
}

static int init_fresh(struct tool *t, struct ops *o)
{
    struct tokenizer *tok = make.tokenizer ? assemble_read(make.tokenizer) : learn(t);
    if (!tok) return -1;
    struct assemble_fresh f = { make.config, tok, t->std.seed, make.max_tiles };
    int bad = assemble_fresh(&f, o, make.out);
    if (!bad) tool_note(t, "%s: a fresh model with a vocabulary of %d tokens", make.out, tok_size(tok));
    tok_free(tok);
    return bad;
}

static int init_add(struct tool *t, struct ops *o)
{
    int added;
    if (assemble_add(make.model, o, make.out, &added)) return -1;
    tool_note(t, "%s: %d tokens added to %s", make.out, added, make.model);
    return 0;
}

static int run_init(struct tool *t)
{
    if (!make.out) return fail_kind(ERR_USAGE, "--out is missing");
    if (!make.config == !make.model) return fail_kind(ERR_USAGE, "want one of --config and --model");
    if (make.config && !make.vocab == !make.tokenizer) return fail_kind(ERR_USAGE, "--config wants one of --vocab and --tokenizer");
    if (make.model && (make.vocab || make.tokenizer)) return fail_kind(ERR_USAGE, "--model keeps its own tokenizer");
    if (file_exists(make.out) && !make.force) return fail("%s exists (--force replaces it)", make.out);
    struct ops *o = ops_cpu(t->std.threads);
    if (!o) return -1;
    int bad = make.config ? init_fresh(t, o) : init_add(t, o);
    o->close(o);
    return bad;
}

/* ---- sft ---- */

enum { AS_AUTO, AS_F32, AS_BF16 };
#define DTYPE_WORDS "auto|f32|bf16"
enum { LOSS_TOKEN, LOSS_EXAMPLE };

static struct {
    const char *model, *images, *freeze;
    int max_tokens, dtype, save, sched, response, loss;
    struct train_cfg c;
} set;

static const struct opt sft_opts[] = {
    { 0, "model", "DIR", OPT_STR, &set.model, 0, 0, "the model to begin with (a Hugging Face folder)" },
    { 0, "out", "DIR", OPT_STR, &set.c.out, 0, 0, "the model folder to write; appears when training is complete" },
    { 0, "images", "PLACE", OPT_STR, &set.images, 0, 0, "folder or archive that image references are looked up in" },
    { 0, "resume", NULL, OPT_FLAG, &set.c.resume, 0, 0, "go on with a run that was stopped; nothing to do if it was complete" },
    { 0, "force", NULL, OPT_FLAG, &set.c.force, 0, 0, "replace DIR, and forget a run that was stopped" },
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "Examples" },
    { 0, "response", SFT_RESPONSE_WORDS, OPT_CHOICE, &set.response, 0, 0, "what is learned: the whole path, or its answer alone" },
    { 0, "max-tokens", "N", OPT_INT, &set.max_tokens, 2, 1 << 20, "reject longer examples (prompt, image and response)" },
    { 0, "loss", "token|example", OPT_CHOICE, &set.loss, 0, 0, "a step's loss is the mean over its tokens, or over its examples" },
    { 0, "jitter", "N", OPT_INT, &set.c.jitter, 0, 256, "move each image by up to N pixels each way, anew every epoch" },
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "Steps" },
    { 0, "epochs", "X", OPT_FLOAT, &set.c.epochs, 1e-6, 1e6, "passes over the examples" },
    { 0, "steps", "N", OPT_INT, &set.c.steps, 0, 1 << 30, "optimiser steps, whatever --epochs says; 0: as --epochs says" },
    { 0, "batch", "N", OPT_INT, &set.c.batch, 1, 1 << 20, "examples a step" },
    { 0, "micro-tokens", "N", OPT_INT, &set.c.micro_tokens, 1, 1 << 24, "tokens computed at a time (memory; a longer example goes\nalone)" },
    { 0, "group-images", "N", OPT_INT, &set.c.group, 1, 1 << 20, "up to N examples of one image come together, and share\nits computation" },
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "Optimiser" },
    { 0, "lr", "X", OPT_FLOAT, &set.c.lr, 0, 100, "learning rate" },
    { 0, "min-lr", "X", OPT_FLOAT, &set.c.floor, 0, 100, "where the schedule ends" },
    { 0, "warmup", "X", OPT_FLOAT, &set.c.warmup, 0, 1, "share of the steps" },
    { 0, "schedule", SCHED_WORDS, OPT_CHOICE, &set.sched, 0, 0, "behind the warm-up" },
    { 0, "decay", "X", OPT_FLOAT, &set.c.optim.decay, 0, 100, "weight decay, of matrices" },
    { 0, "beta1", "X", OPT_FLOAT, &set.c.optim.b1, 0, 0.999999, "AdamW" },
    { 0, "beta2", "X", OPT_FLOAT, &set.c.optim.b2, 0, 0.9999999, "AdamW" },
    { 0, "eps", "X", OPT_FLOAT, &set.c.optim.eps, 1e-30, 1, "AdamW" },
    { 0, "clip", "X", OPT_FLOAT, &set.c.optim.clip, 0, 1e9, "largest norm of the gradient; 0: any" },
    { 0, "freeze", "LIST", OPT_STR, &set.freeze, 0, 0, "parts that stay: vision,projector,decoder,embed,head" },
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "Computation and files" },
    { 0, "dtype", DTYPE_WORDS, OPT_CHOICE, &set.dtype, 0, 0, "of the computation; auto: the faster here. Weights are kept\nin f32 as well" },
    { 0, "save-dtype", DTYPE_WORDS, OPT_CHOICE, &set.save, 0, 0, "of the weights written; auto: as computed with" },
    { 0, "recompute", NULL, OPT_FLAG, &set.c.recompute, 0, 0, "compute activations twice instead of keeping them" },
    { 0, "save-every", "N", OPT_INT, &set.c.save_every, 0, 1 << 30, "steps between two saved states; 0: only when interrupted" },
    { 0, "keep", NULL, OPT_FLAG, &set.c.keep, 0, 0, "write a model DIR-stepN with each saved state" },
    { 0, "log", "FILE", OPT_STR, &set.c.log, 0, 0, "a line a step as TSV: loss, rate, gradient norm, tokens, seconds" },
    OPT_END };

/* Records become examples on all threads, and are added in their order. */
struct ingest { struct tool *t; const struct model_io *io; struct dataset *ds; const struct objective *obj; int max_tokens; };
struct item { struct record *r; struct draft d; const char *why; };

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
    if (in->obj->encode(in->obj, in->io, x->r, &x->d, &x->why)) return 0;
    if (draft_longest(&x->d) > max) x->why = "too long";
    return 0;
}

static void ingest_drop(void *arg, void *item)
{
    (void)arg;
    struct item *x = item;
    draft_free(&x->d);
    rec_free(x->r);
    free(x);
}

static int ingest_write(void *arg, void *item)
{
    struct ingest *in = arg;
    struct item *x = item;
    int bad = x->why ? tool_reject(in->t, x->r, x->why) : dataset_add(in->ds, &x->d);
    tool_progress(in->t, "records read", (double)x->r->number, 0, NULL);
    ingest_drop(arg, item);
    return bad;
}

static int ingest(struct tool *t, const struct model_io *io, struct dataset *ds, const struct objective *obj)
{
    struct ingest in = { t, io, ds, obj, set.max_tokens };
    struct par_pipe p = { &in, ingest_read, ingest_work, ingest_write, ingest_drop };
    if (tool_open(t)) return -1;
    tool_text(t);
    if (par_pipe(t->std.threads, &p) || tool_close(t)) return -1;
    if (!dataset_count(ds)) return fail("no examples to train on");
    tool_note(t, "%d examples, %ld tokens (longest %d), %d distinct images", dataset_count(ds), dataset_tokens(ds),
              dataset_longest(ds), dataset_sets(ds));
    return 0;
}

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

static int train(struct tool *t, struct model *m, const struct model_io *io, const struct objective *obj)
{
    struct dataset *ds = dataset_new(set.c.out);
    if (!ds) return -1;
    struct watch w = { t, -1 };
    struct train_job job = { &set.c, m, io, ds, obj, { &w, show, want_stop, say } };
    int r = ingest(t, io, ds, obj);
    if (!r) {
        catch_signals();
        r = train_run(&job);
    }
    if (r == 1) tool_note(t, "%s is complete already: nothing to do", set.c.out);
    dataset_free(ds);
    return r < 0 ? -1 : 0;
}

static int with_model(struct tool *t, struct ops *o, const struct objective *obj)
{
    enum dtype dt = dtype_of(set.dtype, ops_cpu_dtype());
    set.c.save = dtype_of(set.save, dt);
    struct model_io *io = model_io_load(set.model, set.images);
    struct step_ids ids;
    if (io && step_ids_find(io->tok, &ids)) {
        fail_in("%s (cos-update init --model adds the tokens of the step format)", set.model);
        model_io_free(io);
        return -1;
    }
    struct model *m = io ? model_load(set.model, o, dt, MODEL_TRAIN) : NULL;
    int bad = m ? train(t, m, io, obj) : -1;
    model_free(m);
    model_io_free(io);
    return bad;
}

static int run_sft(struct tool *t)
{
    if (!set.model || !set.c.out) return fail_kind(ERR_USAGE, "--model and --out are needed");
    if (parse_freeze(set.freeze, set.c.frozen)) return -1;
    set.c.base = set.model;
    set.c.seed = t->std.seed;
    if (train_check_out(&set.c)) return -1;
    set.c.sched = (enum sched)set.sched;
    set.c.threads = mem_max(t->std.threads / 4, 1);
    struct sft s;
    objective_sft(&s, (enum sft_response)set.response, set.loss == LOSS_EXAMPLE);
    struct ops *o = ops_cpu(t->std.threads);
    if (!o) return -1;
    int bad = with_model(t, o, &s.base);
    o->close(o);
    return bad;
}

/* ---- the program ---- */

static const char init_details[] =
    "Records on stdin are read with --vocab alone. Weights of a fresh model are f32, drawn from --seed.\n"
    "Each of the 17 tokens starts with the mean embedding of its description, in the embedding and the head.\n\n"
    "  cos-update init --config small.json --vocab 1024 --out base < train.cos\n"
    "  cos-update init --model InternVL3-8B-hf --out base";

static const char sft_details[] =
    "Path records come on stdin; records without a path, too long ones and those with unreadable images are rejected\n"
    "and counted. All are read before the first step. DIR.state holds a run that was interrupted; the same command\n"
    "with --resume and the same input goes on, and ends with the same weights, bit for bit, as without the stop.\n\n"
    "  cos-segment --from cos --images images.zip < train.jsonl | cos-update sft --model base --out sft --images images.zip";

static const struct command cmds[] = {
    { "init", "makes a model to begin with", init_opts, run_init, NULL, init_details },
    { "sft", "trains a model on paths", sft_opts, run_sft, NULL, sft_details },
    { 0 } };

int main(int argc, char **argv)
{
    set.c = train_defaults();
    set.max_tokens = 8192;
    return tool_main("cos-update", "makes models and changes them", cmds, argc, argv);
}
