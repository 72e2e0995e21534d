/* SPDX-License-Identifier: Apache-2.0
 * What the programs that ask a server share: the options, and records that go to it and come back in order.
 *
 *     struct endpoint e = { .o = &set.net, .chat = { .model = .. }, .prepare = .., .done = .. };
 *     int bad = endpoint_open(&e, t, images) || tool_open(t) || endpoint_run(&e) ? -1 : tool_close(t);
 *     endpoint_close(&e);
 */
#ifndef TOOLS_ENDPOINT_H
#define TOOLS_ENDPOINT_H

#include "common.h"
#include "net/ask.h"
#include "net/prompt_file.h"
#include "net/resume.h"

struct endpoint_opts {
    const char *url, *prompt, *key_env, *extra;
    int concurrency, tries, give_up;
    double timeout, backoff, rate;
    struct opt_list resume;
};
#define ENDPOINT_DEFAULT { .concurrency = 16, .tries = 6, .give_up = 100, .timeout = 600, .backoff = 1 }
#define ENDPOINT_OPTS(s) \
    { 0, "endpoint", "URL", OPT_STR, &(s).url, 0, 0, "an OpenAI-compatible server, as http://localhost:8000/v1" }, \
    { 0, "prompt", "FILE", OPT_STR, &(s).prompt, 0, 0, "what it is told: text with {fields} (see below)" }, \
    { 0, "key-env", "VAR", OPT_STR, &(s).key_env, 0, 0, "environment variable that holds the key, if there is one [COS_API_KEY]" }, \
    { 0, "extra", "JSON", OPT_STR, &(s).extra, 0, 0, "object whose members go into every request; null takes one of ours out:\n" \
      "'{\"max_tokens\": null, \"max_completion_tokens\": 900}'" }, \
    { 0, "resume", "FILE", OPT_LIST, &(s).resume, 0, 0, "output of an earlier run, cut off or not: what is in it is not asked\n" \
      "again (may be given again)" }, \
    { 0, "concurrency", "N", OPT_INT, &(s).concurrency, 1, 1024, "requests under way at once" }, \
    { 0, "rate", "R", OPT_FLOAT, &(s).rate, 0, 1e6, "requests started a second at most; 0: no bound" }, \
    { 0, "timeout", "SEC", OPT_FLOAT, &(s).timeout, 0.01, 86400, "of one try" }, \
    { 0, "tries", "N", OPT_INT, &(s).tries, 1, 100, "of a request, where it may be different the next time: 429, 5xx, time-outs,\n" \
      "broken connections and replies" }, \
    { 0, "backoff", "SEC", OPT_FLOAT, &(s).backoff, 0, 60, "before the second try; it doubles, to a minute; Retry-After counts" }, \
    { 0, "give-up", "N", OPT_INT, &(s).give_up, 0, 1 << 30, "end it all when N requests in a row have failed; 0: never" }

/* For the help, of endpoints and of prompts. */
#define ENDPOINT_DETAILS \
    "A server: the path of URL gets /chat/completions behind it (an empty one /v1/chat/completions). The key comes from the\n" \
    "environment alone; neither it nor a user and password or a query within URL come into records, provenance or messages.\n" \
    "A request that fails for good is unknown, not wrong. 401, 402, 404 and --give-up end the run; --resume goes on with it,\n" \
    "asking for what failed as well: the result is that of a run that was never stopped. Write it to another file than FILE.\n" \
    "What stands above the first section of a prompt is a comment; [system], [user] and [assistant] on a line of their own\n" \
    "begin messages. In them {images}, {question}, {choices}, {answer}, {steps}, {step_count} and any other key, as\n" \
    "{path.answer} or {meta.topic}, are filled in; {key?} may be absent, {images} and {choices} may, too; a line with no other\n" \
    "fields is left out when nothing came of them. {{ is a brace. Without {images} no image is sent.\n"

struct endpoint {
    const struct endpoint_opts *o;
    struct chat_cfg chat;
    int (*prepare)(struct endpoint *e, struct ask_item *x);    /* behind endpoint_fill: makes requests by endpoint_add */
    int (*done)(struct endpoint *e, struct ask_item *x);
    void *arg;                                 /* of the caller */
    struct tool *t;                            /* private from here on */
    struct address to;
    struct http_cfg cfg;
    struct prompt_file *prompt;
    struct media_source *media;
    struct resume *resume;
    json_t *extra;
    char **argv, *shown;                       /* the arguments without secrets */
    struct ask_stats stats;
    double start, flushed, items;
};

/* Checks and loads, and takes secrets out of the tool's provenance; call it before tool_open. */
MUST_USE int endpoint_open(struct endpoint *e, struct tool *t, const char *images);
MUST_USE int endpoint_run(struct endpoint *e);
void endpoint_close(struct endpoint *e);
/* For prepare: the messages; where that cannot be, x->why is set. */
void endpoint_fill(struct endpoint *e, struct ask_item *x);
/* A request; its seed is drawn from --seed, the record's id and the index. What --resume has is taken from there. */
MUST_USE int endpoint_add(struct endpoint *e, struct ask_item *x, int64_t index, int64_t path_index, const char *purpose);
void endpoint_cannot(struct ask_item *x, const char *why);     /* sets x->why; err_msg() has the particulars */
/* Are options of endpoints set? For runs without one. */
bool endpoint_any(const struct endpoint_opts *o);

#endif
