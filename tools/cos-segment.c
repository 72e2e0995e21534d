/* SPDX-License-Identifier: Apache-2.0
 * cos-segment: foreign JSON to step records. Rows are read one by one, made into records on threads, written in order. */
#include "common.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "record/import.h"

static struct {
    int from;
    const char *images, *tokenizer, *source;
    bool lenient, inline_;
} set = { .from = IMPORT_COS };

static const struct opt opts[] = {
    { 'f', "from", "cos|llava|raw|prm|dpo|text", OPT_CHOICE, &set.from, 0, 0, "the form of the input" },
    { 0, "images", "DIR|ARCHIVE", OPT_STR, &set.images, 0, 0, "where the images are: dir/17.png, images.zip!17.png" },
    { 0, "inline", NULL, OPT_FLAG, &set.inline_, 0, 0, "put the images' bytes into the records" },
    { 0, "lenient", NULL, OPT_FLAG, &set.lenient, 0, 0, "accept chains with white space that the format has not;\n"
      "raw steps may lack names and reflections" },
    { 0, "source", "NAME", OPT_STR, &set.source, 0, 0, "the data set's name, for rows that do not say" },
    { 0, "tokenizer", "FILE", OPT_STR, &set.tokenizer, 0, 0, "a tokenizer.json: adds token ids and the steps' spans" },
    OPT_END };

static const char details[] =
    "Input: JSON lines, or one JSON array of objects.\n"
    "  cos    conversations (or \"text\") whose reply is in the step format\n"
    "  llava  conversations; a reply in the step format gives a path, any other is the answer\n"
    "  raw    \"reasoning\": [{\"step_name\", \"step_thought\", \"step_reflection\"}], \"extract_answer\"; with\n"
    "         \"step_scores\" and \"answer_score\" as a PRM writes them\n"
    "  prm    replies with a tag behind each step, and labels\n"
    "  dpo    \"chosen\" and \"rejected\" replies\n"
    "  text   free-form chains: LLaVA-CoT tags, \"Step k:\", headings, numbered steps, paragraphs; which of them is\n"
    "         in meta.segment\n"
    "A row that is not JSON ends the program; one that makes no record is rejected, counted by reason, and kept by\n"
    "--rejects with its reply in meta.reply. Keys that no form knows go into meta. Rows without an id get\n"
    "\"line-17\", or \"FILE-17\" with operands; rows that follow each other with one id are paths 0, 1, ... of it.\n"
    "\n"
    "  cos-segment --from cos --images images.zip < train.jsonl > train.cos\n"
    "  cos-segment --from raw --rejects bad.cos steps-*.jsonl > steps.cos\n"
    "  cos-segment --from text < rationales.jsonl | cos-cat --plain | jq .meta.segment | sort | uniq -c";

struct segment {
    struct tool *t;
    struct import_cfg cfg;
    struct tokenizer *tok;
    char *prefix;
    struct import_in *in;
    const char *file, *name;                   /* the input's, and as ids have it: without its folder */
    struct buf last_id;                        /* of the record written last, and how many paths it had so far */
    int64_t paths;
    uint64_t done;
};

struct item { struct buf text; uint64_t line; const char *file, *name; struct record *out; const char *why; };

/* ---- the three stages ---- */

static int next_file(struct segment *s)
{
    FILE *f;
    const char *name;
    int r = tool_next_file(s->t, &f, &name);
    if (r <= 0) return r;
    import_close(s->in);
    s->in = import_open(f, name);
    s->file = name;
    const char *slash = strrchr(name, '/');
    s->name = s->t->noperand && strcmp(name, "stdin") ? (slash ? slash + 1 : name) : "line";
    return 1;
}

static int read_row(void *arg, void **item)
{
    struct segment *s = arg;
    struct slice row;
    uint64_t line;
    int r = s->in ? 0 : next_file(s);
    if (!s->in) return r;
    while ((r = import_next(s->in, &row, &line)) == 0 && (r = next_file(s)) > 0) {}
    if (r <= 0) return r;
    struct item *it = mem_alloc(sizeof *it);
    buf_add(&it->text, row.p, row.n);
    it->line = line;
    it->file = s->file;
    it->name = s->name;
    tool_count(s->t, 1, 0);
    *item = it;
    return 1;
}

static int work(void *arg, void *item)
{
    struct segment *s = arg;
    struct item *it = item;
    struct record *row = rec_new();
    int bad = import_parse(it->text.p, it->text.len, row);
    if (bad) fail_in("%s: line %" PRIu64, it->file, it->line);
    else {
        it->out = rec_new();
        it->why = NULL;
        row->number = it->line;
        if (import_row(&s->cfg, row, it->out, &it->why) && !it->why) bad = -1;
    }
    rec_free(row);
    buf_free(&it->text);
    return bad;
}

static void drop(void *arg, void *item)
{
    struct item *it = item;
    (void)arg;
    buf_free(&it->text);
    rec_free(it->out);
    free(it);
}

/* An id for rows without one; a number for each path of a question. */
static void name_record(struct segment *s, const struct item *it)
{
    struct record *r = it->out;
    const char *id;
    size_t n;
    if (!val_get(&r->root, "id")) {
        char *made = mem_fmt("%s-%" PRIu64, it->name, it->line);
        val_set(&r->zone, &r->root, "id", val_of_cstr(&r->zone, made));
        free(made);
    }
    if (!val_str(val_get(&r->root, "id"), &id, &n)) return;
    bool same = s->last_id.p && s->last_id.len == n && !memcmp(s->last_id.p, id, n);
    if (!same) {
        buf_clear(&s->last_id);
        buf_add(&s->last_id, id, n);
        s->paths = 0;
    }
    val *path = val_get(&r->root, "path");
    if (path) val_set(&r->zone, path, "index", val_of_i64(s->paths++));
    if (set.source && !val_get(&r->root, "source"))
        val_set(&r->zone, &r->root, "source", val_of_cstr(&r->zone, set.source));
}

static int write_record(void *arg, void *item)
{
    struct segment *s = arg;
    struct item *it = item;
    name_record(s, it);
    int bad = it->why ? tool_reject(s->t, it->out, it->why) : tool_write(s->t, it->out);
    tool_progress(s->t, "rows", (double)++s->done, 0, NULL);
    drop(arg, item);
    return bad;
}

/* ---- set-up ---- */

static int open_images(struct segment *s)
{
    if (set.inline_) {
        s->cfg.media = media_open(set.images, NULL);
        return s->cfg.media ? 0 : -1;
    }
    if (!set.images) return 0;
    if (!file_exists(set.images)) return fail("--images %s: no such file or folder", set.images);
    s->prefix = mem_fmt("%s%s", set.images, file_is_dir(set.images) ? "/" : "!");
    s->cfg.prefix = s->prefix;
    return 0;
}

static int convert(struct segment *s)
{
    struct par_pipe pipe = { s, read_row, work, write_record, drop };
    if (open_images(s)) return -1;
    if (set.tokenizer && !(s->cfg.tok = s->tok = tok_load(set.tokenizer))) return -1;
    if (tool_open_out(s->t) || par_pipe(s->t->std.threads, &pipe)) return -1;
    return tool_close(s->t);
}

static int run(struct tool *t)
{
    struct segment s = { .t = t, .cfg = { .form = (enum import_form)set.from, .lenient = set.lenient } };
    int bad = convert(&s);
    import_close(s.in);
    media_close(s.cfg.media);
    tok_free(s.tok);
    buf_free(&s.last_id);
    free(s.prefix);
    return bad;
}

static const struct command cmds[] = { { NULL, NULL, opts, run, "[FILE...]", details }, { 0 } };

int main(int argc, char **argv) { return tool_main("cos-segment", "makes step records of foreign JSON", cmds, argc, argv); }
