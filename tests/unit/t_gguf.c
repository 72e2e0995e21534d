/* SPDX-License-Identifier: Apache-2.0
 * GGUF files that are damaged, cut or lie. What a sound one holds is checked in tests/golden/t_gguf.c.
 */
#include <stdlib.h>
#include "store/gguf.h"
#include "t.h"

static char dir[] = "/tmp/t_gguf.XXXXXX";
static char *path;

static void put_uint(struct buf *b, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) buf_byte(b, (char)(v >> 8 * i & 0xff));
}

static void put_text(struct buf *b, const char *s)
{
    put_uint(b, strlen(s), 8);
    buf_str(b, s);
}

static void head(struct buf *b, uint64_t version, uint64_t tensors, uint64_t keys)
{
    buf_str(b, "GGUF");
    put_uint(b, version, 4);
    put_uint(b, tensors, 8);
    put_uint(b, keys, 8);
}

static void key(struct buf *b, const char *name, int kind)
{
    put_text(b, name);
    put_uint(b, (uint64_t)kind, 4);
}

static void tensor(struct buf *b, const char *name, int ndim, const uint64_t *dims, uint64_t type, uint64_t offset)
{
    put_text(b, name);
    put_uint(b, (uint64_t)ndim, 4);
    for (int i = 0; i < ndim; i++) put_uint(b, dims[i], 8);
    put_uint(b, type, 4);
    put_uint(b, offset, 8);
}

static void data(struct buf *b, size_t n)
{
    while (b->len % 32) buf_byte(b, 0);
    for (size_t i = 0; i < n; i++) buf_byte(b, (char)i);
}

static int open_it(struct buf *b)                          /* frees b */
{
    struct gguf g;
    T_OK(file_write(path, b->p ? b->p : "", b->len));
    buf_free(b);
    int r = gguf_open(path, &g);
    if (!r) gguf_close(&g);
    return r;
}

static void refuse(struct buf b, const char *text) { T_FAIL(open_it(&b), text); }

static struct buf headed(uint64_t version, uint64_t tensors, uint64_t keys)
{
    struct buf b = {0};
    head(&b, version, tensors, keys);
    return b;
}

/* One key, one 2x32 tensor of Q8_0 and one of F32 behind it. */
static struct buf sound(void)
{
    struct buf b = headed(3, 2, 1);
    key(&b, "a.list", 9);
    put_uint(&b, 8, 4);
    put_uint(&b, 2, 8);
    put_text(&b, "x");
    put_text(&b, "yz");
    tensor(&b, "b", 2, (uint64_t[]){ 32, 2 }, 8, 0);
    tensor(&b, "a", 1, (uint64_t[]){ 3 }, 0, 96);
    data(&b, 96 + 12);
    return b;
}

static void test_sound(void)
{
    struct buf b = sound();
    struct gguf g;
    T_OK(file_write(path, b.p, b.len));
    buf_free(&b);
    T_CHECK(gguf_is(path) && !gguf_is(dir) && !gguf_is("/nowhere"));
    T_OK(gguf_open(path, &g));
    const struct st_tensor *t = gguf_find(&g, "b");
    T_CHECK(t && t->ndim == 2 && t->dims[0] == 2 && t->dims[1] == 32 && t->n == 64 && t->bytes == 68);
    t = gguf_find(&g, "a");
    T_CHECK(t && t->p == gguf_find(&g, "b")->p + 96 && !gguf_find(&g, "c"));
    T_INT(json_array_size(json_object_get(g.meta, "a.list")), 2);
    gguf_close(&g);
    b = headed(2, 0, 0);
    T_OK(open_it(&b));
}

static void test_cuts(void)
{
    struct buf whole = sound();
    for (size_t n = 0; n < whole.len; n++) {
        struct buf b = {0};
        buf_add(&b, whole.p, n);
        T_INT(open_it(&b), -1);
    }
    buf_free(&whole);
}

static void test_heads(void)
{
    struct buf b = {0};
    buf_str(&b, "GGML");
    refuse(b, "not a GGUF file");
    refuse(headed(1, 0, 0), "version 1");
    refuse(headed(4, 0, 0), "version 4");
    refuse(headed(0x03000000, 0, 0), "big-endian");
    refuse(headed(3, 1 << 30, 0), "tensors, at most");
    refuse(headed(3, (uint64_t)-1, 0), "tensors, at most");
    refuse(headed(3, 0, 1ull << 40), "keys of metadata");
    refuse(headed(3, 0, 1), "ends within its header");
}

static struct buf one_key(const char *name, int kind)
{
    struct buf b = headed(3, 0, 1);
    key(&b, name, kind);
    return b;
}

static struct buf array_of(uint64_t kind, uint64_t n)
{
    struct buf b = one_key("a", 9);
    put_uint(&b, kind, 4);
    put_uint(&b, n, 8);
    return b;
}

static void test_metadata(void)
{
    refuse(one_key("", 0), "a name of 0 bytes");
    refuse(one_key("a", 13), "unknown type 13");
    refuse(one_key("a", 4), "metadata: a: the file ends");
    refuse(array_of(99, 1), "unknown type 99");
    refuse(array_of(0, 1ull << 60), "an array of");
    refuse(array_of(8, (uint64_t)-1), "an array of");
    struct buf b = array_of(9, 1);
    for (int i = 0; i < 6; i++) put_uint(&b, 9, 4), put_uint(&b, 1, 8);
    refuse(b, "nested deeper");
    b = one_key("a", 8);
    put_uint(&b, (uint64_t)-1, 8);
    refuse(b, "text of");
    b = one_key("a", 7);
    put_uint(&b, 2, 1);
    refuse(b, "truth value");
    b = headed(3, 0, 2);
    for (int i = 0; i < 2; i++) key(&b, "a", 0), put_uint(&b, 1, 1);
    refuse(b, "a comes twice");
    b = one_key("\xff\xfe", 0);
    put_uint(&b, 1, 1);
    refuse(b, "not UTF-8");
    b = array_of(0, (1 << 22) + 5);
    for (int i = 0; i < (1 << 22) + 5; i++) buf_byte(&b, 1);
    refuse(b, "more than");
    b = one_key("general.alignment", 4);
    put_uint(&b, 0, 4);
    refuse(b, "general.alignment");
}

static struct buf one_tensor(int ndim, const uint64_t *dims, uint64_t type, uint64_t offset, size_t bytes)
{
    struct buf b = headed(3, 1, 0);
    tensor(&b, "t", ndim, dims, type, offset);
    data(&b, bytes);
    return b;
}

static void test_tensors(void)
{
    static const uint64_t four[5] = { 4, 1, 1, 1, 1 }, huge[] = { 1ull << 40, 1ull << 40 }, negative[] = { (uint64_t)-1 }, none[] = { 0 };
    refuse(one_tensor(0, four, 0, 0, 16), "0 dimensions");
    refuse(one_tensor(5, four, 0, 0, 16), "5 dimensions");
    refuse(one_tensor(1, none, 0, 0, 16), "a side of 0");
    refuse(one_tensor(2, huge, 0, 0, 16), "shape");
    refuse(one_tensor(1, negative, 0, 0, 16), "shape");
    refuse(one_tensor(1, (uint64_t[]){ 1ull << 62 }, 0, 0, 16), "too large");
    refuse(one_tensor(1, four, 10, 0, 16), "type 10 is not supported");
    refuse(one_tensor(1, four, 8, 0, 34), "rows of 4");
    refuse(one_tensor(1, four, 0, 32, 64), "data at 32, want 0");
    refuse(one_tensor(1, four, 0, (uint64_t)-32, 64), "want 0");
    refuse(one_tensor(1, four, 0, 0, 15), "not within the 15 bytes");
    struct buf b = headed(3, 2, 0);
    tensor(&b, "a", 1, four, 0, 0);
    tensor(&b, "b", 1, four, 0, 0);
    data(&b, 64);
    refuse(b, "tensor b: data at 0, want 32");
    b = headed(3, 2, 0);
    tensor(&b, "a", 1, four, 0, 0);
    tensor(&b, "a", 1, four, 0, 32);
    data(&b, 64);
    refuse(b, "tensor a comes twice");
}

int main(void)
{
    if (!mkdtemp(dir)) return 1;
    path = file_join(dir, "x.gguf");
    T_RUN(test_sound);
    T_RUN(test_cuts);
    T_RUN(test_heads);
    T_RUN(test_metadata);
    T_RUN(test_tensors);
    free(path);
    return dir_remove(dir) || t_end();
}
