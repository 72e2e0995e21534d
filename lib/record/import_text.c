/* SPDX-License-Identifier: Apache-2.0
 * Free-form replies to paths: text/freeform.h cuts them; choices and a later reply help to find the answer. */
#include <ctype.h>
#include <string.h>
#include <strings.h>
#include "record/answer.h"
#include "record/import_priv.h"
#include "record/path.h"
#include "text/freeform.h"

struct found { struct chain chain; const char *rule, *from; };         /* from: where the answer was found */

static void found_answer(struct found *f, struct slice answer, const char *from)
{
    f->chain.answer = answer;
    f->chain.has_answer = answer.n > 0;
    f->from = from;
}

static int count_words(struct slice s)
{
    int n = 0;
    for (size_t i = 0; i < s.n; i++) n += !isspace((unsigned char)s.p[i]) && (!i || isspace((unsigned char)s.p[i - 1]));
    return n;
}

/* Does a reply name one of the choices and say no more? "(B)", "B. blue", "blue". */
static bool only_choice(struct import_job *j, struct slice s, struct slice *answer)
{
    enum { MORE = 3 };                         /* words beside the choice's own: "(C) It is blue" */
    const val *choices = val_get(&j->out->root, "choices");
    int n = val_len(choices);
    struct slice *choice = arena_alloc(&j->a, (size_t)n * sizeof *choice);
    s = freeform_trim(s);
    if (!n || !s.n || memchr(s.p, '\n', s.n)) return false;
    for (int i = 0; i < n; i++) import_text(val_at(choices, i), &choice[i]);
    *answer = answer_clean(s);
    int k = answer_choice(*answer, choice, n);
    return k >= 0 && count_words(s) <= count_words(choice[k]) + MORE;
}

/* The one choice that a text names as "(B)"; false: none, or several. */
static bool lettered_choice(struct slice s, int n, struct slice *answer)
{
    answer->n = 0;
    for (size_t i = 0; i + 2 < s.n; i++) {
        bool letter = s.p[i] == '(' && s.p[i + 2] == ')' && s.p[i + 1] >= 'A' && s.p[i + 1] < 'A' + mem_min(n, 26);
        if (!letter) continue;
        if (answer->n && answer->p[1] != s.p[i + 1]) return answer->n = 0, false;
        *answer = (struct slice){ s.p + i, 3 };
    }
    return answer->n > 0;
}

static bool word_at(const struct slice *s, size_t i, struct slice w)
{
    if (s->n - i < w.n || strncasecmp(s->p + i, w.p, w.n)) return false;
    bool left = i && isalnum((unsigned char)s->p[i - 1]), right = i + w.n < s->n && isalnum((unsigned char)s->p[i + w.n]);
    return !left && !right;
}

/* The one choice whose text stands in another; short ones ("2") stand anywhere and do not count. */
static bool worded_choice(const val *choices, struct slice s, struct slice *answer)
{
    enum { SHORT = 3 };
    int found = 0;
    for (int i = 0; i < val_len(choices); i++) {
        struct slice c;
        bool here = false;
        import_text(val_at(choices, i), &c);
        c = answer_clean(c);
        if (c.n < SHORT) return false;
        for (size_t k = 0; !here && k + c.n <= s.n; k++) here = word_at(&s, k, c);
        if (here) *answer = c;
        found += here;
    }
    return found == 1;
}

/* The choice that a reply comes to: the one it names by its letter, in all of it or in the last step; else the one whose words
 * the last step has. */
static bool named_choice(struct import_job *j, struct slice reply, const struct chain *c, struct slice *answer)
{
    const val *choices = val_get(&j->out->root, "choices");
    int n = val_len(choices);
    if (!n || !c->nstep) return false;
    struct slice last = c->step[c->nstep - 1].thought;
    return lettered_choice(reply, n, answer) || lettered_choice(last, n, answer) || worded_choice(choices, last, answer);
}

static bool one_sentence(const struct chain *c, const char *rule) { return c->nstep == 1 && !strcmp(rule, "whole"); }

static void append_steps(struct import_job *j, struct chain *c, const struct chain *more)
{
    struct step *all = arena_alloc(&j->a, (size_t)(c->nstep + more->nstep) * sizeof *all);
    if (c->nstep) memcpy(all, c->step, (size_t)c->nstep * sizeof *all);
    memcpy(all + c->nstep, more->step, (size_t)more->nstep * sizeof *all);
    c->step = all;
    c->nstep += more->nstep;
}

/* A chain asked for first and its answer asked for behind it: the second reply may be the answer, go on with the chain, or
 * say all of it again. */
static void read_followup(struct import_job *j, const struct import_talk *k, struct found *f)
{
    struct slice first = freeform_trim(k->reply), s = freeform_trim(k->last), answer;
    struct found second = {0};
    const char *why;
    if (k->later != 2 || !s.n) return;
    bool plain = only_choice(j, s, &answer);
    if (!plain && freeform_parse(s.p, s.n, &j->a, &second.chain, &second.rule, &why)) return;
    const struct chain *c = &second.chain;
    bool again = !plain && s.n > first.n && !memcmp(s.p, first.p, first.n);
    if (!plain && !again && c->nstep && !(one_sentence(c, second.rule) && c->has_answer)) append_steps(j, &f->chain, c);
    if (again) f->chain.step = c->step, f->chain.nstep = c->nstep;
    if (again || !strcmp(f->rule, "answer")) f->rule = plain ? f->rule : second.rule;
    else if (!strcmp(f->rule, "whole") && f->chain.nstep > 1) f->rule = "turns";
    if (plain || c->has_answer) found_answer(f, plain ? answer : c->answer, "later reply");
    val *meta = val_get(&j->out->root, "meta"), *turns = val_get(meta, "turns");
    import_put_meta(j, "followup", *turns);
    val_remove(val_get(&j->out->root, "meta"), "turns");
}

static bool says_none(struct slice s)
{
    static const char *const none[] = { "n/a", "none", "null" };
    for (int i = 0; i < countof(none); i++)
        if (s.n == strlen(none[i]) && !strncasecmp(s.p, none[i], s.n)) return true;
    return !s.n;
}

static int read_free(struct import_job *j, const struct import_talk *k, struct found *f)
{
    static const char *const answers[] = { "extract_answer", "predicted_answer", "extraction", NULL };
    struct slice answer;
    const char *why;
    if (only_choice(j, k->reply, &answer)) {
        f->rule = "answer";
        found_answer(f, answer, "text");
    } else {
        if (freeform_parse(k->reply.p, k->reply.n, &j->a, &f->chain, &f->rule, &why)) return import_reject(j, why);
        f->from = "text";
        read_followup(j, k, f);
    }
    if (f->chain.has_answer) return 0;
    val given = import_scalar(j, import_use_first(j, answers));
    if (import_text(&given, &answer) && !says_none(answer_clean(answer))) found_answer(f, answer_clean(answer), "field");
    else if (named_choice(j, k->later == 2 ? k->last : k->reply, &f->chain, &answer)) found_answer(f, answer, "named choice");
    else f->from = "nowhere";
    return f->chain.has_answer || (j->cfg->unanswered && f->chain.nstep) ? 0 : import_reject(j, "no answer");
}

int import_freeform(struct import_job *j)
{
    struct import_talk k;
    struct found f = { .rule = "cos", .from = "text" };
    enum step_token marker;
    val path;
    if (import_read_talk(j, &k)) return -1;
    import_keep_reply(j, k.reply);
    marker_find(k.reply.p, k.reply.n, &marker);
    if (marker != STEP_TOKENS ? import_parse_chain(j, k.reply, &f.chain) : read_free(j, &k, &f)) return -1;
    const char *why = path_unwritable(&f.chain);
    bool bare = !f.chain.nstep && f.chain.has_answer, open = f.chain.nstep && !f.chain.has_answer;
    if (why && strcmp(why, bare ? "no step" : open ? "no answer" : "")) return import_reject(j, why);
    if (import_put_path(j, &f.chain, &path)) return -1;
    val_remove(val_get(&j->out->root, "meta"), "reply");
    import_put_meta(j, "segment", val_of_cstr(&j->out->zone, f.rule));
    import_put_meta(j, "answer_from", val_of_cstr(&j->out->zone, f.from));
    return 0;
}
