/* SPDX-License-Identifier: Apache-2.0
 * cos-cat --to: records into the JSON of others, a line each, or into tar shards with their images beside. */
#include "cat.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "record/jsonl.h"

enum { BATCH_BYTES = 128 << 10, BATCH_ITEMS = 256, BATCH_SAMPLES = 8 };     /* the last where images are loaded */

struct to {
    struct tool *t;
    const struct cat_to *o;
    struct export_cfg cfg;
    char *prefix;
    struct media_source *media;
    struct shards *shards;
    struct export_account account;
    uint64_t done;
};

struct file { char name[40]; struct buf bytes; };              /* an image beside the row */

struct item {
    uint64_t number;
    const char *input;                         /* the file it is from */
    size_t in, out;                            /* ends of its bytes in the batch's buffers */
    struct record *rejected;                   /* with why; else NULL */
    const char *why;
    char *particulars;
    struct file *file; int nfile;
};

struct batch { struct buf in, out; struct item *item; int n; struct export_account account; };

/* ---- reading ---- */

static void drop_batch(void *arg, void *item)
{
    (void)arg;
    struct batch *b = item;
    for (int i = 0; i < b->n; i++) {
        struct item *it = &b->item[i];
        rec_free(it->rejected);
        free(it->particulars);
        for (int k = 0; k < it->nfile; k++) buf_free(&it->file[k].bytes);
        free(it->file);
    }
    buf_free(&b->in);
    buf_free(&b->out);
    free(b->item);
    free(b);
}

static int read_batch(void *arg, void **out)
{
    struct to *c = arg;
    int most = c->shards ? BATCH_SAMPLES : BATCH_ITEMS, r = 1;
    struct batch *b = mem_alloc(sizeof *b);
    b->item = mem_array((size_t)most, sizeof *b->item);
    while (b->n < most && b->in.len < BATCH_BYTES) {
        struct item *it = &b->item[b->n];
        if ((r = tool_read_packed(c->t, &b->in, &it->number)) <= 0) break;
        it->in = b->in.len;
        it->input = tool_input_name(c->t);
        b->n++;
    }
    if (r < 0 || !b->n) {
        drop_batch(NULL, b);
        return r;
    }
    *out = b;
    return 1;
}

/* ---- a record's images as files beside it ---- */

static int load_image(const struct to *c, const val *image, struct buf *out)
{
    const uint8_t *p;
    const char *ref;
    size_t n;
    if (val_bin(val_get(image, "data"), &p, &n)) {
        buf_add(out, p, n);
        return 0;
    }
    if (!val_str(val_get(image, "ref"), &ref, &n)) return fail("an image without ref and data");
    return media_get(c->media, ref, n, out);
}

/* Loads the images into files and makes the record refer to those. */
static int move_images(const struct to *c, struct record *r, struct item *it)
{
    val *images = val_get(&r->root, "images");
    int n = val_len(images);
    it->file = mem_array((size_t)n, sizeof *it->file);
    it->nfile = n;
    for (int i = 0; i < n; i++) {
        struct file *f = &it->file[i];
        val *image = val_at(images, i);
        if (load_image(c, image, &f->bytes)) return -1;
        const char *type = image_type(f->bytes.p, f->bytes.len);
        if (!type) return -1;
        const char *ext = !strcmp(type, "jpeg") ? "jpg" : type;
        if (n == 1) snprintf(f->name, sizeof f->name, "%09" PRIu64 ".%s", it->number, ext);
        else snprintf(f->name, sizeof f->name, "%09" PRIu64 ".%d.%s", it->number, i, ext);
        static const char *const old[] = { "data", "ref", "type" };
        for (int k = 0; k < countof(old); k++) val_remove(image, old[k]);
        val_set(&r->zone, image, "ref", val_of_cstr(&r->zone, f->name));
        val_set(&r->zone, image, "type", val_of_cstr(&r->zone, type));
    }
    return 0;
}

/* ---- work, on any thread ---- */

static int work_item(const struct to *c, struct batch *b, struct item *it, struct record *r, struct record *row, const char *p, size_t n)
{
    if (rec_unpack(r, p, n)) return fail_in("%s: record %" PRIu64, it->input, it->number);
    r->number = it->number;
    if (c->shards && move_images(c, r, it)) {
        it->why = "unreadable image";
        it->particulars = mem_str(err_msg());
    } else if (export_row(&c->cfg, r, row, &b->account, &it->why)) {
        if (!it->why) return -1;
    } else {
        jsonl_put(&row->root, &b->out);
        buf_byte(&b->out, '\n');
    }
    it->out = b->out.len;
    if (!it->why) return 0;
    it->rejected = rec_new();
    it->rejected->number = it->number;
    return rec_unpack(it->rejected, p, n);
}

static int work_batch(void *arg, void *item)
{
    const struct to *c = arg;
    struct batch *b = item;
    struct record *r = rec_new(), *row = rec_new();
    size_t at = 0;
    int bad = 0;
    for (int i = 0; i < b->n && !bad; at = b->item[i++].in) bad = work_item(c, b, &b->item[i], r, row, b->in.p + at, b->item[i].in - at);
    rec_free(r);
    rec_free(row);
    return bad;
}

/* ---- writing ---- */

static int put_sample(struct to *c, const struct item *it, const char *p, size_t n)
{
    char name[40];
    uint64_t bytes = n;
    for (int i = 0; i < it->nfile; i++) bytes += it->file[i].bytes.len;
    snprintf(name, sizeof name, "%09" PRIu64 ".json", it->number);
    if (shards_begin(c->shards, bytes) || shards_add(c->shards, name, p, n)) return -1;
    for (int i = 0; i < it->nfile; i++)
        if (shards_add(c->shards, it->file[i].name, it->file[i].bytes.p, it->file[i].bytes.len)) return -1;
    return 0;
}

static int put_item(struct to *c, const struct item *it, const char *p, size_t n)
{
    if (it->why && it->particulars) return tool_reject_noted(c->t, it->rejected, it->why, it->particulars);
    if (it->why) return tool_reject(c->t, it->rejected, it->why);
    tool_count(c->t, 0, 1);
    if (c->shards) return put_sample(c, it, p, n);
    return fwrite(p, 1, n, stdout) == n ? 0 : fail_errno("stdout");
}

static int write_batch(void *arg, void *item)
{
    struct to *c = arg;
    struct batch *b = item;
    size_t at = 0;
    int bad = 0;
    for (int i = 0; i < b->n && !bad; at = b->item[i++].out) bad = put_item(c, &b->item[i], b->out.p + at, b->item[i].out - at);
    export_account_add(&c->account, &b->account);
    c->done += (uint64_t)b->n;
    tool_progress(c->t, "records", (double)c->done, 0, NULL);
    drop_batch(NULL, b);
    return bad;
}

/* ---- all together ---- */

static void tell_account(const struct to *c)
{
    struct buf b = {0};
    for (int i = 0; i < FORM_FACTS; i++)
        if (c->account.lost[i]) buf_fmt(&b, "%s%s %" PRIu64, b.len ? ", " : "", form_fact_names[i], c->account.lost[i]);
    if (b.len) tool_note(c->t, "dropped, since %s cannot hold them: %s", c->cfg.form->name, b.p);
    if (c->account.marked) tool_note(c->t, "image marks added to %" PRIu64 " questions", c->account.marked);
    buf_free(&b);
}

static int open_images(struct to *c)
{
    const char *images = c->o->images;
    if (c->o->tar) return (c->media = media_open(images, NULL)) ? 0 : -1;
    if (!images) return 0;
    bool slash = *images && images[strlen(images) - 1] == '/';
    c->prefix = mem_fmt("%s%s", images, slash ? "" : file_is_dir(images) ? "/" : "!");
    c->cfg.prefix = c->prefix;
    return 0;
}

static int set_up(struct to *c)
{
    const struct cat_to *o = c->o;
    c->cfg = (struct export_cfg){ .labels = o->labels, .target = (enum export_target)o->target, .threshold = o->threshold };
    if (!(c->cfg.form = form_written(o->form))) return -1;
    if (!export_targets(c->cfg.form, c->cfg.target)) return fail_kind(ERR_USAGE, "--target: labels of %s cannot be so", c->cfg.form->name);
    if (o->tar && !(c->shards = shards_new(o->tar, (uint64_t)o->tar_mb * 1000000, o->tar_count))) return -1;
    return open_images(c);
}

static int convert(struct to *c)
{
    struct par_pipe pipe = { c, read_batch, work_batch, write_batch, drop_batch };
    if (set_up(c) || tool_open(c->t)) return -1;
    tool_text(c->t);
    if (par_pipe(c->t->std.threads, &pipe)) return -1;
    if (c->shards && shards_close(c->shards)) return -1;
    tell_account(c);
    return tool_close(c->t);
}

int cat_to(struct tool *t, const struct cat_to *o)
{
    struct to c = { .t = t, .o = o };
    int bad = convert(&c);
    shards_free(c.shards);
    media_close(c.media);
    free(c.prefix);
    return bad;
}
