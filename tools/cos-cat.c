/* SPDX-License-Identifier: Apache-2.0
 * cos-cat: joins, converts, checks, cuts and mixes record streams. Records stay packed: the reader finds where each
 * ends, threads check or convert them in batches, the writer puts the batches out in order. */
#include "cat.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/rng.h"
#include "record/jsonl.h"
#include "record/schema.h"

enum { BATCH_BYTES = 256 << 10, BATCH_ITEMS = 4096, WARNINGS = 20 };

static struct {
    bool json, from_json, plain, check, shuffle, merge, header;
    uint64_t head, skip, sample;
    const char *shard;
    struct cat_to to;
} set = { .to = { .threshold = 0.5, .tar_mb = 3000, .tar_count = 100000 } };

static const struct opt opts[] = {
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "Forms" },
    { 'j', "json", NULL, OPT_FLAG, &set.json, 0, 0, "write JSON lines, header and trailer included" },
    { 'f', "from-json", NULL, OPT_FLAG, &set.from_json, 0, 0, "read JSON lines; without a header line no trailer is wanted" },
    { 'p', "plain", NULL, OPT_FLAG, &set.plain, 0, 0, "write JSON lines without header and trailer, for jq and the like" },
    { 'c', "check", NULL, OPT_FLAG, &set.check, 0, 0, "hold each record to the schema of its kind; the first that fails is\n"
      "an error, with --rejects all are kept there" },
    { 'H', "header", NULL, OPT_FLAG, &set.header, 0, 0, "print which programs made the stream, and its count, as text" },
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "The JSON of others" },
    { 't', "to", "FORM", OPT_STR, &set.to.form, 0, 0, "write it in one of the forms below, a line each" },
    { 0, "images", "DIR|ARCHIVE", OPT_STR, &set.to.images, 0, 0, "taken off image names: images.zip!17.png becomes 17.png;\n"
      "with --tar, where references are looked up" },
    { 0, "tar", "PATTERN", OPT_STR, &set.to.tar, 0, 0, "into tar files, as WebDataset has them: 17.json with 17.png beside it\n"
      "(17.0.png, 17.1.png). out-%06d.tar: shards; -: stdout" },
    { 0, "tar-size", "MB", OPT_INT, &set.to.tar_mb, 1, 1 << 24, "a shard ends before it is larger" },
    { 0, "tar-count", "N", OPT_U64, &set.to.tar_count, 0, 0, "or has N records; 0: any number" },
    { 0, "labels", "LIST", OPT_STR, &set.to.labels, 0, 0, "whose labels (their \"by\"), with commas, the first that speaks;\n"
      "without it the first there is" },
    { 0, "target", EXPORT_TARGET_WORDS, OPT_CHOICE, &set.to.target, 0, 0, "labels right or wrong, or shares; form: as the form has them" },
    { 0, "threshold", "X", OPT_FLOAT, &set.to.threshold, 0, 1, "hard: a value of X or more is right" },
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "Choosing records, in this order" },
    { 0, "skip", "N", OPT_U64, &set.skip, 0, 0, "leave out the first N" },
    { 0, "shard", "I/N", OPT_STR, &set.shard, 0, 0, "keep record k (from 0) of the input where k mod N is I" },
    { 'n', "head", "N", OPT_U64, &set.head, 0, 0, "stop after N; 0: at the end" },
    { 0, "sample", "N", OPT_U64, &set.sample, 0, 0, "N drawn at random, in their order; 0: all. Holds N records in memory" },
    { 0, "shuffle", NULL, OPT_FLAG, &set.shuffle, 0, 0, "random order. Holds all records in memory, packed" },
    { 0, "merge", NULL, OPT_FLAG, &set.merge, 0, 0, "the operands are all shards of one stream, in order: interleave them" },
    OPT_END };

static const char about[] =
    "Without options the input streams become one. A stream cut short, a record damaged or a count that is\n"
    "wrong ends with status 1 and leaves the output without its trailer, so that the next program notices.\n"
    "In the JSON form bytes are {\"$bin\": base64}, arrays of numbers {\"$u32\": [..]} and {\"$f32\": [..]}, other\n"
    "floats {\"$float\": \"nan\"}, large integers {\"$uint\": \"..\"}, and a key that begins with $ gets another $.\n"
    "\n"
    "  cos-cat a.cos b.cos > ab.cos\n"
    "  cos-cat --plain < paths.cos | jq -c 'select(.path.steps | length > 6)' | cos-cat --from-json > long.cos\n"
    "  cos-cat --check < paths.cos > /dev/null\n"
    "  cos-cat --shard 0/4 < all.cos > s0.cos; ...; cos-cat --merge s0.cos s1.cos s2.cos s3.cos > all.cos\n"
    "  cos-cat --shuffle --seed 7 < train.cos | cos-cat --head 1000 > some.cos\n"
    "  cos-cat --to llava --images images.zip < train.cos > train.jsonl\n"
    "  cos-cat --to trl --labels mc --threshold 0.01 < labelled.cos > prm.jsonl\n"
    "  cos-cat --to record --tar 'train-%06d.tar' --images data < train.cos\n"
    "\n"
    "Forms of --to (cos-segment --from reads them), and what each drops (-), which is counted on stderr:\n";

static char *details(void)
{
    struct buf b = {0};
    buf_str(&b, about);
    form_help(true, &b);
    buf_str(&b, "--to goes alone: what is to be chosen first comes from another cos-cat. A record that the form cannot have is\n"
                "rejected, with --rejects kept.");
    return b.p;
}

struct item { uint64_t number; size_t in, out; char *why; };     /* ends of its bytes; why: not as the schema wants */

struct batch {
    struct buf in, out;
    struct item *item;
    int n, cap;
    const char *name;                          /* of the input file */
    struct record *header;                     /* non-NULL: a stream of this provenance begins here */
};

struct kept { char *p; size_t n; uint64_t k; };                  /* a packed record, the k-th of the input */

struct cat {
    struct tool *t;
    struct schemas *schemas;
    int shard, shards;
    /* the input */
    struct jsonl_reader *lines;
    uint64_t lines_seen;                       /* headers of `lines` looked at; UINT64_MAX: it is new */
    struct rec_reader **shard_in;              /* of --merge */
    FILE **shard_file;
    int nshard, turn;
    const char *name;
    uint64_t index, taken;                     /* records read, and kept */
    struct buf item;                           /* the record read last; held: it goes into the next batch */
    uint64_t number;
    bool held;
    struct record *header;                     /* the newest provenance; fresh: no batch has taken it yet */
    bool fresh;
    int end;                                   /* what the next read returns: 0, -1; 1: goes on */
    char *why;
    /* records in memory, of --sample and --shuffle */
    struct kept *kept;
    size_t nkept, capkept, next_kept;
    uint64_t offered;
    bool from_memory;
    /* the output */
    bool to_json, begun;
    uint64_t in_stream, done;                  /* records of the running stream; of all, for the progress */
    int warned;
};

/* ---- reading ---- */

static bool gathers(void) { return set.shuffle || set.sample; }

/* A header was read. Streams of another provenance begin anew in the output; where records are mixed the chains join. */
static void note_header(struct cat *c, const val *h)
{
    const val *chain = h ? val_get(h, "provenance") : NULL;
    val *mine = val_get(&c->header->root, "provenance");
    if (val_equal(chain, mine)) return;
    if (mine && (gathers() || set.merge)) {
        struct val_list all = { 0 };
        for (int i = 0; i < val_len(mine); i++) val_push(&c->header->zone, &all, *val_at(mine, i));
        for (int i = 0; i < val_len(chain); i++) {
            bool known = false;
            for (uint32_t k = 0; k < all.n && !known; k++) known = val_equal(&all.p[k], val_at(chain, i));
            if (!known) val_push(&c->header->zone, &all, val_copy(&c->header->zone, val_at(chain, i)));
        }
        *mine = val_of_list(&all);
        return;
    }
    rec_clear(c->header);
    if (h) c->header->root = val_copy(&c->header->zone, h);
    if (!c->t->std.no_provenance) c->fresh = true;
}

static int next_lines(struct cat *c)           /* opens the next file */
{
    FILE *f;
    int r = tool_next_file(c->t, &f, &c->name);
    if (r <= 0) return r;
    jsonl_reader_free(c->lines);
    c->lines = jsonl_reader_new(f, c->name);
    c->lines_seen = UINT64_MAX;
    return 1;
}

static int read_line(struct cat *c)
{
    const char *s;
    size_t n;
    int r = c->lines ? 0 : next_lines(c);
    if (!c->lines) return r;
    while ((r = jsonl_read(c->lines, &s, &n)) == 0 && (r = next_lines(c)) > 0) {}
    if (r <= 0) return r;
    buf_add(&c->item, s, n);
    c->number = jsonl_line(c->lines);
    tool_count(c->t, 1, 0);
    if (jsonl_streams(c->lines) != c->lines_seen) note_header(c, jsonl_header(c->lines));
    c->lines_seen = jsonl_streams(c->lines);
    return 1;
}

static int read_shards(struct cat *c)          /* one of each in turn */
{
    int r = rec_read_packed(c->shard_in[c->turn], &c->item, &c->number);
    if (r < 0) return -1;
    c->name = c->t->operand[c->turn];
    if (r > 0) {
        c->turn = (c->turn + 1) % c->nshard;
        tool_count(c->t, 1, 0);
        return 1;
    }
    for (int i = 0; i < c->nshard; i++) {      /* the first to end ends them all */
        int more = rec_read_packed(c->shard_in[i], &c->item, &c->number);
        if (more < 0) return -1;
        if (more > 0) return fail("%s: has records left when %s has none: not the shards of one stream", c->t->operand[i], c->name);
    }
    return 0;
}

static int read_memory(struct cat *c)
{
    if (c->next_kept == c->nkept) return 0;
    struct kept *k = &c->kept[c->next_kept++];
    buf_add(&c->item, k->p, k->n);
    c->number = k->k + 1;
    free(k->p);
    k->p = NULL;
    return 1;
}

static int read_item(struct cat *c)            /* into c->item: 1, 0, -1 */
{
    buf_clear(&c->item);
    if (c->from_memory) return read_memory(c);
    if (set.from_json) return read_line(c);
    if (set.merge) return read_shards(c);
    int r = tool_read_packed(c->t, &c->item, &c->number);
    if (r > 0 && tool_new_header(c->t)) note_header(c, tool_new_header(c->t));
    return r;
}

/* The next record that --skip, --shard and --head let through. */
static int choose_item(struct cat *c)
{
    if (c->from_memory) return read_item(c);
    for (;;) {
        if (set.head && c->taken == set.head) return 0;
        int r = read_item(c);
        if (r <= 0) return r;
        uint64_t k = c->index++;
        if (k < set.skip) tool_drop(c->t, 1, "skipped");
        else if (k % (uint64_t)c->shards != (uint64_t)c->shard) tool_drop(c->t, 1, "in other shards");
        else { c->taken++; return 1; }
    }
}

static void drop_batch(void *arg, void *item)
{
    (void)arg;
    struct batch *b = item;
    for (int i = 0; i < b->n; i++) free(b->item[i].why);
    rec_free(b->header);
    buf_free(&b->in);
    buf_free(&b->out);
    free(b->item);
    free(b);
}

static void take_item(struct cat *c, struct batch *b)
{
    if (b->n == b->cap) b->item = mem_grow(b->item, (size_t)(b->cap = mem_max(64, b->cap * 2)), sizeof *b->item);
    buf_add(&b->in, c->item.p, c->item.len);
    b->item[b->n++] = (struct item){ c->number, b->in.len, 0, NULL };
    if (c->fresh) b->header = rec_copy(c->header);
    c->fresh = c->held = false;
    b->name = c->name ? c->name : tool_input_name(c->t);
}

/* Fills a batch. What ends the input (its end or an error) is told by the call after the last batch. */
static int read_batch(void *arg, void **out)
{
    struct cat *c = arg;
    if (c->end < 0) return fail("%s", c->why);
    if (c->end == 0) return 0;
    struct batch *b = mem_alloc(sizeof *b);
    while (b->in.len < BATCH_BYTES && b->n < BATCH_ITEMS) {
        if (!c->held && (c->end = choose_item(c)) <= 0) break;
        c->held = true;
        bool other = b->n && (c->fresh || (c->name && c->name != b->name));
        if (other) break;
        take_item(c, b);
    }
    if (b->n) {
        if (c->end < 0) c->why = mem_str(err_msg());
        *out = b;
        return 1;
    }
    drop_batch(NULL, b);
    return c->end;
}

/* ---- work, on any thread ---- */

struct worker { struct record *rec; struct buf packed; bool unpacked; };

static int bad_item(const struct cat *c, const struct batch *b, const struct item *it, const struct record *r)
{
    char label[256] = "record";
    if (c->from_memory) return fail_in("record %" PRIu64, it->number);
    if (set.from_json) return fail_in("%s: line %" PRIu64, b->name, it->number);
    struct record none = { .number = it->number };
    return fail_in("%s: %s", b->name, rec_label(r ? r : &none, label, sizeof label));
}

/* One record: to the wire if it is JSON, checked, to JSON if that is wanted. */
static int work_item(const struct cat *c, struct worker *w, struct batch *b, struct item *it, const char *p, size_t n)
{
    if (set.from_json && !c->from_memory) {
        buf_clear(&w->packed);
        if (jsonl_get(p, n, &w->packed)) return bad_item(c, b, it, NULL);
        p = w->packed.p;
        n = w->packed.len;
    }
    bool need_values = c->to_json || (set.check && !c->from_memory);
    w->rec->number = it->number;
    if (need_values ? rec_unpack(w->rec, p, n) : c->from_memory ? 0 : rec_check_packed(p, n)) return bad_item(c, b, it, NULL);
    if (set.check && !c->from_memory && schemas_check(c->schemas, w->rec)) {
        if (!c->t->std.rejects) return bad_item(c, b, it, w->rec);
        bad_item(c, b, it, w->rec);
        it->why = mem_str(err_msg());
    }
    if (c->to_json && !it->why) {
        jsonl_put(&w->rec->root, &b->out);
        buf_byte(&b->out, '\n');
    } else buf_add(&b->out, p, n);
    it->out = b->out.len;
    return 0;
}

static int work_batch(void *arg, void *item)
{
    const struct cat *c = arg;
    struct batch *b = item;
    struct worker w = { .rec = rec_new() };
    size_t at = 0;
    int bad = 0;
    for (int i = 0; i < b->n && !bad; at = b->item[i++].in)
        bad = work_item(c, &w, b, &b->item[i], b->in.p + at, b->item[i].in - at);
    rec_free(w.rec);
    buf_free(&w.packed);
    return bad;
}

/* ---- writing ---- */

static int put_text(const char *p, size_t n)
{
    return fwrite(p, 1, n, stdout) == n ? 0 : fail_errno("stdout");
}

static int put_line(const val *v)
{
    struct buf b = {0};
    jsonl_put(v, &b);
    buf_byte(&b, '\n');
    int bad = put_text(b.p, b.len);
    buf_free(&b);
    return bad;
}

static int end_stream(struct cat *c)           /* of JSON lines: the trailer */
{
    if (!c->to_json || set.plain || !c->begun) return 0;
    struct record *r = rec_new();
    val v = rec_trailer(&r->zone, c->in_stream);
    int bad = put_line(&v);
    rec_free(r);
    return bad;
}

static int begin_stream(struct cat *c, const struct record *header)
{
    struct rec_prov prov = tool_provenance(c->t), *me = c->t->std.no_provenance ? NULL : &prov;
    if (!c->to_json) {
        c->begun = true;
        return rec_write_header_after(c->t->out, &header->root, me);
    }
    if (set.plain) return 0;
    if (end_stream(c)) return -1;
    struct record *r = rec_new();
    val v = rec_header(&r->zone, &header->root, me);
    int bad = put_line(&v);
    rec_free(r);
    c->in_stream = 0;
    c->begun = true;
    return bad;
}

static int reject_item(struct cat *c, struct item *it, const char *p, size_t n)
{
    struct record *r = rec_new();
    if (c->warned++ < WARNINGS) tool_warn(c->t, "%s", it->why);
    int bad = rec_unpack(r, p, n) || tool_reject(c->t, r, "not as the schema wants");
    rec_free(r);
    return bad ? -1 : 0;
}

static int put_item(struct cat *c, const char *p, size_t n)
{
    c->in_stream++;
    return c->to_json ? put_text(p, n) : rec_write_packed(c->t->out, p, n);
}

static void keep(struct cat *c, struct kept *at, const char *p, size_t n)
{
    free(at->p);
    *at = (struct kept){ mem_alloc(n), n, c->offered };
    memcpy(at->p, p, n);
}

/* --shuffle keeps all. --sample keeps the first N, then lets the k-th take a random place among the N with
 * probability N / k (reservoir sampling, Vitter's algorithm R). */
static int keep_item(struct cat *c, const char *p, size_t n)
{
    struct rng_key key = rng_key(c->t->std.seed, "cos-cat sample", 14);
    if (!set.sample || c->nkept < set.sample) {
        if (c->nkept == c->capkept) c->kept = mem_grow(c->kept, c->capkept = mem_max(1024, c->capkept * 2), sizeof *c->kept);
        c->kept[c->nkept] = (struct kept){0};
        keep(c, &c->kept[c->nkept++], p, n);
    } else {
        double place = rng_uniform53(key, c->offered, 0) * (double)(c->offered + 1);
        if (place < (double)set.sample) keep(c, &c->kept[(size_t)place], p, n);
        tool_drop(c->t, 1, "not drawn");
    }
    c->offered++;
    return 0;
}

static int write_batch(void *arg, void *item)
{
    struct cat *c = arg;
    struct batch *b = item;
    bool gather = gathers() && !c->from_memory;
    int rejected = 0;
    int bad = b->header && !gather ? begin_stream(c, b->header) : 0;
    size_t at = 0;
    for (int i = 0; i < b->n && !bad; at = b->item[i++].out) {
        const char *p = b->out.p + at;
        size_t n = b->item[i].out - at;
        if (b->item[i].why) { bad = reject_item(c, &b->item[i], p, n); rejected++; }
        else bad = gather ? keep_item(c, p, n) : put_item(c, p, n);
    }
    if (!bad && c->to_json && !gather && fflush(stdout)) bad = fail_errno("stdout");
    if (!bad && !gather) tool_count(c->t, 0, (uint64_t)(b->n - rejected));
    c->done += (uint64_t)b->n;
    drop_batch(NULL, b);
    tool_progress(c->t, "records", (double)c->done, 0, NULL);
    return bad;
}

static int by_place(const void *a, const void *b)
{
    uint64_t x = ((const struct kept *)a)->k, y = ((const struct kept *)b)->k;
    return (x > y) - (x < y);
}

static const struct par_pipe stages = { NULL, read_batch, work_batch, write_batch, drop_batch };

static int pass(struct cat *c)
{
    struct par_pipe p = stages;
    p.arg = c;
    return par_pipe(c->t->std.threads, &p);
}

/* The records gathered in memory, put out in their new order. */
static int pass_memory(struct cat *c)
{
    c->from_memory = true;
    c->to_json = set.json || set.plain;
    c->end = 1;
    c->fresh = true;
    if (set.shuffle) {
        struct rng r = rng_new(c->t->std.seed, "cos-cat shuffle");
        rng_shuffle(&r, c->kept, c->nkept, sizeof *c->kept);
    } else if (c->nkept) qsort(c->kept, c->nkept, sizeof *c->kept, by_place);
    return pass(c);
}

static int copy_stream(struct cat *c)
{
    c->end = 1;
    c->fresh = true;
    c->to_json = (set.json || set.plain) && !gathers();
    if (pass(c)) return -1;
    if (gathers() && pass_memory(c)) return -1;
    if (!c->begun && begin_stream(c, c->header)) return -1;
    if (end_stream(c)) return -1;
    return tool_close(c->t);
}

/* ---- set-up ---- */

static int open_shards(struct cat *c)
{
    struct tool *t = c->t;
    if (!t->noperand) return fail_kind(ERR_USAGE, "--merge: want the shards as operands");
    c->nshard = t->noperand;
    c->shard_in = mem_array((size_t)c->nshard, sizeof *c->shard_in);
    c->shard_file = mem_array((size_t)c->nshard, sizeof *c->shard_file);
    for (int i = 0; i < c->nshard; i++) {
        c->shard_file[i] = fopen(t->operand[i], "rb");
        if (!c->shard_file[i]) return fail_errno("%s", t->operand[i]);
        c->shard_in[i] = rec_reader_new(c->shard_file[i], t->operand[i]);
        if (rec_read_header(c->shard_in[i])) return -1;
        note_header(c, rec_reader_header(c->shard_in[i]));
    }
    return 0;
}

static int open_input(struct cat *c)
{
    struct tool *t = c->t;
    if (set.merge && open_shards(c)) return -1;
    if (set.merge || set.from_json ? tool_open_out(t) : tool_open(t)) return -1;
    if (t->in) note_header(c, rec_reader_header(t->in));
    rec_writer_abandon(t->out);                /* its header waits for the input's, which JSON lines tell later */
    t->out = NULL;
    if (set.json || set.plain) tool_text(t);
    else t->out = rec_writer_new(stdout, "stdout");
    return 0;
}

static int parse_shard(struct cat *c)
{
    char behind;
    c->shards = 1;
    if (!set.shard) return 0;
    if (sscanf(set.shard, "%9d/%9d%c", &c->shard, &c->shards, &behind) == 2 && c->shards > 0 && c->shard >= 0 && c->shard < c->shards)
        return 0;
    return fail_kind(ERR_USAGE, "--shard: '%s' is not I/N with 0 <= I < N", set.shard);
}

static int show_header(struct tool *t)         /* --header */
{
    if (tool_open(t)) return -1;
    FILE *out = tool_text(t);
    struct buf b = {0};
    uint64_t number, n = 0;
    const val *h = rec_reader_header(t->in);
    int r;
    do {
        for (int i = 0; h && i < val_len(val_get(h, "provenance")); i++) {
            struct buf line = {0};
            jsonl_put(val_at(val_get(h, "provenance"), i), &line);
            fprintf(out, "%s\n", line.p);
            buf_free(&line);
        }
        buf_clear(&b);
        r = tool_read_packed(t, &b, &number);
        n += r > 0;
        h = r > 0 ? tool_new_header(t) : NULL;
    } while (r > 0);
    buf_free(&b);
    fprintf(out, "%" PRIu64 " records\n", n);
    return r < 0 ? -1 : tool_close(t);
}

static void free_cat(struct cat *c)
{
    for (int i = 0; i < c->nshard; i++) {
        rec_reader_free(c->shard_in[i]);
        if (c->shard_file[i]) fclose(c->shard_file[i]);
    }
    for (size_t i = 0; i < c->nkept; i++) free(c->kept[i].p);
    free(c->shard_in);
    free(c->shard_file);
    free(c->kept);
    free(c->why);
    buf_free(&c->item);
    jsonl_reader_free(c->lines);
    rec_free(c->header);
    schemas_free(c->schemas);
}

static int run_to(struct tool *t)
{
    bool other = set.json || set.from_json || set.plain || set.check || set.shuffle || set.merge || set.header || set.head || set.skip
                 || set.sample || set.shard;
    return other ? fail_kind(ERR_USAGE, "--to: goes alone; put another cos-cat before it") : cat_to(t, &set.to);
}

static int run(struct tool *t)
{
    if (set.to.form) return run_to(t);
    if (set.to.tar || set.to.images || set.to.labels) return fail_kind(ERR_USAGE, "--tar, --images and --labels: want --to");
    if (set.merge && set.from_json) return fail_kind(ERR_USAGE, "--merge: reads records, not JSON");
    if (set.header && (set.merge || set.from_json)) return fail_kind(ERR_USAGE, "--header: reads one record stream");
    if (set.header) return show_header(t);
    struct cat c = { .t = t };
    if (parse_shard(&c)) return -1;
    c.header = rec_new();
    c.schemas = set.check ? schemas_new() : NULL;
    int bad = (set.check && !c.schemas) || open_input(&c) || copy_stream(&c);
    free_cat(&c);
    return bad ? -1 : 0;
}

int main(int argc, char **argv)
{
    char *text = details();
    const struct command cmds[] = { { NULL, NULL, opts, run, "[FILE...]", text }, { 0 } };
    int status = tool_main("cos-cat", "joins, converts, checks, cuts and mixes record streams", cmds, argc, argv);
    free(text);
    return status;
}
