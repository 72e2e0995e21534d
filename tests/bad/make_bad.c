/* SPDX-License-Identifier: Apache-2.0
 * make_bad DIR: writes the hostile files of bad.h into DIR and prints, a line each, the reference and a part of the
 * message that reading it must give, with a tab between. For tests of programs; "-q" before DIR leaves out the slow ones.
 */
#include "bad.h"
#include "base/file.h"

int main(int argc, char **argv)
{
    bool quick = argc == 3 && !strcmp(argv[1], "-q");
    if (argc != 2 && !quick) return fprintf(stderr, "usage: make_bad [-q] DIR\n"), 2;
    const char *dir = argv[argc - 1];
    int r = dir_make(dir);
    for (int i = 0; !r && i < countof(bad_cases); i++) {
        const struct bad_case *c = &bad_cases[i];
        if (c->slow && quick) continue;
        struct buf b = {0};
        char *path = file_join(dir, c->file);
        c->make(&b);
        r = file_write(path, b.p, b.len);
        if (!r) printf("%s\t%s\n", c->ref, c->message);
        buf_free(&b);
        free(path);
    }
    if (r) fprintf(stderr, "make_bad: %s\n", err_msg());
    return r || fflush(stdout) ? 1 : 0;
}
