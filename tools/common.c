/* SPDX-License-Identifier: Apache-2.0 */
#include "common.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { REASONS = 64 };
struct tally { const char *reason; uint64_t n; };

struct tool_streams {
    int next;                                  /* operand to open next */
    FILE *f;                                   /* the one being read */
    const char *name;
    uint64_t seen;                             /* headers of t->in looked at */
    struct record **header;                    /* the headers read, one for each provenance; record.stream counts from 1 */
    uint32_t nheader, stream, wrote;           /* stream of the record read last, of the one written last */
    bool fresh;                                /* `stream` began with the record read last */
    bool text;
    pthread_mutex_t lock;                      /* of the counts and headers: reading and writing may be on two threads */
    uint64_t in, added, out;
    struct tally reject[REASONS], drop[REASONS];
    int noted;                                 /* rejects told with their particulars */
    FILE *reject_file;
    struct rec_writer *reject_out;
    bool tty, bar;                             /* stderr is a terminal; a bar is on it */
    double start, shown;                       /* times of the progress */
};

/* ---- messages ---- */

static void clear_bar(struct tool *t)
{
    if (t->streams->bar) fputs("\r\033[K", stderr);
    t->streams->bar = false;
}

/* Messages quote ids and other text of the input: no line break or terminal control gets through. */
static void put_clean(const char *s)
{
    for (; *s; s++) fputc((unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s, stderr);
}

static void line(struct tool *t, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
static void line(struct tool *t, const char *fmt, va_list ap)
{
    struct buf b = {0};
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    buf_need(&b, (size_t)mem_max(n, 0));
    if (n > 0) vsnprintf(b.p, (size_t)n + 1, fmt, again);
    va_end(again);
    clear_bar(t);
    fprintf(stderr, "%s: ", t->program);
    put_clean(b.p);
    fputc('\n', stderr);
    buf_free(&b);
}

void tool_note(struct tool *t, const char *fmt, ...)
{
    if (t->std.quiet) return;
    va_list ap;
    va_start(ap, fmt);
    line(t, fmt, ap);
    va_end(ap);
}

void tool_warn(struct tool *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    line(t, fmt, ap);
    va_end(ap);
}

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

static void show_time(char *s, size_t n, double sec)
{
    long x = (long)(sec + 0.5);
    if (x < 3600) snprintf(s, n, "%ld:%02ld", x / 60, x % 60);
    else snprintf(s, n, "%ld:%02ld:%02ld", x / 3600, x / 60 % 60, x % 60);
}

void tool_progress(struct tool *t, const char *unit, double done, double total, const char *extra)
{
    enum { BAR = 24 };
    struct tool_streams *s = t->streams;
    double at = now();
    if (s->start == 0) s->start = s->shown = at;
    if (t->std.quiet || at - s->shown < (s->tty ? 0.2 : 5)) return;
    s->shown = at;
    double rate = done / mem_max(at - s->start, 1e-9);
    char text[256], bar[BAR + 1] = "", left[32] = "";
    int n = snprintf(text, sizeof text, "%.0f", done);
    if (total > 0) {
        n += snprintf(text + n, sizeof text - (size_t)n, " of %.0f", total);
        show_time(left, sizeof left, rate > 0 ? (total - done) / rate : 0);
        for (int i = 0; i < BAR; i++) bar[i] = i < BAR * done / total ? '#' : '.';
    }
    snprintf(text + n, sizeof text - (size_t)n, " %s, %.*f/s%s%s%s%s", unit, rate < 10, rate, *left ? ", " : "", left,
             *left ? " left" : "", extra ? extra : "");
    clear_bar(t);
    if (s->tty) fprintf(stderr, "%s: %s%s%s", t->program, bar, *bar ? " " : "", text);
    else fprintf(stderr, "%s: %s\n", t->program, text);
    s->bar = s->tty;
}

/* ---- input ---- */

static int close_file(struct tool *t)
{
    struct tool_streams *s = t->streams;
    int bad = s->f && s->f != stdin && fclose(s->f) ? fail_errno("%s", s->name) : 0;
    s->f = NULL;
    return bad;
}

int tool_next_file(struct tool *t, FILE **f, const char **name)
{
    struct tool_streams *s = t->streams;
    if (close_file(t)) return -1;
    int n = mem_max(t->noperand, 1);
    if (s->next == n) return 0;
    const char *path = t->noperand ? t->operand[s->next] : "-";
    s->next++;
    bool std = !strcmp(path, "-");
    s->name = std ? "stdin" : path;
    s->f = std ? stdin : fopen(path, "rb");
    if (!s->f) return fail_errno("%s", path);
    *f = s->f;
    *name = s->name;
    return 1;
}

const char *tool_input_name(const struct tool *t) { return t->streams->name ? t->streams->name : "stdin"; }

static int next_reader(struct tool *t)                     /* 1, 0 behind the last file, -1 */
{
    FILE *f;
    const char *name;
    int r = tool_next_file(t, &f, &name);
    if (r <= 0) return r;
    rec_reader_free(t->in);
    t->in = rec_reader_new(f, name);
    t->streams->seen = 0;
    return 1;
}

static uint32_t stream_of(struct tool_streams *s, const val *header)     /* 1..; the same for the same provenance */
{
    for (uint32_t i = 0; i < s->nheader; i++)
        if (val_equal(val_get(header, "provenance"), val_get(&s->header[i]->root, "provenance"))) return i + 1;
    struct record *r = rec_new();
    r->root = val_copy(&r->zone, header);
    pthread_mutex_lock(&s->lock);
    s->header = mem_grow(s->header, s->nheader + 1, sizeof *s->header);
    s->header[s->nheader++] = r;
    pthread_mutex_unlock(&s->lock);
    return s->nheader;
}

static void look_at_header(struct tool *t)
{
    struct tool_streams *s = t->streams;
    s->fresh = false;
    if (rec_reader_streams(t->in) == s->seen) return;
    s->seen = rec_reader_streams(t->in);
    uint32_t old = s->stream;
    s->stream = stream_of(s, rec_reader_header(t->in));
    s->fresh = s->stream != old;
}

const val *tool_new_header(const struct tool *t)
{
    const struct tool_streams *s = t->streams;
    return s->fresh ? &s->header[s->stream - 1]->root : NULL;
}

static int took(struct tool *t, int got)
{
    if (got <= 0) return got;
    tool_count(t, 1, 0);
    look_at_header(t);
    return 1;
}

int tool_read(struct tool *t, struct record *r)
{
    int got;
    while ((got = rec_read(t->in, r)) == 0 && (got = next_reader(t)) > 0) {}
    got = took(t, got);
    r->stream = t->streams->stream;
    return got;
}

int tool_read_packed(struct tool *t, struct buf *out, uint64_t *number)
{
    int got;
    while ((got = rec_read_packed(t->in, out, number)) == 0 && (got = next_reader(t)) > 0) {}
    return took(t, got);
}

/* ---- output ---- */

struct rec_prov tool_provenance(const struct tool *t)
{
    return (struct rec_prov){ .program = t->program, .version = COS_VERSION, .model = t->model_digest, .argc = t->argc,
                              .argv = t->argv, .seed = t->std.seed, .has_seed = true };
}

static int put_header(struct tool *t, struct rec_writer *out, uint32_t stream)       /* 0: no input before us */
{
    struct rec_prov me = tool_provenance(t);
    pthread_mutex_lock(&t->streams->lock);
    const val *h = stream ? &t->streams->header[stream - 1]->root : NULL;
    pthread_mutex_unlock(&t->streams->lock);
    return rec_write_header_after(out, h, t->std.no_provenance ? NULL : &me);
}

static int open_rejects(struct tool *t)
{
    struct tool_streams *s = t->streams;
    if (!t->std.rejects) return 0;
    s->reject_file = fopen(t->std.rejects, "wb");
    if (!s->reject_file) return fail_errno("%s", t->std.rejects);
    s->reject_out = rec_writer_new(s->reject_file, t->std.rejects);
    return put_header(t, s->reject_out, s->stream);
}

int tool_open_out(struct tool *t)
{
    t->out = rec_writer_new(stdout, "stdout");
    t->streams->wrote = t->streams->stream;
    if (put_header(t, t->out, t->streams->stream)) return -1;
    return open_rejects(t);
}

int tool_open(struct tool *t)
{
    if (!t->noperand && isatty(0)) return fail_kind(ERR_USAGE, "reads records, and stdin is a terminal");
    if (next_reader(t) < 0 || rec_read_header(t->in)) return -1;
    look_at_header(t);
    return tool_open_out(t);
}

int tool_write(struct tool *t, const struct record *r)
{
    struct tool_streams *s = t->streams;
    if (r->stream && r->stream != s->wrote && !t->std.no_provenance) {
        if (put_header(t, t->out, r->stream)) return -1;
        s->wrote = r->stream;
    }
    tool_count(t, 0, 1);
    return rec_write(t->out, r);
}

FILE *tool_text(struct tool *t)
{
    static char buffer[256 << 10];
    rec_writer_abandon(t->out);
    t->out = NULL;
    t->streams->text = true;
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    return stdout;
}

/* ---- accounting ---- */

static void count(struct tool_streams *s, struct tally *list, const char *reason, uint64_t n)
{
    int i = 0;
    pthread_mutex_lock(&s->lock);
    while (i < REASONS - 1 && list[i].reason && strcmp(list[i].reason, reason)) i++;
    if (!list[i].reason) list[i].reason = i < REASONS - 1 ? reason : "other reasons";
    list[i].n += n;
    pthread_mutex_unlock(&s->lock);
}

static uint64_t total(const struct tally *list)
{
    uint64_t n = 0;
    for (int i = 0; i < REASONS; i++) n += list[i].n;
    return n;
}

int tool_reject(struct tool *t, const struct record *r, const char *reason)
{
    struct tool_streams *s = t->streams;
    count(s, s->reject, reason, 1);
    if (!r || !s->reject_out) return 0;
    struct record *c = rec_copy(r);
    const val *meta = val_get(&c->root, "meta");
    bool has_place = !meta || meta->type == MSGPACK_OBJECT_MAP;
    val *place = has_place ? val_set_map(&c->zone, &c->root, "meta") : &c->root;
    val_set(&c->zone, place, "reject", val_of_cstr(&c->zone, reason));
    int bad = rec_write(s->reject_out, c);
    rec_free(c);
    return bad;
}

int tool_reject_noted(struct tool *t, const struct record *r, const char *reason, const char *particulars)
{
    enum { NOTES = 10 };
    char label[128];
    if (t->streams->noted++ < NOTES) tool_note(t, "%s: %s", rec_label(r, label, sizeof label), particulars);
    return tool_reject(t, r, reason);
}

void tool_drop(struct tool *t, uint64_t n, const char *reason) { if (n) count(t->streams, t->streams->drop, reason, n); }

static void move(struct tool *t, uint64_t in, uint64_t added, uint64_t out)
{
    struct tool_streams *s = t->streams;
    pthread_mutex_lock(&s->lock);
    s->in += in;
    s->added += added;
    s->out += out;
    pthread_mutex_unlock(&s->lock);
}

void tool_added(struct tool *t, uint64_t n) { move(t, 0, n, 0); }
void tool_count(struct tool *t, uint64_t in, uint64_t out) { move(t, in, 0, out); }

static void show_account(struct tool *t)
{
    const struct tool_streams *s = t->streams;
    struct buf b = {0};
    buf_fmt(&b, "%" PRIu64 " in", s->in);
    if (s->added) buf_fmt(&b, ", %" PRIu64 " added", s->added);
    buf_fmt(&b, ", %" PRIu64 " %s", s->out, s->text ? "used" : "out");
    for (int i = 0; i < REASONS && s->reject[i].reason; i++) {
        if (i == 0) buf_fmt(&b, ", %" PRIu64 " rejected (", total(s->reject));
        buf_fmt(&b, "%s%s %" PRIu64, i ? ", " : "", s->reject[i].reason, s->reject[i].n);
    }
    if (s->reject[0].reason) buf_byte(&b, ')');
    for (int i = 0; i < REASONS && s->drop[i].reason; i++)
        buf_fmt(&b, ", %" PRIu64 " %s", s->drop[i].n, s->drop[i].reason);
    tool_note(t, "%s", b.p);
    buf_free(&b);
}

static int balance(struct tool_streams *s)
{
    uint64_t gone = total(s->reject) + total(s->drop);
    if (s->text && s->out == 0) s->out = s->in + s->added - gone;
    else s->text = false;
    if (s->in + s->added == s->out + gone) return 0;
    return fail("the accounts do not balance: %" PRIu64 " in, %" PRIu64 " added, %" PRIu64 " out, %" PRIu64 " rejected or dropped",
                s->in, s->added, s->out, gone);
}

static int close_rejects(struct tool_streams *s, const char *path)
{
    struct rec_writer *out = s->reject_out;
    s->reject_out = NULL;
    if (out && rec_writer_close(out)) return -1;
    FILE *f = s->reject_file;
    s->reject_file = NULL;
    return f && fclose(f) ? fail_errno("%s", path) : 0;
}

static int close_stdout(void)
{
    if (fflush(stdout) || ferror(stdout) || fclose(stdout)) return fail_errno("stdout");
    return 0;
}

int tool_close(struct tool *t)
{
    struct tool_streams *s = t->streams;
    struct rec_writer *out = t->out;
    if (balance(s) || close_rejects(s, t->std.rejects)) return -1;
    t->out = NULL;
    if ((out && rec_writer_close(out)) || close_stdout() || close_file(t)) return -1;
    show_account(t);
    return 0;
}

/* ---- the program ---- */

static struct opt *all_options(const struct command *c, struct tool_std *std)
{
    const struct opt common[] = {
        { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "Standard options" },
        { 'h', "help", NULL, OPT_FLAG, &std->help, 0, 0, "this text" },
        { 0, "version", NULL, OPT_FLAG, &std->version, 0, 0, "the version" },
        { 'q', "quiet", NULL, OPT_FLAG, &std->quiet, 0, 0, "no progress and no accounting on stderr" },
        { 0, "threads", "N", OPT_INT, &std->threads, 1, 1024, "threads; the result does not depend on them" },
        { 0, "seed", "N", OPT_U64, &std->seed, 0, 0, "of everything random" },
        { 0, "no-provenance", NULL, OPT_FLAG, &std->no_provenance, 0, 0, "leave the chain of programs out of the header" },
        { 0, "rejects", "FILE", OPT_STR, &std->rejects, 0, 0, "keep rejected records here, the reason in meta.reject" },
        OPT_END };
    int own = 0;
    while (c->opts && (c->opts[own].letter || c->opts[own].name || c->opts[own].kind == OPT_GROUP)) own++;
    struct opt *o = mem_array((size_t)(own + 1 + countof(common)), sizeof *o), *end = o;
    if (own && c->opts[0].kind != OPT_GROUP) *end++ = (struct opt){ .kind = OPT_GROUP, .help = "Options" };
    if (own) memcpy(end, c->opts, (size_t)own * sizeof *o);
    memcpy(end + own, common, sizeof common);
    return o;
}

static void help_command(const struct tool *t, const struct opt *opts, const char *about)
{
    const struct command *c = t->cmd;
    const char *sub = c->name ? c->name : "";
    printf("%s%s%s: %s\n\n", t->program, *sub ? " " : "", sub, c->summary ? c->summary : about);
    printf("usage: %s%s%s [options]%s%s\n", t->program, *sub ? " " : "", sub, c->operands ? " " : "", c->operands ? c->operands : "");
    opt_help(opts, stdout);
    if (c->details) printf("\n%s\n", c->details);
}

static void help_program(const char *program, const char *about, const struct command *cmds)
{
    printf("%s: %s\n\nusage: %s COMMAND [options] ...\n\nCommands:\n", program, about, program);
    for (const struct command *c = cmds; c->run; c++) printf("  %-12s %s\n", c->name, c->summary);
    printf("\n%s COMMAND -h tells about one. --version, -h: of all.\n", program);
}

/* Which command argv names; *first: index of the argument that parsing starts behind. NULL: -h, --version, or an error. */
static const struct command *choose(struct tool *t, const char *about, const struct command *cmds, int *first, int *status)
{
    *first = 0;
    *status = 0;
    if (!cmds[0].name) return &cmds[0];
    const char *word = t->argc > 1 ? t->argv[1] : "";
    if (!strcmp(word, "-h") || !strcmp(word, "--help")) { help_program(t->program, about, cmds); return NULL; }
    if (!strcmp(word, "--version")) { printf("%s %s\n", t->program, COS_VERSION); return NULL; }
    *first = 1;
    for (const struct command *c = cmds; c->run; c++) if (!strcmp(c->name, word)) return c;
    *status = *word ? fail_kind(ERR_USAGE, "no command '%s'", word) : fail_kind(ERR_USAGE, "want a command");
    return NULL;
}

static int run_command(struct tool *t, const char *about, int first)
{
    struct opt *opts = all_options(t->cmd, &t->std);
    int rest = opt_parse(opts, t->argc - first, t->argv + first), bad = 0;
    if (rest < 0) bad = -1;
    else if (t->std.help) help_command(t, opts, about);
    else if (t->std.version) printf("%s %s\n", t->program, COS_VERSION);
    else {
        t->operand = t->argv + first + rest;
        t->noperand = t->argc - first - rest;
        if (t->noperand && !t->cmd->operands) bad = fail_kind(ERR_USAGE, "takes no operand: '%s'", t->operand[0]);
        else bad = t->cmd->run(t);
        free(opts);
        return bad;
    }
    free(opts);
    return bad ? bad : close_stdout();
}

static void free_streams(struct tool *t)
{
    struct tool_streams *s = t->streams;
    rec_writer_abandon(t->out);
    rec_writer_abandon(s->reject_out);
    if (s->reject_file) fclose(s->reject_file);
    if (s->f && s->f != stdin) fclose(s->f);
    rec_reader_free(t->in);
    for (uint32_t i = 0; i < s->nheader; i++) rec_free(s->header[i]);
    free(s->header);
}

int tool_main(const char *program, const char *about, const struct command *cmds, int argc, char **argv)
{
    struct tool_streams streams = { .tty = isatty(2), .lock = PTHREAD_MUTEX_INITIALIZER };
    struct tool t = { .program = program, .argc = argc, .argv = argv, .streams = &streams };
    t.std.threads = par_cpus();
    signal(SIGPIPE, SIG_IGN);
    int first, bad;
    t.cmd = choose(&t, about, cmds, &first, &bad);
    if (t.cmd) bad = run_command(&t, about, first);
    else if (!bad) bad = close_stdout();
    clear_bar(&t);
    if (bad) {
        bool usage = err_kind() == ERR_USAGE;
        const char *sub = usage && t.cmd && t.cmd->name ? t.cmd->name : "";
        fprintf(stderr, "%s: ", program);
        put_clean(err_msg());
        if (usage) fprintf(stderr, " (try %s%s%s -h)", program, *sub ? " " : "", sub);
        fputc('\n', stderr);
    }
    free_streams(&t);
    return bad ? (int)err_kind() : 0;
}
