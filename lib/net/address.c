/* SPDX-License-Identifier: Apache-2.0 */
#include "net/address.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char tail[] = "/chat/completions";

/* A part of the URL; NULL where it has none. Caller frees. */
static char *part(CURLU *u, CURLUPart which, unsigned flags)
{
    char *s = NULL;
    if (curl_url_get(u, which, &s, flags) || !s) return NULL;
    char *copy = mem_str(s);
    curl_free(s);
    return copy;
}

static char *full_path(const char *path)
{
    size_t n = path ? strlen(path) : 0, k = strlen(tail);
    while (n && path[n - 1] == '/') n--;
    if (!n) return mem_fmt("/v1%s", tail);
    bool whole = n >= k && !memcmp(path + n - k, tail, k);
    return mem_fmt("%.*s%s", (int)n, path, whole ? "" : tail);
}

static int build(CURLU *u, struct address *out)
{
    char *path = part(u, CURLUPART_PATH, 0), *query = part(u, CURLUPART_QUERY, 0), *full = full_path(path);
    out->user = part(u, CURLUPART_USER, CURLU_URLDECODE);
    out->password = part(u, CURLUPART_PASSWORD, CURLU_URLDECODE);
    bool bad = curl_url_set(u, CURLUPART_USER, NULL, 0) || curl_url_set(u, CURLUPART_PASSWORD, NULL, 0)
        || curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0);
    bool secret = out->user || out->password;
    if (!bad && !curl_url_set(u, CURLUPART_QUERY, NULL, 0)) {
        char *plain = part(u, CURLUPART_URL, 0), *rest = plain ? strstr(plain, "://") : NULL;
        if (rest)
            out->given = mem_fmt("%.*s%s%s%s", (int)(rest + 3 - plain), plain, secret ? "***@" : "", rest + 3, query ? "?***" : "");
        free(plain);
    }
    bad = bad || !out->given || curl_url_set(u, CURLUPART_PATH, full, 0);
    if (!bad) out->shown = part(u, CURLUPART_URL, 0);
    if (!bad && query) bad = curl_url_set(u, CURLUPART_QUERY, query, 0) != CURLUE_OK;
    if (!bad) out->url = part(u, CURLUPART_URL, 0);
    free(path);
    free(query);
    free(full);
    return !bad && out->url && out->shown ? 0 : fail("not an address (want http://HOST:PORT/v1 or https://...)");
}

int address_parse(const char *text, struct address *out)
{
    *out = (struct address){0};
    bool web = !strncmp(text, "http://", 7) || !strncmp(text, "https://", 8);
    CURLU *u = web ? curl_url() : NULL;
    int bad = !u || curl_url_set(u, CURLUPART_URL, text, 0) ? fail("not an address (want http://HOST:PORT/v1 or https://...)") : build(u, out);
    curl_url_cleanup(u);
    if (bad) address_free(out);
    return bad;
}

void address_free(struct address *a)
{
    free(a->url);
    free(a->shown);
    free(a->given);
    free(a->user);
    free(a->password);
    *a = (struct address){0};
}
