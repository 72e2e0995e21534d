/* SPDX-License-Identifier: Apache-2.0
 * cos-segment: foreign JSON to step records. Rows are read one by one, made into records on threads, written in order. */
#include "common.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/names.h"
#include "record/import.h"
#include "segment.h"

static struct {
    int from;
    const char *images, *tokenizer, *source, *outputs, *split;
    bool lenient, unanswered, inline_, tar;
} set = { .from = FORM_COS };

static const struct opt opts[] = {
    { 'f', "from", FORM_WORDS "|" BENCH_FORM_WORDS, OPT_CHOICE, &set.from, 0, 0, "the form of the input" },
    { 0, "images", "DIR|ARCHIVE", OPT_STR, &set.images, 0, 0, "where the images are: dir/17.png, images.zip!17.png" },
    { 0, "inline", NULL, OPT_FLAG, &set.inline_, 0, 0, "put the images' bytes into the records" },
    { 0, "tar", NULL, OPT_FLAG, &set.tar, 0, 0, "the input is tar files (WebDataset's shards, plain or compressed):\n"
      "17.json is a row, 17.png or 17.0.png, 17.1.png beside it are its\n"
      "images; without --inline references shard.tar!17.png" },
    { 0, "lenient", NULL, OPT_FLAG, &set.lenient, 0, 0, "accept chains with white space that the format has not;\n"
      "raw steps may lack names and reflections" },
    { 0, "unanswered", NULL, OPT_FLAG, &set.unanswered, 0, 0, "text: keep chains in which no answer is found, as paths without one" },
    { 0, "source", "NAME", OPT_STR, &set.source, 0, 0, "the data set's name, for rows that do not say" },
    { 0, "tokenizer", "FILE", OPT_STR, &set.tokenizer, 0, 0, "a tokenizer.json: adds token ids and the steps' spans" },
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "Benchmarks" },
    { 0, "outputs", "FILE", OPT_STR, &set.outputs, 0, 0, "a model's outputs by id, where they are in a file of their own" },
    { 0, "split", "NAME", OPT_STR, &set.split, 0, 0, "only the rows that say so in \"split\"" },
    OPT_END };

static const char about[] =
    "A row that is not JSON ends the program; one that makes no record is rejected, counted by reason, and kept by\n"
    "--rejects with its reply in meta.reply. Keys that its form does not know go into meta. Rows without an id get\n"
    "\"line-17\", or \"FILE-17\" with operands; rows that follow each other with one id are paths 0, 1, ... of it.\n"
    "Labels are by \"mc\" where they are k of n tries, else by \"prm-json\". cos-cat --to FORM is the way back.\n"
    "\n"
    "Benchmarks: their own files (JSON, JSON lines, an object of objects, TSV with images in base64; mme: lines of image TAB\n"
    "question TAB answer, a file a task), and models' outputs for cos-eval accuracy --bench: \"response\", \"prediction\" or the\n"
    "last of \"messages\" becomes path.text, an answer that was extracted already (\"extraction\", LLaVA's \"results\")\n"
    "path.answer. processbench and visualprocessbench are judged steps: labels by \"truth\". Parquet files become JSON lines by\n"
    "  python3 -c 'import pandas, sys; pandas.read_parquet(sys.argv[1]).to_json(sys.stdout, orient=\"records\", lines=True)' F\n"
    "with the images left out (.drop(columns=[..])) or encoded in base64. MME's release, a file of two lines for each image:\n"
    "  awk -v OFS='\\t' '{ n = FILENAME; sub(/.*\\//, \"\", n); sub(/txt$/, \"jpg\", n); print n, $0 }' count/*.txt > count.txt\n"
    "\n"
    "  cos-segment --from cos --images images.zip < train.jsonl > train.cos\n"
    "  cos-segment --from raw --rejects bad.cos steps-*.jsonl > steps.cos\n"
    "  cos-segment --from llava --tar --inline shard-*.tar > train.cos\n"
    "  cos-segment --from text < rationales.jsonl | cos-cat --plain | jq .meta.segment | sort | uniq -c";

static char *details(void)
{
    struct buf b = {0};
    buf_str(&b, "Input: JSON lines, one JSON array of objects, or with --tar such rows beside their images.\n");
    form_help(false, &b);
    buf_str(&b, about);
    return b.p;
}

/* How many records there were of each kind, with their steps. */
struct tally { struct names names; uint64_t n[16], steps[16]; };

struct segment {
    struct tool *t;
    struct import_cfg cfg;
    struct tokenizer *tok;
    char *prefix;
    struct import_in *in;
    struct tar_in *tar;
    const char *shard;                         /* "FILE!" of it, kept in shards for rows under way */
    struct names shards;
    uint64_t samples;                          /* read of it */
    const char *file, *name;                   /* the input's, and as ids have it: without its folder */
    struct buf last_id;                        /* of the record written last, and how many paths it had so far */
    int64_t paths;
    uint64_t done;
    struct tally rules, answers;               /* of --from text: meta.segment, meta.answer_from */
};

struct item {
    struct buf text;                           /* the row; empty: a sample without one */
    struct tar_sample beside;
    const char *shard;
    uint64_t line;
    const char *file, *name;
    struct record *out;
    const char *why;
};

/* ---- the three stages ---- */

static int next_file(struct segment *s)
{
    FILE *f;
    const char *name;
    int r = tool_next_file(s->t, &f, &name);
    if (r <= 0) return r;
    s->file = name;
    if (set.tar) {
        tar_close(s->tar);
        s->samples = 0;
        if (!(s->tar = tar_open(f, name, 0))) return -1;
        char *shard = mem_fmt("%s!", name);
        size_t k = names_index(&s->shards, (struct slice){ shard, strlen(shard) });
        s->shard = s->shards.name[k].p;
        free(shard);
    } else {
        import_close(s->in);
        s->in = import_open(f, name);
    }
    const char *slash = strrchr(name, '/');
    s->name = s->t->noperand && strcmp(name, "stdin") ? (slash ? slash + 1 : name) : "line";
    return 1;
}

static bool is_json(const char *name, size_t n) { return n > 5 && !strcmp(name + n - 5, ".json"); }
static bool is_wanted(const char *name, size_t n) { return set.inline_ || is_json(name, n); }

/* The row of a sample: KEY.json, else the first .json there is. */
static void take_row(struct item *it)
{
    struct tar_member *row = NULL;
    for (int i = 0; i < it->beside.n; i++) {
        struct tar_member *m = &it->beside.m[i];
        if (!is_json(m->name, m->nname)) continue;
        bool key = tar_key(m->name, m->nname).n + 5 == m->nname;
        if (!row || key) row = m;
        if (key) break;
    }
    if (row) buf_add(&it->text, row->bytes.p, row->bytes.len);
    else it->why = "a sample without a row";
}

static int read_text(struct segment *s, struct item *it)       /* the next row of the file: 1, 0, -1 */
{
    struct slice row;
    int r;
    if (!set.tar) {
        if ((r = import_next(s->in, &row, &it->line)) > 0) buf_add(&it->text, row.p, row.n);
        return r;
    }
    if ((r = tar_next(s->tar, is_wanted, &it->beside)) <= 0) return r;
    it->line = ++s->samples;
    it->shard = set.inline_ ? NULL : s->shard;
    take_row(it);
    return 1;
}

static void drop(void *arg, void *item)
{
    struct item *it = item;
    (void)arg;
    buf_free(&it->text);
    tar_sample_free(&it->beside);
    rec_free(it->out);
    free(it);
}

static int read_row(void *arg, void **item)
{
    struct segment *s = arg;
    int r = s->file ? 1 : next_file(s);
    if (r <= 0) return r;
    struct item *it = mem_alloc(sizeof *it);
    while ((r = read_text(s, it)) == 0 && (r = next_file(s)) > 0) {}
    it->file = s->file;
    it->name = s->name;
    if (r <= 0) {
        drop(NULL, it);
        return r;
    }
    tool_count(s->t, 1, 0);
    *item = it;
    return 1;
}

static int fail_row(const struct item *it)
{
    const char *what = set.tar ? "sample" : "line";
    return fail_in("%s: %s %" PRIu64, it->file, what, it->line);
}

static int work(void *arg, void *item)
{
    struct segment *s = arg;
    struct item *it = item;
    if (it->why) return 0;
    struct record *row = rec_new();
    struct import_beside beside = { it->shard, it->beside.m, it->beside.n };
    struct import_cfg cfg = s->cfg;
    if (set.tar) cfg.beside = &beside;
    int bad = import_parse(it->text.p, it->text.len, row);
    if (bad) fail_row(it);
    else {
        it->out = rec_new();
        row->number = it->line;
        if (import_row(&cfg, row, it->out, &it->why) && !it->why) bad = -1;
    }
    rec_free(row);
    buf_free(&it->text);
    tar_sample_free(&it->beside);
    return bad;
}

/* An id for rows without one; a number for each path of a question. */
static void name_record(struct segment *s, const struct item *it)
{
    struct record *r = it->out;
    const char *id;
    size_t n;
    if (!r) return;
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
    if (path && !s->cfg.form->whole) val_set(&r->zone, path, "index", val_of_i64(s->paths++));
    if (set.source && !val_get(&r->root, "source"))
        val_set(&r->zone, &r->root, "source", val_of_cstr(&r->zone, set.source));
}

static void tally_add(struct tally *t, const val *name, int steps)
{
    struct slice s;
    if (!val_str(name, &s.p, &s.n)) return;
    size_t k = names_index(&t->names, s);
    if (k >= countof(t->n)) return;
    t->n[k]++;
    t->steps[k] += (uint64_t)steps;
}

static void tally_tell(struct segment *s)
{
    struct buf b = {0};
    for (size_t i = 0; i < s->rules.names.n; i++)
        buf_fmt(&b, "%s%s %" PRIu64 " (%.1f steps)", i ? ", " : "", s->rules.names.name[i].p, s->rules.n[i], (double)s->rules.steps[i] / (double)s->rules.n[i]);
    if (b.len) tool_note(s->t, "cut by %s", b.p);
    buf_clear(&b);
    for (size_t i = 0; i < s->answers.names.n; i++)
        buf_fmt(&b, "%s%s %" PRIu64, i ? ", " : "", s->answers.names.name[i].p, s->answers.n[i]);
    if (b.len) tool_note(s->t, "answers from %s", b.p);
    buf_free(&b);
}

static int write_record(void *arg, void *item)
{
    struct segment *s = arg;
    struct item *it = item;
    name_record(s, it);
    if (set.from == FORM_TEXT && !it->why) {
        tally_add(&s->rules, val_path(&it->out->root, "meta.segment"), val_len(val_path(&it->out->root, "path.steps")));
        tally_add(&s->answers, val_path(&it->out->root, "meta.answer_from"), 0);
    }
    int bad = it->why ? tool_reject(s->t, it->out, it->why) : tool_write(s->t, it->out);
    tool_progress(s->t, "rows", (double)++s->done, 0, NULL);
    drop(arg, item);
    return bad;
}

/* ---- set-up ---- */

static int open_images(struct segment *s)
{
    if (set.inline_ && (!set.tar || set.images)) {
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
    if (set.tar && !set.inline_ && !s->t->noperand)
        return fail_kind(ERR_USAGE, "--tar: images of stdin cannot be referred to; want --inline, or files");
    if (open_images(s)) return -1;
    if (set.from >= FORMS) {
        struct segment_bench b = { (enum bench_form)(set.from - FORMS), set.outputs, set.split, set.source, s->prefix, s->cfg.media };
        if (set.tokenizer || set.lenient || set.unanswered || set.tar)
            return fail_kind(ERR_USAGE, "--tokenizer, --lenient, --unanswered and --tar do not go with --from %s", bench_form_names[b.form]);
        return segment_bench(s->t, &b);
    }
    if (set.outputs || set.split) return fail_kind(ERR_USAGE, "--outputs and --split are for benchmarks");
    if (set.tokenizer && !(s->cfg.tok = s->tok = tok_load(set.tokenizer))) return -1;
    if (tool_open_out(s->t) || par_pipe(s->t->std.threads, &pipe)) return -1;
    tally_tell(s);
    return tool_close(s->t);
}

static int run(struct tool *t)
{
    const struct form *form = set.from < FORMS ? &forms[set.from] : NULL;
    struct segment s = { .t = t, .cfg = { .form = form, .lenient = set.lenient, .unanswered = set.unanswered } };
    int bad = convert(&s);
    import_close(s.in);
    tar_close(s.tar);
    names_free(&s.shards);
    names_free(&s.rules.names);
    names_free(&s.answers.names);
    media_close(s.cfg.media);
    tok_free(s.tok);
    buf_free(&s.last_id);
    free(s.prefix);
    return bad;
}

int main(int argc, char **argv)
{
    char *text = details();
    const struct command cmds[] = { { NULL, NULL, opts, run, "[FILE...]", text }, { 0 } };
    int status = tool_main("cos-segment", "makes step records of foreign JSON", cmds, argc, argv);
    free(text);
    return status;
}
