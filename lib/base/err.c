/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MSG_MAX = 1024 };
static _Thread_local char msg[MSG_MAX];
static _Thread_local enum err_kind kind = ERR_INPUT;

static void set(enum err_kind k, const char *fmt, va_list ap)
{
    char tmp[MSG_MAX];                       /* the arguments may point into msg */
    vsnprintf(tmp, sizeof tmp, fmt, ap);
    err_set(k, tmp);
}

void err_set(enum err_kind k, const char *text)
{
    kind = k;
    if (text != msg) snprintf(msg, sizeof msg, "%s", text);
}

int fail(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    set(ERR_INPUT, fmt, ap);
    va_end(ap);
    return -1;
}

void *fail_null(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    set(ERR_INPUT, fmt, ap);
    va_end(ap);
    return NULL;
}

int fail_kind(enum err_kind k, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    set(k, fmt, ap);
    va_end(ap);
    return -1;
}

int fail_errno(const char *fmt, ...)
{
    int e = errno;
    va_list ap;
    va_start(ap, fmt);
    set(ERR_INPUT, fmt, ap);
    va_end(ap);
    size_t n = strlen(msg);
    snprintf(msg + n, sizeof msg - n, ": %s", strerror(e));
    return -1;
}

int fail_in(const char *fmt, ...)
{
    char head[MSG_MAX], old[MSG_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(head, sizeof head, fmt, ap);
    va_end(ap);
    memcpy(old, msg, sizeof old);
    size_t n = strnlen(head, MSG_MAX - 3), len = strnlen(old, MSG_MAX - 1 - (n + 2));   /* what does not fit is cut */
    memcpy(msg, head, n);
    memcpy(msg + n, ": ", 2);
    memcpy(msg + n + 2, old, len);
    msg[n + 2 + len] = 0;
    return -1;
}

const char *err_msg(void) { return msg; }
enum err_kind err_kind(void) { return kind; }
