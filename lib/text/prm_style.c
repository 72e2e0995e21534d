/* SPDX-License-Identifier: Apache-2.0
 * The built-in styles, styles from files, and the choice by a folder. Except in cos, the originals write the answer into the
 * last step; here it is a step of its own behind the others, so that it has a score of its own.
 */
#include "text/prm_form.h"

#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "store/json.h"

enum { FILE_MAX = 1 << 20, CONFIG_MAX = 16 << 20, FIELDS = 11 };
#define OWN_FILE "cos_prm.json"
#define MARKED(what, slot) "<|reasoning_step_" what "_start|>" slot "<|reasoning_step_" what "_end|>\n"

static const char visualprm_says[] =
    "You are an advanced AI assistant, designed to serve as a process supervision model. In this task, I "
    "will provide a problem statement followed by the first step of the solution process. For each "
    "subsequent turn, I will give you a new step in the solution. Your role is to assess whether the "
    "solution process is correct up to the current step.\n"
    "\n"
    "- In the **first round**, I will input the problem and the first step of the solution process.\n"
    "- In **each subsequent round**, I will provide the next step in the solution.\n"
    "\n"
    "For each step, you should:\n"
    "\n"
    "- Respond with **\"+\"** if you believe the solution process is correct up to this step.\n"
    "- Respond with **\"-\"** if you detect any issues or errors in the process up to this step.\n"
    "\n"
    "Please note:\n"
    "- Only respond with **\"+\"** or **\"-\"**. Do not provide any additional explanations, comments, or "
    "justifications.\n"
    "\n"
    "Your task is to verify the accuracy and correctness of each step in the given solution process.";

static const char vlprm_says[] =
    "**You are a process supervision model for visual reasoning tasks. You will receive an image and an "
    "image-based problem statement, followed by solution steps to evaluate.**\n"
    "\n"
    "First round: problem statement and first solution step.  \n"
    "Subsequent rounds: one new step per round.\n"
    "\n"
    "Assess the cumulative correctness of the entire solution up to each step.\n"
    "\n"
    "## Evaluation Criteria:\n"
    "\n"
    "1. **Visual Accuracy**: Are visual elements from the image correctly identified (shapes, colors, "
    "positions, quantities, spatial relationships)?\n"
    "\n"
    "2. **Logical Validity**: Do all inferences and calculations follow correctly from the image and "
    "previous steps?\n"
    "\n"
    "## Response:\n"
    "- **\"+\"** if correct up to this step\n"
    "- **\"-\"** if any error exists up to this step\n"
    "\n"
    "Only respond with \"+\" or \"-\". No explanations.\n"
    "\n"
    "An error in any step invalidates all subsequent steps.";

static const struct prm_style styles[] = {
    /* Chain of Step (arXiv 2509.19003): text/steps.h with tags */
    { "cos", NULL, PROMPT_CHAT, "<|reasoning_start|>\n",
      "<|reasoning_step_start|>\n" MARKED("name", "{name}") MARKED("thought", "{thought}") MARKED("reflection", "{reflection}")
      "<|reasoning_step_end|>ки\n", "<|reasoning_proceed|>\n", "<|reasoning_end|>\nAnswer:\n", "<|answer_start|>{answer}<|answer_end|>ки",
      "ки", "к+и", "к-и" },
    /* Math-Shepherd's Mistral 7B (arXiv 2312.08935), as its model card asks it: no chat, the tags' own logits */
    { "math-shepherd", NULL, "{bos}{question} ", "", "Step {k}: {step} ки\n", "", "", "The answer is: {answer} ки", "ки", "▁+", "▁-" },
    /* MM-PRM (ModalMinds/MM-PRM): everything in an answer behind an empty question; steps joined as in its training data */
    { "mm-prm", NULL, "{bos}{system}{user}{assistant}{images}Question: {question}\nProcess: ", "", "{step}<prm>", "\n\n", "\n\n",
      "The answer is: {answer}<prm>", "<prm>", "Yes", "No" },
    /* VisualPRM (OpenGVLab, generate_steps_with_soft_score): each step a turn, the score where its answer + or - would begin */
    { "visualprm", visualprm_says, "{bos}{system}{user}### Question:\n{images}{question}\n\n### Solution Process:\n", "",
      "{step}{user_end}{assistant}+{assistant_end}", "{user}", "{user}", "The answer is: {answer}{user_end}{assistant}+{assistant_end}",
      "{assistant}", "+", "-" },
    /* VL-PRM (theogbrand/vlprm, VisualPRMv2.py): the same with its own words, the image before the question's heading */
    { "vl-prm", vlprm_says, "{bos}{system}{user}{images}### Question:\n{question}\n\n### Solution Process:\n", "",
      "{step}{user_end}{assistant}+{assistant_end}", "{user}", "{user}", "The answer is: {answer}{user_end}{assistant}+{assistant_end}",
      "{assistant}", "+", "-" },
};

/* The members by their names in a file, in one order. */
struct field { const char *key; const char **at; bool needed; };
static void fields(struct prm_style *s, struct field out[FIELDS])
{
    const struct field all[FIELDS] = {
        { "name", &s->name, false }, { "system", &s->system, false }, { "prompt", &s->prompt, true }, { "begin", &s->begin, false },
        { "step", &s->step, true }, { "next", &s->next, false }, { "close", &s->close, false }, { "answer", &s->answer, true },
        { "tag", &s->tag, true }, { "good", &s->good, true }, { "bad", &s->bad, true } };
    memcpy(out, all, sizeof all);
}

void prm_style_free(struct prm_style *s)
{
    struct field f[FIELDS];
    fields(s, f);
    for (int i = 0; i < FIELDS; i++) free((char *)*f[i].at);
    *s = (struct prm_style){0};
}

/* ---- files ---- */

static int check_keys(json_t *doc, const struct field *f)
{
    const char *key;
    json_t *v;
    json_object_foreach(doc, key, v) {
        int i = 0;
        while (i < FIELDS && strcmp(f[i].key, key)) i++;
        if (i == FIELDS) return fail("no key \"%.40s\" in a PRM style", key);
    }
    return 0;
}

static int read_style(json_t *doc, const char *path, struct prm_style *out)
{
    struct field f[FIELDS];
    fields(out, f);
    if (!json_is_object(doc)) return fail("want an object");
    if (check_keys(doc, f)) return -1;
    for (int i = 0; i < FIELDS; i++) {
        const char *s = i == 1 ? NULL : i ? "" : path;             /* a system text there is or is not */
        if (f[i].needed ? json_get_str(doc, f[i].key, &s) : json_opt_str(doc, f[i].key, &s)) return -1;
        *f[i].at = s ? mem_str(s) : NULL;
    }
    return out->tag[0] ? 0 : fail("tag: empty");
}

static int load_file(const char *path, struct prm_style *out)
{
    json_t *doc = json_file(path, FILE_MAX);
    int bad = !doc || (read_style(doc, path, out) && fail_in("%s", path));
    json_decref(doc);
    if (bad) prm_style_free(out);
    return bad ? -1 : 0;
}

int prm_style_load(const char *name, struct prm_style *out)
{
    struct buf known = {0};
    size_t n = strlen(name);
    *out = (struct prm_style){0};
    if (strchr(name, '/') || (n > 5 && !strcmp(name + n - 5, ".json"))) return load_file(name, out);
    for (int i = 0; i < countof(styles); i++) {
        struct field f[FIELDS];
        buf_fmt(&known, "%s%s", i ? ", " : "", styles[i].name);
        if (strcmp(styles[i].name, name)) continue;
        *out = styles[i];
        fields(out, f);
        for (int k = 0; k < FIELDS; k++)
            if (*f[k].at) *f[k].at = mem_str(*f[k].at);
        buf_free(&known);
        return 0;
    }
    fail("no PRM style \"%.40s\" (there are %s)", name, known.p);
    buf_free(&known);
    return -1;
}

int prm_style_save(const struct prm_style *s, const char *dir)
{
    struct prm_style copy = *s;
    struct field f[FIELDS];
    json_t *doc = json_object();
    fields(&copy, f);
    for (int i = 0; i < FIELDS; i++)
        if (*f[i].at) json_object_set_new(doc, f[i].key, json_string(*f[i].at));
    char *path = file_join(dir, OWN_FILE);
    int bad = json_save(doc, path);
    json_decref(doc);
    free(path);
    return bad;
}

/* ---- a folder's ---- */

/* config.json names a reward model among its classes. */
static bool is_reward_model(const char *dir)
{
    char *path = file_join(dir, "config.json");
    json_t *doc = file_exists(path) ? json_file(path, CONFIG_MAX) : NULL, *list = json_object_get(doc, "architectures");
    const char *key;
    json_t *v;
    bool found = false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *s = json_string_value(json_array_get(list, i));
        found |= s && strstr(s, "RewardModel");
    }
    json_object_foreach(json_object_get(doc, "auto_map"), key, v)
        found |= json_is_string(v) && strstr(json_string_value(v), "RewardModel");
    json_decref(doc);
    free(path);
    return found;
}

int prm_style_pick(const char *dir, const struct tokenizer *t, struct prm_style *out)
{
    char *own = file_join(dir, OWN_FILE);
    bool there = file_exists(own);
    int bad = there ? load_file(own, out) : 0;
    free(own);
    if (there) return bad;
    if (tok_id(t, "<|reasoning_step_end|>") >= 0) return prm_style_load("cos", out);
    if (tok_id(t, "<prm>") >= 0) return prm_style_load("mm-prm", out);
    if (is_reward_model(dir)) return prm_style_load("visualprm", out);
    return fail("%s: no tokens of a reward model that is known (cos-update init --model adds those of cos); else want --prm-style", dir);
}
