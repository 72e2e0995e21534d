/* SPDX-License-Identifier: Apache-2.0
 * The actions of the scripted server. Good ones: ok, chunked (in pieces), nolen (until the connection ends), slow:MS, drip:MS
 * (a byte at a time), bye (and the connection ends though it said otherwise), free (a free-form chain), len (cut off by the
 * model's limit), echo (with the request's own authorization in it), parts (the text as a list). Bad ones below. */
#include "actions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "base/mem.h"

static bool put(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t k = write(fd, p, n);
        if (k <= 0) return false;
        p += k;
        n -= (size_t)k;
    }
    return true;
}

static bool put_str(int fd, const char *s) { return put(fd, s, strlen(s)); }

static void sleep_ms(long ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
    nanosleep(&t, NULL);
}

/* ---- good replies ---- */

/* What stands between a and b in the body. */
static bool between(const struct request *q, const char *a, const char *b, struct slice *s)
{
    const char *p = memmem(q->body, q->n, a, strlen(a));
    if (!p) return false;
    p += strlen(a);
    const char *e = memmem(p, q->n - (size_t)(p - q->body), b, strlen(b));
    if (e) *s = (struct slice){ p, (size_t)(e - p) };
    return e != NULL;
}

static void chain(const struct request *q, struct buf *out)
{
    struct slice gold = { "yes", 3 };
    between(q, "gold=", ";", &gold);
    buf_str(out, "<|reasoning_start|>\\n");
    for (int i = 0; i < 2; i++)
        buf_fmt(out, "%s<|reasoning_step_start|>\\n<|reasoning_step_name_start|>Look %d<|reasoning_step_name_end|>\\n"
                "<|reasoning_step_thought_start|>It shows %016llx.<|reasoning_step_thought_end|>\\n"
                "<|reasoning_step_reflection_start|>As seen.<|reasoning_step_reflection_end|>\\n<|reasoning_step_end|>\\n",
                i ? "<|reasoning_proceed|>\\n" : "", i + 1, (unsigned long long)q->hash);
    buf_fmt(out, "<|reasoning_end|>\\nAnswer:\\n<|answer_start|>%.*s<|answer_end|>", (int)gold.n, gold.p);
}

static void verdicts(const struct request *q, int n, struct buf *out)
{
    static const char *const word[] = { "Good", "Bad", "Neutral" };
    buf_str(out, "Let me see.\\n\\nVerdicts:\\n");
    for (int i = 0; i < n; i++) buf_fmt(out, "Step %d: %s\\n", i + 1, word[(q->hash >> i) % 3]);
    buf_str(out, "Answer: Good - it is so");
}

static void text_of(const struct request *q, const char *action, struct buf *out)
{
    struct slice s;
    if (!strcmp(action, "free")) buf_str(out, "Step 1: Look\\nThere are two.\\nStep 2: Add\\nTwo and two.\\nAnswer: 4");
    else if (!strcmp(action, "echo")) buf_fmt(out, "Step 1: You sent\\n%s\\nStep 2: So\\nyes\\nAnswer: %s", q->authorization, q->authorization);
    else if (between(q, "<<", ">>", &s)) buf_add(out, s.p, s.n);
    else if (between(q, "count=", ";", &s)) verdicts(q, atoi(s.p), out);
    else chain(q, out);
}

static void completion(const struct request *q, const char *action, struct buf *out)
{
    struct buf text = {0};
    text_of(q, action, &text);
    bool parts = !strcmp(action, "parts");
    buf_fmt(out, "{\"id\":\"x\",\"object\":\"chat.completion\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":%s\"",
            parts ? "[{\"type\":\"text\",\"text\":" : "");
    buf_add(out, text.p, text.len);
    buf_fmt(out, "\"%s},\"finish_reason\":\"%s\"}],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5}}", parts ? "}]" : "",
            !strcmp(action, "len") ? "length" : !strcmp(action, "filter") ? "content_filter" : "stop");
    buf_free(&text);
}

/* ---- all replies ---- */

static bool send_with(int fd, const char *status, const char *more, const char *body, size_t n, size_t length)
{
    struct buf b = {0};
    buf_fmt(&b, "HTTP/1.1 %s\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\n\r\n", status, more, length);
    buf_add(&b, body, n);
    bool ok = put(fd, b.p, b.len);
    buf_free(&b);
    return ok;
}

static bool send_status(int fd, const char *action)            /* 429, 429:2, 503:date */
{
    const char *asked = strchr(action, ':');
    char status[32], more[128] = "", date[64];
    time_t then = time(NULL) + 2;
    struct tm tm;
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&then, &tm));
    snprintf(status, sizeof status, "%.3s Because", action);
    if (asked) snprintf(more, sizeof more, "Retry-After: %s\r\n", strcmp(asked, ":date") ? asked + 1 : date);
    const char body[] = "{\"error\":{\"message\":\"not\\tnow\",\"type\":\"scripted\"}}";
    return send_with(fd, status, more, body, strlen(body), strlen(body));
}

static bool send_pieces(int fd, const struct buf *b, const char *end)
{
    put_str(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (size_t i = 0; i < b->len; i += 100) {
        size_t k = mem_min(b->len - i, (size_t)100);
        char head[16];
        snprintf(head, sizeof head, "%zx\r\n", k);
        if (!put_str(fd, head) || !put(fd, b->p + i, k) || !put_str(fd, "\r\n")) return false;
    }
    return put_str(fd, end) && end[0] == '0';
}

static bool send_drops(int fd, const struct buf *b, long ms)
{
    char head[96];
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", b->len);
    if (!put_str(fd, head)) return false;
    for (size_t i = 0; i < b->len; i++, sleep_ms(ms))
        if (!put(fd, b->p + i, 1)) return false;
    return true;
}

static bool send_for_ever(int fd, const char *first, const char *more)
{
    struct buf b = {0};
    for (int i = 0; i < 1000; i++) buf_str(&b, more);
    bool go = put_str(fd, first);
    for (size_t sent = 0; go && sent < (size_t)256 << 20; sent += b.len) go = put(fd, b.p, b.len);
    buf_free(&b);
    return false;
}

static bool reset(int fd)
{
    struct linger now = { 1, 0 };
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    return false;
}

static bool hang(int fd)                       /* until the client has had enough */
{
    char c;
    while (read(fd, &c, 1) > 0) {}
    return false;
}

static bool nested(int fd)
{
    enum { DEEP = 100000 };
    struct buf b = {0};
    for (int i = 0; i < DEEP; i++) buf_byte(&b, '[');
    for (int i = 0; i < DEEP; i++) buf_byte(&b, ']');
    bool ok = send_with(fd, "200 OK", "", b.p, b.len, b.len);
    buf_free(&b);
    return ok;
}

/* Whole replies with status 200 that are no answers. */
static const char *bad_body(const char *action)
{
    static const struct { const char *action, *body; } known[] = {
        { "html", "<html><body>Welcome</body></html>" }, { "json", "{\"choices\": [{\"message\": {\"content\": \"cut in the" }, { "empty", "" },
        { "array", "[]" }, { "choices", "{\"choices\": []}" }, { "types", "{\"choices\": {\"message\": 3}}" },
        { "error", "{\"error\": {\"message\": \"overloaded\"}}" }, { "utf8", "{\"choices\": [{\"message\": {\"content\": \"\xff\xfe\"}}]}" },
        { "null", "{\"choices\": [{\"message\": {\"content\": null}, \"finish_reason\": \"stop\"}]}" },
        { "refuse", "{\"choices\": [{\"message\": {\"content\": null, \"refusal\": \"I will not.\"}}]}" } };
    for (int i = 0; i < countof(known); i++)
        if (!strcmp(known[i].action, action)) return known[i].body;
    return NULL;
}

/* Those that are wrong as HTTP. */
static bool act_badly(const struct request *q, const char *action, const struct buf *good)
{
    int fd = q->fd;
    if (!strcmp(action, "close")) return false;
    if (!strcmp(action, "reset")) return reset(fd);
    if (!strcmp(action, "hang")) return hang(fd);
    if (!strcmp(action, "half")) return put_str(fd, "HTTP/1.1 200 OK\r\nContent-Le"), false;
    if (!strcmp(action, "cut")) return send_with(fd, "200 OK", "", good->p, good->len / 2, good->len), false;
    if (!strcmp(action, "short")) return send_with(fd, "200 OK", "", good->p, good->len, good->len / 2), false;
    if (!strcmp(action, "badchunk")) return send_pieces(fd, good, "zz\r\n\r\n"), false;
    if (!strcmp(action, "cutchunk")) return send_pieces(fd, good, ""), false;
    if (!strcmp(action, "noise")) return put_str(fd, "220 mail server ready\r\n"), false;
    if (!strcmp(action, "huge")) return send_for_ever(fd, "HTTP/1.1 200 OK\r\n\r\n", "[\"more of it\"],");
    if (!strcmp(action, "headers")) return send_for_ever(fd, "HTTP/1.1 200 OK\r\n", "X-More: of it and of it\r\n");
    if (!strcmp(action, "deep")) return nested(fd);
    if (!strcmp(action, "redirect")) return send_with(fd, "302 Found", "Location: /stolen\r\n", "", 0, 0);
    fprintf(stderr, "server: no action '%s'\n", action);
    return false;
}

bool act(const struct request *q, const char *action)
{
    struct buf b = {0};
    const char *bad = bad_body(action);
    long ms = strchr(action, ':') ? atol(strchr(action, ':') + 1) : 0;
    bool again = true;
    completion(q, action, &b);
    if (bad) again = send_with(q->fd, "200 OK", "", bad, strlen(bad), strlen(bad));
    else if (action[0] >= '0' && action[0] <= '9') again = send_status(q->fd, action);
    else if (!strcmp(action, "chunked")) again = send_pieces(q->fd, &b, "0\r\n\r\n");
    else if (!strcmp(action, "nolen")) again = put_str(q->fd, "HTTP/1.1 200 OK\r\n\r\n") && put(q->fd, b.p, b.len) && false;
    else if (!strncmp(action, "drip:", 5)) again = send_drops(q->fd, &b, ms);
    else if (!strncmp(action, "slow:", 5)) sleep_ms(ms), again = send_with(q->fd, "200 OK", "", b.p, b.len, b.len);
    else if (!strcmp(action, "bye")) again = send_with(q->fd, "200 OK", "Connection: keep-alive\r\n", b.p, b.len, b.len) && false;
    else if (strstr(" ok free len filter echo parts ", action) && strlen(action) > 1) again = send_with(q->fd, "200 OK", "", b.p, b.len, b.len);
    else again = act_badly(q, action, &b);
    buf_free(&b);
    return again;
}
