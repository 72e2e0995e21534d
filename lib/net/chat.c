/* SPDX-License-Identifier: Apache-2.0 */
#include "net/chat.h"

#include <stdlib.h>
#include <string.h>
#include "media/image.h"
#include "record/base64.h"
#include "store/json.h"

const char chat_tail[] = "}";

/* ---- a request ---- */

static int add_dump(const char *p, size_t n, void *out)
{
    buf_add(out, p, n);
    return 0;
}

/* jansson fails only where memory is out, or where a string is no UTF-8, which is no text here. */
static void put_json(json_t *v, size_t flags, struct buf *out)
{
    if (!v || json_dump_callback(v, add_dump, out, flags | JSON_REAL_PRECISION(15))) mem_array(SIZE_MAX, 1);
    json_decref(v);
}

static json_t *stops(const struct chat_cfg *c)
{
    json_t *list = json_array();
    for (int i = 0; i < c->nstop; i++) json_array_append_new(list, json_string(c->stop[i]));
    return list;
}

static void add_extra(json_t *head, const json_t *extra)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)extra, key, v) {
        if (json_is_null(v)) json_object_del(head, key);
        else json_object_set(head, key, v);
    }
}

void chat_head(const struct chat_cfg *c, uint32_t seed, struct buf *out)
{
    json_t *head = json_object();
    json_object_set_new(head, "model", json_string(c->model));
    json_object_set_new(head, "temperature", json_real(c->temperature));
    if (c->top_p < 1) json_object_set_new(head, "top_p", json_real(c->top_p));
    if (c->top_k) json_object_set_new(head, "top_k", json_integer(c->top_k));
    json_object_set_new(head, "max_tokens", json_integer(c->max_tokens));
    json_object_set_new(head, "seed", json_integer(seed));
    if (c->nstop) json_object_set_new(head, "stop", stops(c));
    json_object_set_new(head, "stream", json_false());
    if (c->extra) add_extra(head, c->extra);
    json_object_del(head, "messages");
    put_json(head, JSON_COMPACT, out);
    out->len--;                                /* the closing brace */
    buf_str(out, out->p[out->len - 1] == '{' ? "\"messages\":" : ",\"messages\":");
}

void chat_put_text(struct slice text, struct buf *out)
{
    put_json(json_stringn(text.p, text.n), JSON_ENCODE_ANY, out);
}

int chat_put_image(const void *p, size_t n, struct buf *out)
{
    const char *type = image_type(p, n);
    if (!type) return fail("neither PNG, JPEG nor WebP");
    buf_fmt(out, "\"data:image/%s;base64,", type);
    base64_put(p, n, out);
    buf_byte(out, '"');
    return 0;
}

/* ---- a reply ---- */

static const char *because(const char *why)
{
    fail("%s", why);
    return why;
}

/* A string, or (some servers) a list of parts of which the texts count. */
static bool take_content(const json_t *v, struct buf *out)
{
    size_t i;
    json_t *part;
    if (json_is_string(v)) buf_add(out, json_string_value(v), json_string_length(v));
    else if (json_is_array(v)) {
        json_array_foreach((json_t *)v, i, part) {
            const json_t *text = json_object_get(part, "text");
            if (json_is_string(text)) buf_add(out, json_string_value(text), json_string_length(text));
        }
    }
    return out->len > 0;
}

static uint64_t count_of(const json_t *usage, const char *key)
{
    const json_t *v = json_object_get(usage, key);
    return json_is_integer(v) && json_integer_value(v) > 0 ? (uint64_t)json_integer_value(v) : 0;
}

static const char *read_choice(const json_t *doc, struct chat_reply *out, bool *again)
{
    const json_t *choice = json_array_get(json_object_get(doc, "choices"), 0), *message = json_object_get(choice, "message");
    const json_t *usage = json_object_get(doc, "usage"), *end = json_object_get(choice, "finish_reason");
    const char *reason = json_is_string(end) ? json_string_value(end) : "stop";
    *again = !json_is_object(message);
    if (*again) return because("reply without an answer");
    out->prompt_tokens = count_of(usage, "prompt_tokens");
    out->tokens = count_of(usage, "completion_tokens");
    out->cut = !strcmp(reason, "length");
    if (!strcmp(reason, "content_filter")) return because("stopped by a content filter");
    if (json_string_length(json_object_get(message, "refusal"))) return because("the model refuses");
    return take_content(json_object_get(message, "content"), &out->text) ? NULL : because("empty reply");
}

const char *chat_read(const char *body, size_t n, struct chat_reply *out, bool *again)
{
    *out = (struct chat_reply){0};
    *again = true;
    json_t *doc = json_parse(body ? body : "", n, "reply");
    if (!doc) return "reply is not JSON";
    const json_t *error = json_object_get(doc, "error");
    const char *why;
    if (error && !json_is_null(error)) {
        const json_t *message = json_is_object(error) ? json_object_get(error, "message") : error;
        why = "error in a reply";
        fail("%s: %.200s", why, json_is_string(message) ? json_string_value(message) : "");
    } else why = read_choice(doc, out, again);
    json_decref(doc);
    if (why) buf_free(&out->text);
    return why;
}
