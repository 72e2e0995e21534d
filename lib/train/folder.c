/* SPDX-License-Identifier: Apache-2.0 */
#include "train/folder.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "train/state.h"

static bool ends_in(const char *name, const char *tail)
{
    size_t n = strlen(name), k = strlen(tail);
    return n >= k && !strcmp(name + n - k, tail);
}

static bool is_weights(const char *name)
{
    static const char *const tail[] = { ".safetensors", ".index.json", ".bin", ".pt", ".pth", ".gguf", ".msgpack", ".h5", ".onnx" };
    for (int i = 0; i < countof(tail); i++)
        if (ends_in(name, tail[i])) return true;
    return false;
}

static int copy_one(const char *from, const char *to, const char *name, bool replace)
{
    char *a = file_join(from, name), *b = file_join(to, name);
    struct stat st;
    int r = !replace && file_exists(b) ? 0 : stat(a, &st) ? fail_errno("%s", a) : S_ISREG(st.st_mode) ? file_copy(a, b) : 0;
    free(a);
    free(b);
    return r;
}

int folder_copy_rest(const char *from, const char *to, bool tokenizer)
{
    DIR *d = opendir(from);
    if (!d) return fail_errno("%s", from);
    int bad = 0;
    for (struct dirent *e; !bad && (e = readdir(d));) {
        const char *s = e->d_name;
        if (s[0] == '.' || is_weights(s) || !strcmp(s, "config.json") || !strcmp(s, TRAINING_JSON)) continue;
        bad = copy_one(from, to, s, tokenizer);
    }
    closedir(d);
    return bad;
}
