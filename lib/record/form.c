/* SPDX-License-Identifier: Apache-2.0 */
#include "record/form.h"

#include <string.h>
#include "record/export_priv.h"
#include "record/import_priv.h"
#include "record/label.h"

const char *const form_fact_names[FORM_FACTS] = {
    [FACT_PARTS] = "steps' names and reflections", [FACT_ANSWER] = "answers", [FACT_TEXT] = "texts as they were", [FACT_LABELS] = "labels",
    [FACT_SHARES] = "labels between right and wrong", [FACT_TRIES] = "tries of labels", [FACT_SCORES] = "step scores", [FACT_GOLD] = "right answers",
    [FACT_CHOICES] = "choices", [FACT_SOURCE] = "sources", [FACT_META] = "meta and other keys", [FACT_REWARDS] = "rewards",
    [FACT_VERDICTS] = "ends and verdicts", [FACT_TOKENS] = "token ids", [FACT_LOGPROBS] = "log-probabilities" };

enum {
    OPEN = 1 << FACT_GOLD | 1 << FACT_CHOICES | 1 << FACT_SOURCE | 1 << FACT_META,     /* rows with keys of their own, too */
    CHAIN = 1 << FACT_PARTS | 1 << FACT_ANSWER,
    JUDGED = 1 << FACT_LABELS | 1 << FACT_ANSWER,              /* the answer as a last step; the writers count those without */
    ALL = (1 << FORM_FACTS) - 1
};

const struct form forms[FORMS] = {
    [FORM_COS] = { "cos", "the reference's SFT JSONL: \"id\", \"image\", \"conversations\": [{\"from\", \"value\"}], the reply in\n"
        "the step format", OPEN | CHAIN, false, import_cos, export_cos },
    [FORM_ROLLOUTS] = { "rollouts", "\"question_id\", \"image\", \"question\", \"text\": the reply in the step format, \"answer\": the\n"
        "right one", OPEN | CHAIN | 1 << FACT_TEXT, false, import_cos, export_rollouts },
    [FORM_RAW] = { "raw", "its raw steps: \"question_id\", \"image\", \"question\", \"reasoning\": [{\"step_name\",\n"
        "\"step_thought\", \"step_reflection\"}], \"reason_step_num\", \"extract_answer\"", OPEN | CHAIN, false, import_raw, export_raw },
    [FORM_SCORED] = { "scored", "raw with \"step_scores\" and \"answer_score\", as its reward model writes them", OPEN | CHAIN | 1 << FACT_SCORES,
        false, import_raw, export_scored },
    [FORM_PRM] = { "prm", "its PRM training JSONL: the reply with a tag behind each step and the answer, <|split_token|>,\n"
        "and again with к+и, к-и or ки (neutral) for the tags", OPEN | CHAIN | 1 << FACT_LABELS, false, import_prm, export_prm },
    [FORM_DPO] = { "dpo", "pairs: \"image\", \"question\", \"chosen\", \"rejected\" (InternVL, MMPR), replies in the step format", OPEN | CHAIN | 1 << FACT_TEXT,
        false, import_dpo, export_dpo },
    [FORM_LLAVA] = { "llava", "conversations of LLaVA and InternVL: one image, a list of them, or none; a reply in the step\n"
        "format is a path, any other the right answer", OPEN | CHAIN, false, import_llava, export_llava },
    [FORM_TRL] = { "trl", "stepwise supervision: \"prompt\", \"completions\", \"labels\", and \"images\"", JUDGED, false, import_trl, export_trl },
    [FORM_MM_PRM] = { "mm-prm", "conversations: \"Question: ..\\nProcess: STEP<prm>\\n\\nSTEP<prm>\" and a list of labels", OPEN | JUDGED
        | 1 << FACT_SHARES, false, import_mm_prm, export_mm_prm },
    [FORM_VISUALPRM] = { "visualprm", "conversations: each step a turn, the reply + or -", OPEN | JUDGED, false, import_visualprm,
        export_visualprm },
    [FORM_VISUALPRM_RAW] = { "visualprm-raw", "VisualPRM400K's \"steps_with_score\": [{\"step\", \"score\", \"num_mc_correct\",\n"
        "\"num_mc_total\"}]", OPEN | JUDGED | 1 << FACT_SHARES | 1 << FACT_TRIES, false, import_visualprm_raw, export_visualprm_raw },
    [FORM_RECORD] = { "record", "the records themselves, as cos-cat --plain writes them", ALL, true, NULL, NULL },
    [FORM_TEXT] = { "text", "any reply (\"text\", \"response\", conversations, \"messages\"), cut into steps (lib/text/freeform.h)", 0, false,
        import_freeform, NULL },
};

static bool is_written(const struct form *f) { return f->whole || f->write; }

const struct form *form_written(const char *name)
{
    struct buf known = {0};
    for (int i = 0; i < FORMS; i++) {
        if (!is_written(&forms[i])) continue;
        buf_fmt(&known, "%s%s", known.len ? ", " : "", forms[i].name);
        if (strcmp(name, forms[i].name)) continue;
        buf_free(&known);
        return &forms[i];
    }
    fail_kind(ERR_USAGE, "--to %.40s: no such form; there are %s", name, known.p);
    buf_free(&known);
    return NULL;
}

/* ---- counting ---- */

static void count_labels(const val *labels, uint64_t fact[FORM_FACTS])
{
    struct label l;
    for (int i = 0; i < val_len(labels); i++) {
        fact[FACT_LABELS]++;
        if (label_read(val_at(labels, i), &l) <= 0) continue;
        fact[FACT_SHARES] += l.value != 0 && l.value != 1;
        fact[FACT_TRIES] += l.n > 0;
    }
}

static bool has(const val *map, const char *key)
{
    const val *v = val_get(map, key);
    return v && v->type != MSGPACK_OBJECT_NIL;
}

static bool has_text(const val *map, const char *key)
{
    struct slice s;
    return val_str(val_get(map, key), &s.p, &s.n) && slice_trim(s).n;
}

static uint32_t pairs(const val *map) { return map && map->type == MSGPACK_OBJECT_MAP ? map->via.map.size : 0; }

static void count_path(const val *path, uint64_t fact[FORM_FACTS])
{
    const val *steps = val_get(path, "steps");
    for (int i = 0; i < val_len(steps); i++) {
        const val *s = val_at(steps, i);
        fact[FACT_PARTS] += has_text(s, "name") || has_text(s, "reflection");
        fact[FACT_SCORES] += has(s, "score");
        count_labels(val_get(s, "labels"), fact);
    }
    count_labels(val_get(path, "answer_labels"), fact);
    fact[FACT_ANSWER] += has(path, "answer");
    fact[FACT_TEXT] += has(path, "text");
    fact[FACT_SCORES] += has(path, "answer_score");
    fact[FACT_REWARDS] += pairs(val_get(path, "scores"));
    fact[FACT_VERDICTS] += has(path, "correct") || has(path, "unparsed") || has(path, "end");
    fact[FACT_TOKENS] += has(path, "tokens");
    fact[FACT_LOGPROBS] += pairs(val_get(path, "logprobs"));
}

bool form_own_key(const val *key)
{
    static const char *const own[] = { "id", "question", "choices", "answer", "source", "images", "scores", "meta", "path", "chosen", "rejected" };
    for (int i = 0; i < countof(own); i++)
        if (val_is_str(key, own[i])) return true;
    return false;
}

static bool others(const val *root)            /* keys that are no record's own */
{
    for (uint32_t i = 0; i < pairs(root); i++)
        if (!form_own_key(&root->via.map.ptr[i].key)) return true;
    return false;
}

void form_count(const struct record *r, uint64_t fact[FORM_FACTS])
{
    static const char *const paths[] = { "path", "chosen", "rejected" };
    for (int i = 0; i < countof(paths); i++)
        if (val_get(&r->root, paths[i])) count_path(val_get(&r->root, paths[i]), fact);
    fact[FACT_GOLD] += has(&r->root, "answer");
    fact[FACT_CHOICES] += has(&r->root, "choices");
    fact[FACT_SOURCE] += has(&r->root, "source");
    fact[FACT_META] += pairs(val_get(&r->root, "meta")) > 0 || others(&r->root);
    fact[FACT_REWARDS] += pairs(val_get(&r->root, "scores"));
}

/* ---- help ---- */

static void help_lines(const char *text, struct buf *out)
{
    for (const char *nl; (nl = strchr(text, '\n')); text = nl + 1) buf_fmt(out, "%.*s\n%17s", (int)(nl - text), text, "");
    buf_fmt(out, "%s\n", text);
}

/* The facts of a set; of labels that are not held at all, no particulars. */
static void help_facts(unsigned set, struct buf *out)
{
    const char *comma = "";
    if (set >> FACT_LABELS & 1) set &= ~(1u << FACT_SHARES | 1u << FACT_TRIES);
    for (int k = 0; k < FORM_FACTS; k++)
        if (set >> k & 1) buf_fmt(out, "%s%s", comma, form_fact_names[k]), comma = ", ";
}

void form_help(bool written, struct buf *out)
{
    unsigned held = 0;                         /* by any form but the records' own */
    for (int i = 0; i < FORMS; i++) held |= forms[i].whole ? 0 : forms[i].holds;
    for (int i = 0; i < FORMS; i++) {
        const struct form *f = &forms[i];
        if (written && !is_written(f)) continue;
        buf_fmt(out, "  %-13s  ", f->name);
        help_lines(f->looks, out);
        if (!written || !(held & ~f->holds)) continue;
        buf_fmt(out, "%17s- ", "");
        help_facts(held & ~f->holds, out);
        buf_byte(out, '\n');
    }
    if (!written) return;
    buf_str(out, "  all but record ");
    buf_fmt(out, "- ");
    help_facts(ALL & ~held, out);
    buf_byte(out, '\n');
}
