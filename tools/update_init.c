/* SPDX-License-Identifier: Apache-2.0
 * cos-update init: a fresh model from a config.json, one out of parts, or an existing one with the tokens of the step format.
 */
#include "train/assemble.h"
#include "update.h"

static struct {
    const char *config, *model, *tokenizer, *tower, *projector, *decoder, *out;
    int vocab, max_tiles;
    bool force;
} make = { .max_tiles = 1 };

const struct opt update_init_opts[] = {
    { 0, "out", "DIR", OPT_STR, &make.out, 0, 0, "the model folder to write" },
    { 0, "force", NULL, OPT_FLAG, &make.force, 0, 0, "replace DIR where it exists" },
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "A fresh model" },
    { 0, "config", "FILE", OPT_STR, &make.config, 0, 0, "its config.json (with images: of all families but qwen2_vl, qwen2_5_vl); vocabulary and token ids are set anew" },
    { 0, "vocab", "N", OPT_INT, &make.vocab, 300, 1 << 20, "learn a byte-level BPE of at most N tokens from the records on stdin" },
    { 0, "tokenizer", "FILE", OPT_STR, &make.tokenizer, 0, 0, "or take this tokenizer.json" },
    { 0, "max-tiles", "N", OPT_INT, &make.max_tiles, 1, 1024, "tiles an image is cut into at most; 1: never cut" },
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "A model out of parts: --config and" },
    { 0, "decoder", "DIR", OPT_STR, &make.decoder, 0, 0, "its decoder and tokenizer: of a language model, or of another model" },
    { 0, "tower", "DIR", OPT_STR, &make.tower, 0, 0, "its vision tower; without it random weights" },
    { 0, "projector", "DIR", OPT_STR, &make.projector, 0, 0, "what joins the two; without it random weights" },
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "An existing model" },
    { 0, "model", "DIR", OPT_STR, &make.model, 0, 0, "a copy of it that has the 17 tokens of the step format" },
    OPT_END };

static struct tokenizer *learn(struct tool *t)
{
    if (tool_open(t)) return NULL;
    tool_text(t);
    struct tok_trainer *tr = tok_trainer_new();
    struct record *r = rec_new();
    int s;
    while ((s = tool_read(t, r)) > 0 && !assemble_learn(tr, r)) tool_progress(t, "records", (double)r->number, 0, NULL);
    rec_free(r);
    if (s == 0 && !tool_close(t)) return assemble_learned(tr, make.vocab);
    tok_trainer_free(tr);
    return NULL;
}

static int init_fresh(struct tool *t, struct ops *o)
{
    struct tokenizer *tok = make.tokenizer ? assemble_read(make.tokenizer) : learn(t);
    if (!tok) return -1;
    struct assemble_fresh f = { make.config, tok, t->std.seed, make.max_tiles };
    int bad = assemble_fresh(&f, o, make.out);
    if (!bad) tool_note(t, "%s: a fresh model with a vocabulary of %d tokens", make.out, tok_size(tok));
    tok_free(tok);
    return bad;
}

static int init_add(struct tool *t, struct ops *o)
{
    int added;
    if (assemble_add(make.model, o, make.out, &added)) return -1;
    tool_note(t, "%s: %d tokens added to %s", make.out, added, make.model);
    return 0;
}

static int init_join(struct tool *t, struct ops *o)
{
    int added;
    struct assemble_join j = { make.config, make.tower, make.projector, make.decoder, t->std.seed, make.max_tiles };
    if (assemble_joined(&j, o, make.out, &added)) return -1;
    tool_note(t, "%s: decoder of %s, tower of %s, projector of %s; %d tokens added", make.out, make.decoder,
              make.tower ? make.tower : "nowhere (random)", make.projector ? make.projector : "nowhere (random)", added);
    return 0;
}

static int check_use(void)
{
    if (!make.out) return fail_kind(ERR_USAGE, "--out is missing");
    if (!make.config == !make.model) return fail_kind(ERR_USAGE, "want one of --config and --model");
    if ((make.tower || make.projector) && !make.decoder) return fail_kind(ERR_USAGE, "--tower and --projector want --decoder");
    if (make.config && !make.vocab + !make.tokenizer + !make.decoder != 2)
        return fail_kind(ERR_USAGE, "--config wants one of --vocab, --tokenizer and --decoder");
    if (make.model && (make.vocab || make.tokenizer || make.decoder)) return fail_kind(ERR_USAGE, "--model keeps its own tokenizer and decoder");
    return 0;
}

int update_init(struct tool *t)
{
    if (check_use()) return -1;
    if (file_exists(make.out) && !make.force) return fail("%s exists (--force replaces it)", make.out);
    struct ops *o = ops_cpu(t->std.threads);
    if (!o) return -1;
    int bad = make.decoder ? init_join(t, o) : make.config ? init_fresh(t, o) : init_add(t, o);
    o->close(o);
    return bad;
}
