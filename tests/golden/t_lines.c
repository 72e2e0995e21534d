/* SPDX-License-Identifier: Apache-2.0
 * Token ids of many lines of mixed text against Hugging Face `tokenizers` and sentencepiece (make_lines.py): a small set
 * always; with COS_LINES=FOLDER also the large set that the script wrote there, of real tokenizer files.
 */
#include <dirent.h>
#include <stdlib.h>
#include "base/file.h"
#include "text/tokenizer.h"
#include "../unit/t.h"

#define SMALL "tests/golden/tokenizer"
enum { MAX = 1 << 30, SHOWN = 5 };

static uint32_t u32_at(const char *p) { uint32_t v; memcpy(&v, p, sizeof v); return v; }
static uint64_t u64_at(const char *p) { uint64_t v; memcpy(&v, p, sizeof v); return v; }

static bool same_line(const struct tokenizer *t, const char *s, size_t n, int flags, uint64_t want, struct tok_ids *ids)
{
    uint64_t h = 1;
    ids->n = 0;
    if (tok_encode(t, s, n, flags, ids)) return printf("# %s\n", err_msg()), false;
    for (size_t i = 0; i < ids->n; i++) h = (h ^ ids->id[i]) * 0x100000001B3u;
    return h == want;
}

static void compare(const struct tokenizer *t, const char *name, const struct buf *lines, const struct buf *want)
{
    struct tok_ids ids = {0};
    size_t at = 0, n = 0, bad = 0;
    int flags = strstr(name, ".model") ? TOK_NO_ADDED : TOK_SPECIAL;     /* sentencepiece itself knows no added tokens */
    for (; at + 4 <= lines->len && 8 * n + 8 <= want->len; n++) {
        uint32_t len = u32_at(lines->p + at);
        const char *s = lines->p + at + 4;
        at += 4 + (size_t)len;
        if (at > lines->len) break;
        if (same_line(t, s, len, flags, u64_at(want->p + 8 * n), &ids)) continue;
        if (bad++ < SHOWN) printf("# %s: line %zu has other ids: %.*s\n", name, n, (int)len, s);
    }
    printf("# %s: %zu of %zu lines have the same ids\n", name, n - bad, n);
    T_INT(at, lines->len);
    T_INT(8 * n, want->len);
    T_CHECK(n > 500);
    T_INT(bad, 0);
    tok_ids_free(&ids);
}

static void one_file(const char *folder, const char *hash_path, const char *name, const struct buf *lines)
{
    char *path = file_join(folder, name);
    struct buf want = {0};
    struct tokenizer *t = tok_load(path);
    if (!t) printf("# %s\n", err_msg());
    T_CHECK(t);
    T_OK(file_read(hash_path, MAX, &want));
    if (t && want.len) compare(t, name, lines, &want);
    tok_free(t);
    buf_free(&want);
    free(path);
}

/* Every NAME.hash of `hashes` with the tokenizer NAME of `folder`. Returns how many. */
static int run_folder(const char *folder, const char *hashes)
{
    struct buf lines = {0};
    char *path = file_join(folder, "lines.bin");
    int n = 0;
    T_OK(file_read(path, MAX, &lines));
    DIR *d = opendir(hashes);
    T_CHECK(d);
    for (struct dirent *e; d && lines.len && (e = readdir(d));) {
        char *end = strstr(e->d_name, ".hash"), *name;
        if (!end || end[5]) continue;
        char *hash_path = file_join(hashes, e->d_name);
        name = mem_strn(e->d_name, (size_t)(end - e->d_name));
        one_file(folder, hash_path, name, &lines);
        free(hash_path);
        free(name);
        n++;
    }
    if (d) closedir(d);
    free(path);
    buf_free(&lines);
    return n;
}

static void test_small(void) { T_CHECK(run_folder(SMALL, SMALL "/lines") >= 10); }

static void test_large(void)
{
    const char *folder = getenv("COS_LINES");
    if (folder) T_CHECK(run_folder(folder, folder) > 0);
}

int main(void)
{
    T_RUN(test_small);
    T_RUN(test_large);
    return t_end();
}
