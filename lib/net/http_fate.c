/* SPDX-License-Identifier: Apache-2.0
 * What a try came to. */
#include "net/http_priv.h"

#include <string.h>

enum { QUOTE_MAX = 200 };

/* The reasons are static strings, so that they can be counted. */
static const char *status_reason(long status)
{
    static const struct { long status; const char *reason; } known[] = {
        { 400, "HTTP 400" }, { 401, "HTTP 401" }, { 402, "HTTP 402" }, { 403, "HTTP 403" }, { 404, "HTTP 404" }, { 408, "HTTP 408" },
        { 413, "HTTP 413" }, { 422, "HTTP 422" }, { 425, "HTTP 425" }, { 429, "HTTP 429" }, { 500, "HTTP 500" }, { 502, "HTTP 502" },
        { 503, "HTTP 503" }, { 504, "HTTP 504" }, { 529, "HTTP 529" } };
    for (int i = 0; i < countof(known); i++)
        if (known[i].status == status) return known[i].reason;
    return status < 300 ? "no answer" : status < 400 ? "redirected" : status < 500 ? "HTTP 4xx" : "HTTP 5xx";
}

static enum fate status_fate(long status)
{
    switch (status) {
    case 401: case 402: case 404: return FATE_END;
    case 408: case 425: case 429: return FATE_AGAIN;
    default: return status >= 500 ? FATE_AGAIN : FATE_FAILED;
    }
}

/* What the server said, on one line, as far as it is short. */
static void quote(const struct buf *reply, struct buf *out)
{
    for (size_t i = 0; i < reply->len && i < QUOTE_MAX; i++) {
        char c = reply->p[i];
        bool blank = (unsigned char)c <= ' ' || c == 0x7f;
        if (blank && out->len && out->p[out->len - 1] == ' ') continue;
        buf_byte(out, blank ? ' ' : c);
    }
    if (reply->len > QUOTE_MAX) buf_str(out, "...");
}

static void refused(struct slot *s, long status)
{
    struct buf b = {0};
    buf_fmt(&b, "HTTP %ld: ", status);
    quote(&s->post->reply, &b);
    s->post->why = status_reason(status);
    s->post->detail = b.p;
}

static enum fate broken(struct slot *s, CURLcode code)
{
    struct http_post *p = s->post;
    enum fate fate = FATE_AGAIN;
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT: p->why = "time-out"; break;
    case CURLE_COULDNT_RESOLVE_HOST: case CURLE_COULDNT_RESOLVE_PROXY: case CURLE_COULDNT_CONNECT: p->why = "no connection"; break;
    case CURLE_PARTIAL_FILE: p->why = "reply cut off"; break;
    case CURLE_GOT_NOTHING: case CURLE_SEND_ERROR: case CURLE_RECV_ERROR: case CURLE_HTTP2: case CURLE_HTTP2_STREAM:
    case CURLE_SSL_CONNECT_ERROR: p->why = "connection broken"; break;
    case CURLE_UNSUPPORTED_PROTOCOL: case CURLE_WEIRD_SERVER_REPLY: p->why = "reply is not HTTP"; break;
    case CURLE_PEER_FAILED_VERIFICATION: p->why = "certificate not trusted"; fate = FATE_FAILED; break;
    default: p->why = "request failed"; fate = FATE_FAILED;
    }
    if (s->too_large) p->why = "reply too large", fate = FATE_FAILED;
    p->detail = mem_fmt("%s: %s", p->why, s->too_large ? "more than any answer needs" : curl_easy_strerror(code));
    return fate;
}

enum fate http_fate(struct slot *s, CURLcode code)
{
    long status = 0;
    bool again = false;
    struct http_post *p = s->post;
    const struct http_cfg *c = &s->http->cfg;
    if (code != CURLE_OK) return broken(s, code);
    curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200 || status >= 300) return refused(s, status), status_fate(status);
    p->why = c->check ? c->check(c->arg, p, &again) : NULL;
    if (!p->why) return FATE_ANSWERED;
    p->detail = mem_str(err_msg());
    return again ? FATE_AGAIN : FATE_FAILED;
}
