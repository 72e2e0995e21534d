/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>
#include "../bad/bad.h"
#include "base/file.h"
#include "base/par.h"
#include "media/source.h"
#include "t.h"

static char dir[] = "/tmp/t_media_archive.XXXXXX";
static const char *const formats[] = { "zip", "store", "tar", "tar.gz", "tar.xz", "7zip" };
enum { MEMBERS = 60 };

static char *put(const char *name, const struct buf *b)
{
    char *path = file_join(dir, name);
    FILE *f = fopen(path, "wb");
    T_CHECK(f && fwrite(b->p, 1, b->len, f) == b->len && fclose(f) == 0);
    return path;
}

/* Members d/0 .. d/59, member i being i + 1000 bytes of value i. */
static char *numbered(const char *format)
{
    static uint8_t data[MEMBERS][2000];
    static char names[MEMBERS][16];
    struct make_member m[MEMBERS];
    struct buf b = {0};
    for (int i = 0; i < MEMBERS; i++) {
        memset(data[i], i, sizeof data[i]);
        snprintf(names[i], sizeof names[i], "%sd/%d", i % 2 ? "./" : "", i);
        m[i] = (struct make_member){ .name = names[i], .p = data[i], .n = 1000 + (size_t)i };
    }
    make_archive(&b, format, m, MEMBERS);
    char *path = put(format, &b);
    buf_free(&b);
    return path;
}

static bool has_number(struct packed *a, int i)
{
    struct buf b = {0};
    char name[16];
    int n = snprintf(name, sizeof name, "%sd/%d", i % 3 ? "" : "./", i);
    bool ok = packed_get(a, name, (size_t)n, &b) == 0 && b.len == 1000 + (size_t)i && (uint8_t)b.p[0] == i && (uint8_t)b.p[b.len - 1] == i;
    buf_free(&b);
    return ok;
}

static void test_any_order(void)
{
    for (int f = 0; f < countof(formats); f++) {
        char *path = numbered(formats[f]);
        struct packed *a = packed_open(path, NULL);
        struct buf b = {0};
        T_CHECK(a != NULL);
        for (int i = 0; a && i < 2 * MEMBERS; i++) T_CHECK(has_number(a, i * 37 % MEMBERS));
        if (a) T_FAIL(packed_get(a, "d/x", 3, &b), "d/x: no such member");
        if (a) T_FAIL(packed_get(a, "d", 1, &b), "no such member");
        packed_close(a);
        free(path);
    }
}

/* Room for a few members only: the rest is found again by reading from the start. */
static void test_little_memory(void)
{
    for (int f = 3; f < countof(formats); f++) {
        char *path = numbered(formats[f]);
        struct packed *a = packed_open(path, &(struct packed_limits){ .memory = 5000 });
        for (int pass = 0; a && pass < 3; pass++)
            for (int i = 0; i < MEMBERS; i++) T_CHECK(has_number(a, i));
        for (int i = 0; a && i < MEMBERS; i++) T_CHECK(has_number(a, i * 37 % MEMBERS));
        packed_close(a);
        free(path);
    }
}

static void test_limits(void)
{
    for (int f = 0; f < countof(formats); f++) {
        struct buf b = {0}, out = {0};
        bad_bomb(&b, formats[f], 1 << 22);
        char *path = put("bomb", &b);
        struct packed *a = packed_open(path, &(struct packed_limits){ .member = 1 << 20 });
        T_CHECK(a != NULL);
        if (a) T_FAIL(packed_get(a, "a.png", 5, &out), "larger than 1048576 bytes");
        T_INT(out.len, 0);
        T_CHECK(out.cap <= 4 << 20);
        packed_close(a);
        free(path);
        path = numbered(formats[f]);
        a = packed_open(path, &(struct packed_limits){ .entries = MEMBERS - 1 });
        if (a) T_FAIL(packed_get(a, "d/59", 4, &out), "more than 59 members");
        else T_CHECK(strstr(err_msg(), "more than 59 members") != NULL);
        packed_close(a);
        free(path);
        buf_free(&b);
        buf_free(&out);
    }
}

/* A size in the headers smaller than what the data inflates to must not decide how much is written. */
static void test_lying_size(void)
{
    struct buf b = {0}, out = {0};
    bad_bomb(&b, "zip", 1 << 22);
    bad_le32(bad_find(&b, "PK\1\2") + 24, 16);
    bad_le32(bad_find(&b, "PK\3\4") + 22, 16);
    char *path = put("lying.zip", &b);
    struct packed *a = packed_open(path, &(struct packed_limits){ .member = 1 << 20 });
    T_CHECK(a != NULL);
    if (a) T_FAIL(packed_get(a, "a.png", 5, &out), "lying.zip!a.png");
    packed_close(a);
    free(path);
    buf_free(&b);
    buf_free(&out);
}

static void test_first_of_equal_names(void)
{
    struct make_member m[] = { { .name = "a", .p = "first", .n = 5 }, { .name = "b", .p = "b", .n = 1 }, { .name = "./a", .p = "second", .n = 6 } };
    for (int f = 0; f < 5; f++) {
        struct buf b = {0}, out = {0};
        make_archive(&b, formats[f], m, 3);
        char *path = put("twice", &b);
        struct packed *a = packed_open(path, NULL);
        T_CHECK(a && packed_get(a, "b", 1, &out) == 0 && packed_get(a, "a", 1, &out) == 0);
        T_STR(out.p, "bfirst");
        packed_close(a);
        free(path);
        buf_free(&b);
        buf_free(&out);
    }
}

struct readers { struct packed *a; int bad[4]; };
static void read_one(void *arg, int i, int worker)
{
    struct readers *r = arg;
    r->bad[worker] += !has_number(r->a, i * 17 % MEMBERS);
}

static void test_threads(void)
{
    struct par *p = par_new(4);
    for (int f = 0; f < countof(formats); f++) {
        char *path = numbered(formats[f]);
        struct readers r = { .a = packed_open(path, &(struct packed_limits){ .memory = 40000 }) };
        if (r.a) par_for(p, 200, read_one, &r);
        T_CHECK(r.a && r.bad[0] + r.bad[1] + r.bad[2] + r.bad[3] == 0);
        packed_close(r.a);
        free(path);
    }
    par_free(p);
}

/* ---- references ---- */

static int load(struct media_source *m, const char *ref, char digest[HASH_HEX])
{
    struct image im;
    int r = media_image(m, &(struct media_item){ .ref = ref, .nref = strlen(ref) }, &im, digest);
    if (!r) T_INT(im.w * 1000 + im.h, 40030);
    image_free(&im);
    return r;
}

static void test_references(void)
{
    struct buf png = {0}, zip = {0};
    char a[HASH_HEX], b[HASH_HEX], c[HASH_HEX];
    bad_sound_png(&png);
    bad_archive(&zip, "zip");
    free(put("plain.png", &png));
    free(put("with!mark.png", &png));
    char *path = put("set.zip", &zip);
    struct media_source *m = media_open(dir, NULL);
    T_OK(load(m, "plain.png", a));
    T_OK(load(m, "set.zip!a.png", b));
    T_OK(load(m, "set.zip!./a.png", NULL));
    T_OK(load(m, "with!mark.png", NULL));
    T_STR(a, b);
    T_FAIL(load(m, "set.zip!b.png", NULL), "set.zip!b.png: no such member");
    T_FAIL(load(m, "none.zip!a.png", NULL), "none.zip!a.png: No such file");
    T_FAIL(load(m, "sub/../plain.png", NULL), "out of the image folder");
    T_FAIL(load(m, "..", NULL), "out of the image folder");
    T_FAIL(load(m, path, NULL), "out of the image folder");
    T_FAIL(load(m, "", NULL), "empty image reference");
    T_FAIL(media_get(m, "a\0b", 3, &png), "not an image reference");
    struct image im;
    T_OK(media_image(m, &(struct media_item){ .data = png.p, .ndata = png.len }, &im, c));
    T_STR(a, c);
    image_free(&im);
    media_close(m);
    m = media_open(path, NULL);                            /* the archive itself as base */
    T_OK(load(m, "a.png", NULL));
    T_OK(load(m, "set.zip!a.png", NULL));
    T_OK(load(m, "data/set.zip!a.png", NULL));
    T_FAIL(load(m, "other.zip!a.png", NULL), "no such member");
    media_close(m);
    m = media_open(NULL, &(struct media_limits){ .trust = true, .pixels = 1200 });
    char *absolute = mem_fmt("%s!a.png", path);
    T_OK(load(m, absolute, NULL));
    media_close(m);
    m = media_open(dir, &(struct media_limits){ .pixels = 1199, .packed.member = png.len - 1 });
    T_FAIL(load(m, "plain.png", NULL), "plain.png");
    T_FAIL(media_image(m, &(struct media_item){ .data = png.p, .ndata = png.len }, &im, NULL), "more than 1199");
    media_close(m);
    T_CHECK(media_open("/tmp/none-such-folder", NULL) == NULL);
    free(absolute);
    free(path);
    buf_free(&png);
    buf_free(&zip);
}

int main(void)
{
    if (!mkdtemp(dir)) return 1;
    T_RUN(test_any_order);
    T_RUN(test_little_memory);
    T_RUN(test_limits);
    T_RUN(test_lying_size);
    T_RUN(test_first_of_equal_names);
    T_RUN(test_threads);
    T_RUN(test_references);
    dir_remove(dir);
    return t_end();
}
