/* SPDX-License-Identifier: Apache-2.0 */
#include "endpoint.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include "base/rng.h"
#include "store/json.h"

static const char option[] = "--endpoint";
static const double FLUSH_SECONDS = 0.2;

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

bool endpoint_any(const struct endpoint_opts *o)
{
    static const struct endpoint_opts plain = ENDPOINT_DEFAULT;
    return o->url || o->prompt || o->key_env || o->extra || o->resume.n || o->concurrency != plain.concurrency || o->tries != plain.tries
        || o->give_up != plain.give_up || o->timeout != plain.timeout || o->backoff != plain.backoff || o->rate != plain.rate;
}

/* ---- set-up ---- */

/* The arguments as provenance is to have them. */
static void hide_arguments(struct endpoint *e)
{
    struct tool *t = e->t;
    size_t k = strlen(option);
    e->argv = mem_array((size_t)t->argc + 1, sizeof *e->argv);
    e->shown = mem_fmt("%s=%s", option, e->to.given);
    for (int i = 0; i < t->argc; i++) {
        bool value = i && !strcmp(t->argv[i - 1], option), both = !strncmp(t->argv[i], option, k) && t->argv[i][k] == '=';
        e->argv[i] = value ? e->shown + k + 1 : both ? e->shown : t->argv[i];
    }
    t->argv = e->argv;
}

static int find_key(const char **key, const char *var)
{
    const char *name = var ? var : "COS_API_KEY";
    *key = getenv(name);
    if (*key && !**key) *key = NULL;
    if (var && !*key) return fail_kind(ERR_USAGE, "--key-env %s: the variable is not set", var);
    for (const char *s = *key; s && *s; s++)
        if (*s <= ' ' || *s > '~') return fail("%s: holds a character that no key has", name);
    return 0;
}

static int load_extra(struct endpoint *e)
{
    if (!e->o->extra) return 0;
    e->extra = json_parse(e->o->extra, strlen(e->o->extra), "--extra");
    if (!e->extra) return -1;
    if (!json_is_object(e->extra)) return fail_kind(ERR_USAGE, "--extra: want a JSON object");
    e->chat.extra = e->extra;
    return 0;
}

/* A FILE that is our own output has been emptied by the shell. */
static int check_resume(const struct opt_list *files)
{
    struct stat out, in;
    if (fstat(1, &out) || !S_ISREG(out.st_mode)) return 0;
    for (int i = 0; i < files->n; i++)
        if (!stat(files->v[i], &in) && in.st_dev == out.st_dev && in.st_ino == out.st_ino)
            return fail_kind(ERR_USAGE, "--resume %s: is the output, too; write it to another file", files->v[i]);
    return 0;
}

int endpoint_open(struct endpoint *e, struct tool *t, const char *images)
{
    const struct endpoint_opts *o = e->o;
    const char *key;
    e->t = t;
    e->start = now();
    if (!e->chat.model || !*e->chat.model) return fail_kind(ERR_USAGE, "%s: want --model NAME, as the server calls it", option);
    if (address_parse(o->url, &e->to)) return fail_kind(ERR_USAGE, "%s: not an address (want http://HOST:PORT/v1 or https://...)", option);
    hide_arguments(e);
    if (find_key(&key, o->key_env) || load_extra(e) || check_resume(&o->resume)) return -1;
    e->prompt = o->prompt ? prompt_file_load(o->prompt) : prompt_file_parse(prompt_file_plain, strlen(prompt_file_plain), "prompt");
    e->media = e->prompt ? media_open(images, NULL) : NULL;
    e->resume = e->media ? resume_open(o->resume.v, o->resume.n) : NULL;
    if (!e->resume) return -1;
    e->cfg = (struct http_cfg){ .to = &e->to, .key = key, .concurrency = o->concurrency, .tries = o->tries, .timeout = o->timeout,
                                .backoff = o->backoff, .rate = o->rate, .give_up = o->give_up };
    return 0;
}

void endpoint_close(struct endpoint *e)
{
    resume_free(e->resume);
    media_close(e->media);
    prompt_file_free(e->prompt);
    json_decref(e->extra);
    address_free(&e->to);
    free(e->argv);
    free(e->shown);
}

/* ---- a record ---- */

void endpoint_cannot(struct ask_item *x, const char *why)
{
    x->why = why;
    x->detail = mem_str(err_msg());
}

void endpoint_fill(struct endpoint *e, struct ask_item *x)
{
    const char *why, *id;
    size_t n;
    if (!val_str(val_get(&x->r->root, "id"), &id, &n)) {
        fail("no id");
        endpoint_cannot(x, "no id");
    } else if (prompt_file_fill(e->prompt, x->r, e->media, &x->messages, &why)) endpoint_cannot(x, why);
}

int endpoint_add(struct endpoint *e, struct ask_item *x, int64_t index, int64_t path_index, const char *purpose)
{
    struct slice id = { NULL, 0 };
    uint32_t draw[4];
    val_str(val_get(&x->r->root, "id"), &id.p, &id.n);
    rng_block(rng_key(e->t->std.seed, id.p, id.n), (uint64_t)index, 0, draw);
    struct ask_one *one = ask_add(x, &e->chat, draw[0] >> 1);      /* some servers take 31 bits */
    struct record *r = rec_new();
    int got = resume_take(e->resume, id, path_index, purpose, one->digest, r);
    if (got > 0) {
        r->stream = x->r->stream;
        one->kept = r;
    } else rec_free(r);
    return got < 0 ? -1 : 0;
}

/* ---- the run ---- */

static int read_record(void *arg, struct record *r) { return tool_read(((struct endpoint *)arg)->t, r); }

static int prepare(void *arg, struct ask_item *x)
{
    struct endpoint *e = arg;
    return e->prepare(e, x);
}

static int idle(void *arg)
{
    struct endpoint *e = arg;
    double t = now();
    if (t - e->flushed < FLUSH_SECONDS) return 0;
    e->flushed = t;
    tool_progress(e->t, "records", e->items, 0, NULL);
    return rec_writer_flush(e->t->out);
}

static int done(void *arg, struct ask_item *x)
{
    struct endpoint *e = arg;
    e->items++;
    return e->done(e, x) ? -1 : idle(arg);
}

static int note_work(struct endpoint *e)
{
    const struct ask_stats *s = &e->stats;
    uint64_t rest;
    double sec = mem_max(now() - e->start, 1e-9);
    tool_note(e->t, "%" PRIu64 " requests in %.3f s, %.1f/s: %" PRIu64 " tries, %" PRIu64 " failed; tokens, as the server counts: %" PRIu64
              " of prompts, %" PRIu64 " of replies", s->http.posts, sec, (double)s->http.posts / sec, s->http.tries, s->http.failed,
              s->prompt_tokens, s->tokens);
    if (!e->o->resume.n) return 0;
    tool_note(e->t, "%" PRIu64 " replies kept from --resume", resume_taken(e->resume));
    if (resume_rest(e->resume, &rest)) return -1;
    if (rest) tool_warn(e->t, "--resume: %" PRIu64 " records are none of this run's, or not in its order", rest);
    return 0;
}

int endpoint_run(struct endpoint *e)
{
    struct ask a = { .cfg = &e->cfg, .chat = &e->chat, .arg = e, .read = read_record, .prepare = prepare, .done = done, .idle = idle };
    if (!ask(&a, &e->stats)) return note_work(e);
    char *message = mem_str(err_msg());        /* what has been paid for goes out, for --resume */
    enum err_kind kind = err_kind();
    if (!rec_writer_flush(e->t->out)) err_set(kind, message);
    free(message);
    return -1;
}
