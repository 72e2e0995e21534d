/* SPDX-License-Identifier: Apache-2.0
 * A server of chat completions that fails in every way a server can, as the request itself tells it to.
 *
 *     server PORT_FILE LOG_FILE        serves on 127.0.0.1 until it is killed; the port is in PORT_FILE once it does
 *
 * A request may hold, anywhere in its body:
 *     [[ACTION ACTION ...]]    what becomes of its first try, its second, ...; behind the last one: ok
 *     <<TEXT>>                 the text of a good reply (as JSON has it, with \n)
 *     count=N; or gold=TEXT;   a good reply is verdicts on N steps; a chain of steps with this answer
 * Without those a good reply is a chain whose text depends on nothing but the body. tests/net/actions.c has the actions.
 *
 * A line of the log for each request: MILLISECONDS HASH TRY ACTION ACTIVE AUTHORIZATION PATH  (hash of the body; requests
 * active then; "-" for no authorization)
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "base/hash.h"
#include "base/mem.h"

#include "actions.h"

enum { HEAD_MAX = 64 << 10, BODY_MAX = 512 << 20 };

static int log_fd;
static atomic_int active;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct { uint64_t *hash; int *tries; size_t n; } seen;

static int try_of(uint64_t hash)
{
    size_t i = 0;
    pthread_mutex_lock(&lock);
    while (i < seen.n && seen.hash[i] != hash) i++;
    if (i == seen.n) {
        seen.hash = mem_grow(seen.hash, i + 1, sizeof *seen.hash);
        seen.tries = mem_grow(seen.tries, i + 1, sizeof *seen.tries);
        seen.hash[i] = hash;
        seen.tries[i] = 0;
        seen.n++;
    }
    int t = ++seen.tries[i];
    pthread_mutex_unlock(&lock);
    return t;
}

/* ---- a request ---- */

static size_t read_more(int fd, struct buf *b)
{
    buf_need(b, 64 << 10);
    ssize_t n = read(fd, b->p + b->len, 64 << 10);
    if (n <= 0) return 0;
    b->len += (size_t)n;
    b->p[b->len] = 0;
    return (size_t)n;
}

/* The value of a header in the head, copied; caller frees. "-" where there is none. */
static char *header(const struct buf *b, size_t head, const char *name)
{
    size_t k = strlen(name);
    for (const char *p = b->p; (p = memmem(p, head - (size_t)(p - b->p), "\r\n", 2)); ) {
        p += 2;
        if (strncasecmp(p, name, k) || p[k] != ':') continue;
        p += k + 1 + strspn(p + k + 1, " ");
        return mem_strn(p, strcspn(p, "\r"));
    }
    return mem_str("-");
}

/* A whole request in b: 0 where the client has gone. */
static int read_request(int fd, struct buf *b, size_t *head)
{
    const char *end = NULL;
    while (!end) {
        if (b->len > HEAD_MAX || !read_more(fd, b)) return 0;
        end = memmem(b->p, b->len, "\r\n\r\n", 4);
    }
    *head = (size_t)(end - b->p) + 4;
    char *length = header(b, *head, "Content-Length");
    size_t n = strtoull(length, NULL, 10);
    free(length);
    while (n < BODY_MAX && b->len - *head < n)
        if (!read_more(fd, b)) return 0;
    return n < BODY_MAX;
}

/* The try-th of the actions in the body. */
static void find_action(const char *body, int try, char *action, size_t n)
{
    const char *p = strstr(body, "[["), *end = p ? strstr(p, "]]") : NULL;
    snprintf(action, n, "ok");
    if (!end) return;
    for (p += 2; p < end; try--) {
        p += strspn(p, " ");
        size_t k = strcspn(p, " ]");
        if (try == 1 && k) snprintf(action, n, "%.*s", (int)k, p);
        p += k + (p[k] == ' ');
    }
}

static void write_log(const char *body, size_t n, int try, const char *action, const struct buf *request, size_t head)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    char *auth = header(request, head, "Authorization"), *line;
    const char *path = strchr(request->p, ' ');
    for (char *s = auth; *s; s++) if (*s == ' ') *s = '_';
    line = mem_fmt("%lld %016llx %d %s %d %s %.*s\n", (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000,
                   (unsigned long long)hash64(body, n, 0), try, action, atomic_load(&active), auth,
                   path ? (int)strcspn(path + 1, " ") : 0, path ? path + 1 : "");
    if (write(log_fd, line, strlen(line)) < 0) perror("log");
    free(auth);
    free(line);
}

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    struct buf b = {0};
    bool again = true;
    size_t head;
    while (again && read_request(fd, &b, &head)) {
        const char *body = b.p + head;
        size_t n = b.len - head;
        char action[64];
        int try = try_of(hash64(body, n, 0));
        find_action(body, try, action, sizeof action);
        atomic_fetch_add(&active, 1);
        write_log(body, n, try, action, &b, head);
        char *auth = header(&b, head, "Authorization");
        struct request q = { .fd = fd, .body = body, .n = n, .hash = hash64(body, n, 0), .authorization = auth };
        again = act(&q, action);
        atomic_fetch_sub(&active, 1);
        free(auth);
        buf_clear(&b);
    }
    close(fd);
    buf_free(&b);
    return NULL;
}

/* ---- set-up ---- */

static int listen_on(const char *port_file)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) || listen(fd, 1024) || getsockname(fd, (struct sockaddr *)&a, &n)) return -1;
    char *tmp = mem_fmt("%s.tmp", port_file);
    FILE *f = fopen(tmp, "w");
    if (!f || fprintf(f, "%d\n", ntohs(a.sin_port)) < 0 || fclose(f) || rename(tmp, port_file)) return -1;
    free(tmp);
    return fd;
}

int main(int argc, char **argv)
{
    if (argc != 3) return fputs("usage: server PORT_FILE LOG_FILE\n", stderr), 2;
    signal(SIGPIPE, SIG_IGN);
    log_fd = open(argv[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    int fd = log_fd < 0 ? -1 : listen_on(argv[1]);
    if (fd < 0) return perror(argv[1]), 1;
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    for (;;) {
        pthread_t t;
        int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        if (client >= 0 && pthread_create(&t, &detached, serve, (void *)(intptr_t)client)) close(client);
    }
}
