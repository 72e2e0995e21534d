/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <unistd.h>
#include "store/safetensors.h"
#include "t.h"

static char dir[] = "/tmp/t_safetensors.XXXXXX";

static char *in_dir(const char *name) { return file_join(dir, name); }

/* A file of a header's text and data of n bytes. */
static void put(const char *name, const char *header, size_t len, size_t n)
{
    struct buf b = {0};
    char *path = in_dir(name);
    for (int i = 0; i < 8; i++) buf_byte(&b, (char)(len >> 8 * i & 0xff));
    buf_str(&b, header);
    for (size_t i = 0; i < n; i++) buf_byte(&b, (char)i);
    T_OK(file_write(path, b.p, b.len));
    buf_free(&b);
    free(path);
}

static int open_it(const char *name)
{
    struct safetensors s;
    char *path = in_dir(name);
    int r = st_open(path, &s);
    free(path);
    if (!r) st_close(&s);
    return r;
}

static void refuse(const char *header, size_t n, const char *text)
{
    put("bad.safetensors", header, strlen(header), n);
    T_FAIL(open_it("bad.safetensors"), text);
}

#define AT(name, dtype, shape, b, e) "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" b "," e "]}"

static void test_refusals(void)
{
    refuse("{" AT("a", "F32", "[2]", "0", "8") "}", 7, "not within");
    refuse("{" AT("a", "F32", "[2]", "0", "8") "}", 9, "behind the last tensor");
    refuse("{" AT("a", "F32", "[3]", "0", "8") "}", 8, "the shape takes 12");
    refuse("{" AT("a", "F32", "[2]", "8", "0") "}", 8, "not within");
    refuse("{" AT("a", "F32", "[2]", "-8", "0") "}", 8, "not within");
    refuse("{" AT("a", "F32", "[2]", "4", "12") "}", 12, "leaves a gap");
    refuse("{" AT("a", "F32", "[2]", "0", "8") "," AT("b", "F32", "[1]", "4", "8") "}", 8, "overlaps");
    refuse("{" AT("a", "F32", "[1]", "0", "4") "," AT("a", "F32", "[1]", "4", "8") "}", 8, "duplicate");
    refuse("{" AT("a", "F32", "[-1]", "0", "4") "}", 4, "shape");
    refuse("{" AT("a", "F32", "[4294967296,4294967296]", "0", "4") "}", 4, "too large");
    refuse("{" AT("a", "F32", "[9223372036854775807]", "0", "4") "}", 4, "too large");
    refuse("{" AT("a", "F4", "[8]", "0", "4") "}", 4, "dtype");
    refuse("{" AT("a", "F32", "[1,1,1,1,1,1,1,1,1]", "0", "4") "}", 4, "dimensions");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "data_offsets");
    refuse("{\"a\":[]}", 0, "want an object");
    refuse("[]", 0, "want an object");
    refuse("{", 0, "line 1");
}

static void test_lengths(void)
{
    put("bad.safetensors", "{}", 3, 0);
    T_FAIL(open_it("bad.safetensors"), "header of 3 bytes");
    put("bad.safetensors", "{}", (size_t)-1, 0);
    T_FAIL(open_it("bad.safetensors"), "header of");
    char *path = in_dir("bad.safetensors");
    T_OK(file_write(path, "1234567", 7));
    T_FAIL(open_it("bad.safetensors"), "too short");
    free(path);
    T_FAIL(open_it("none.safetensors"), "No such file");
    put("empty.safetensors", "{}", 2, 0);
    T_OK(open_it("empty.safetensors"));
}

/* Every cut of a good file is noticed. */
static void test_cuts(void)
{
    put("bad.safetensors", "{" AT("a", "F32", "[2]", "0", "8") "}", strlen("{" AT("a", "F32", "[2]", "0", "8") "}"), 8);
    T_OK(open_it("bad.safetensors"));
    struct buf b = {0};
    char *path = in_dir("bad.safetensors");
    T_OK(file_read(path, 1000, &b));
    for (size_t n = 0; n < b.len; n++) {
        T_OK(file_write(path, b.p, n));
        T_INT(open_it("bad.safetensors"), -1);
    }
    buf_free(&b);
    free(path);
}

/* To nearest, ties to even, by the definition: no bf16 number is nearer. */
static void test_numbers(void)
{
    static const struct { float x; uint16_t h; } known[] = {
        { 1.0f, 0x3f80 }, { 1.00390625f, 0x3f80 }, { 1.01171875f, 0x3f82 }, { 1.004f, 0x3f81 }, { -0.0f, 0x8000 },
        { 3.4e38f, 0x7f80 }, { INFINITY, 0x7f80 }, { -INFINITY, 0xff80 }, { 1e-45f, 0x0000 }, { 0x1p-133f, 0x0001 } };
    for (int i = 0; i < countof(known); i++) T_INT(bf16_of_f32(known[i].x), known[i].h);
    T_CHECK(isnan(f32_of_bf16(bf16_of_f32(NAN))));
    for (int h = 0; h < 65536; h++) {
        float x = f32_of_bf16((uint16_t)h);
        T_CHECK(isnan(x) || bf16_of_f32(x) == h);
        int e = h >> 10 & 31, f = h & 1023;
        double want = (e ? ldexp(1024 + f, e - 25) : ldexp(f, -24)) * (h & 0x8000 ? -1 : 1);
        if (e < 31) T_CHECK((double)f32_of_f16((uint16_t)h) == want);
        else T_CHECK(f ? isnan(f32_of_f16((uint16_t)h)) : isinf(f32_of_f16((uint16_t)h)));
    }
}

static int write_two(const char *path)
{
    static const float a[3] = { 1, -2.5f, 1.004f };
    static const uint16_t b[4] = { 0x3f80, 0xc000, 0x4049, 0 };
    struct st_tensor v[] = { { .name = "z \"quoted\"", .t = ST_F32, .ndim = 1, .dims = { 3 } }, { .name = "b", .t = ST_BF16, .ndim = 2, .dims = { 2, 2 } } };
    struct st_writer *w = st_create(path, v, 2);
    if (!w) return -1;
    if (st_write(w, a, 4) || st_write(w, a + 1, 8) || st_write(w, b, 8)) {
        st_abandon(w);
        return -1;
    }
    return st_finish(w);
}

static void test_write_and_read(void)
{
    char *path = in_dir("two.safetensors");
    struct safetensors s;
    float x[4];
    uint16_t h[4];
    T_OK(write_two(path));
    T_OK(st_open(path, &s));
    const struct st_tensor *z = st_find(&s, "z \"quoted\""), *b = st_find(&s, "b");
    T_CHECK(z && b && !st_find(&s, "c"));
    T_CHECK(((uintptr_t)z->p & 63) == 0);
    T_INT(b->ndim, 2);
    st_get_f32(b, 1, 3, x);
    T_CHECK(x[0] == -2 && x[1] == 3.140625f && x[2] == 0);
    st_get_bf16(z, 0, 3, h);
    T_CHECK(h[0] == 0x3f80 && h[1] == 0xc020 && h[2] == 0x3f81);
    st_close(&s);
    free(path);
}

static void test_full_disk(void)
{
    T_FAIL(write_two("/nowhere/x.safetensors"), "/nowhere/x.safetensors");
    struct st_tensor v = { .name = "a", .t = ST_U8, .ndim = 1, .dims = { 4 << 20 } };
    char *path = in_dir("full.safetensors"), *tmp = mem_fmt("%s.tmp.%ld", path, (long)getpid()), *big = mem_alloc(4 << 20);
    T_INT(symlink("/dev/full", tmp), 0);
    struct st_writer *w = st_create(path, &v, 1);
    T_CHECK(w);
    int bad = w ? st_write(w, big, 4 << 20) : 0;
    T_FAIL(bad, "No space left");
    st_abandon(w);
    T_CHECK(!file_exists(path) && access(tmp, F_OK));
    free(path);
    free(tmp);
    free(big);
}

static void index_file(const char *text)
{
    char *path = in_dir("model.safetensors.index.json");
    T_OK(file_write(path, text, strlen(text)));
    free(path);
}

static int open_dir(void)
{
    struct safetensors s;
    int r = st_open_dir(dir, &s);
    if (!r) st_close(&s);
    return r;
}

static void test_shards(void)
{
    static const char a[] = "{" AT("a", "F32", "[1]", "0", "4") "}", b[] = "{" AT("b", "F32", "[1]", "0", "4") "}";
    put("1.safetensors", a, strlen(a), 4);
    put("2.safetensors", b, strlen(b), 4);
    T_FAIL(open_dir(), "neither");
    index_file("{\"weight_map\": {\"a\": \"1.safetensors\", \"b\": \"2.safetensors\"}}");
    T_OK(open_dir());
    index_file("{\"weight_map\": {\"a\": \"1.safetensors\", \"c\": \"2.safetensors\"}}");
    T_FAIL(open_dir(), "tensor c is in no file");
    index_file("{\"weight_map\": {\"a\": \"../1.safetensors\"}}");
    T_FAIL(open_dir(), "beside the index");
    index_file("{\"weight_map\": {\"a\": \"3.safetensors\"}}");
    T_FAIL(open_dir(), "3.safetensors");
    index_file("{\"weight_map\": []}");
    T_FAIL(open_dir(), "weight_map");
    put("2.safetensors", a, strlen(a), 4);
    index_file("{\"weight_map\": {\"a\": \"1.safetensors\", \"b\": \"2.safetensors\"}}");
    T_FAIL(open_dir(), "comes twice");
}

int main(void)
{
    if (!mkdtemp(dir)) return 1;
    T_RUN(test_refusals);
    T_RUN(test_lengths);
    T_RUN(test_cuts);
    T_RUN(test_numbers);
    T_RUN(test_write_and_read);
    T_RUN(test_full_disk);
    T_RUN(test_shards);
    return dir_remove(dir) || t_end();
}
