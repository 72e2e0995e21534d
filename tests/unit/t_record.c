/* SPDX-License-Identifier: Apache-2.0
 * The wire, values, streams: what is written is read back, what is damaged is refused. */
#include <stdlib.h>
#include "record/record.h"
#include "record/wire.h"
#include "t.h"

static FILE *file_of(const void *p, size_t n)      /* a real file: the reader works on descriptors */
{
    FILE *f = tmpfile();
    if (!f || fwrite(p, 1, n, f) != n || fflush(f)) abort();
    rewind(f);
    return f;
}

static struct record *sample(uint64_t number)
{
    struct record *r = rec_new();
    msgpack_zone *z = &r->zone;
    const uint32_t tok[3] = { 1, 70000, UINT32_MAX };
    const float lp[2] = { -0.5f, -1e-7f };
    r->number = number;
    val_set(z, &r->root, "id", val_of_cstr(z, "chart/17"));
    val_set(z, &r->root, "n", val_of_i64(-300));
    val *path = val_set_map(z, &r->root, "path");
    struct val_list steps = { 0 };
    for (int i = 0; i < 20; i++) {
        val s = val_map();
        val_set(z, &s, "name", val_of_cstr(z, "look"));
        val_set(z, &s, "score", val_of_f64(i / 10.0));
        val_push(z, &steps, s);
    }
    val_set(z, path, "steps", val_of_list(&steps));
    val_set(z, path, "correct", val_of_bool(true));
    val_set(z, path, "tokens", val_of_u32s(z, tok, 3));
    val_set(z, path, "logprobs", val_of_f32s(z, lp, 2));
    val_set(z, &r->root, "data", val_of_bin(z, "a\0b", 3));
    val_set(z, &r->root, "none", val_nil());
    return r;
}

static void stream_of(int n, struct buf *out)
{
    FILE *f = tmpfile();
    struct rec_writer *w = rec_writer_new(f, "out");
    struct rec_prov me = { .program = "t", .version = "1", .seed = UINT64_MAX, .has_seed = true };
    T_OK(rec_write_header(w, NULL, &me));
    for (int i = 0; i < n; i++) {
        struct record *r = sample(0);
        T_OK(rec_write(w, r));
        rec_free(r);
    }
    T_OK(rec_writer_close(w));
    rewind(f);
    char c[4096];
    for (size_t k; (k = fread(c, 1, sizeof c, f)) > 0; ) buf_add(out, c, k);
    fclose(f);
}

static int read_all(const void *p, size_t n, int *records)
{
    FILE *f = file_of(p, n);
    struct rec_reader *in = rec_reader_new(f, "in");
    struct record *r = rec_new();
    int got;
    for (*records = 0; (got = rec_read(in, r)) > 0; ) ++*records;
    rec_free(r);
    rec_reader_free(in);
    fclose(f);
    return got;
}

static void values_round_trip(void)
{
    struct record *a = sample(1), *b = rec_new(), *c = rec_copy(a);
    struct buf p = {0}, q = {0};
    T_OK(rec_pack(a, &p));
    T_OK(rec_unpack(b, p.p, p.len));
    T_CHECK(val_equal(&a->root, &b->root) && val_equal(&a->root, &c->root));
    T_OK(rec_pack(b, &q));
    T_CHECK(p.len == q.len && !memcmp(p.p, q.p, p.len));
    const uint32_t *u;
    const float *f;
    size_t n;
    double x;
    int64_t i;
    T_CHECK(val_u32s(val_path(&b->root, "path.tokens"), &u, &n) && n == 3 && u[1] == 70000);
    T_INT((uintptr_t)u % 4, 0);
    T_CHECK(val_f32s(val_path(&b->root, "path.logprobs"), &f, &n) && n == 2 && f[1] == -1e-7f);
    T_CHECK(!val_f32s(val_path(&b->root, "path.tokens"), &f, &n));
    T_INT(val_len(val_path(&b->root, "path.steps")), 20);
    T_CHECK(val_f64(val_get(val_at(val_path(&b->root, "path.steps"), 13), "score"), &x) && x == 1.3);
    T_CHECK(val_i64(val_get(&b->root, "n"), &i) && i == -300);
    T_CHECK(!val_path(&b->root, "path.steps.name") && !val_path(&b->root, "nothing.at.all") && !val_at(val_path(&b->root, "path.steps"), 20));
    T_INT(rec_kind_of(b), REC_PATH);
    char label[64];
    T_STR(rec_label(a, label, sizeof label), "record 1 (id chart/17)");
    rec_free(a);
    rec_free(b);
    rec_free(c);
    buf_free(&p);
    buf_free(&q);
}

static void changing_values(void)
{
    struct record *r = rec_new();
    msgpack_zone *z = &r->zone;
    for (int i = 0; i < 40; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        val_set(z, &r->root, key, val_of_i64(i));
    }
    val_set(z, &r->root, "k7", val_of_cstr(z, "new"));
    T_INT(r->root.via.map.size, 40);
    T_CHECK(val_is_str(val_get(&r->root, "k7"), "new"));
    T_CHECK(val_remove(&r->root, "k0") && !val_remove(&r->root, "k0"));
    T_INT(r->root.via.map.size, 39);
    int64_t x;
    T_CHECK(val_i64(val_get(&r->root, "k39"), &x) && x == 39);
    val s = val_of_str(z, "a\xff\xc3\xa4\xed\xa0\x80z", 8);       /* invalid bytes become U+FFFD, one for each start */
    T_CHECK(val_is_str(&s, "a\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz"));
    rec_free(r);
}

static void integers_of_every_size(void)
{
    static const int64_t edge[] = { 0, 127, 128, 255, 256, 65535, 65536, 4294967295, 4294967296, INT64_MAX, -1, -32, -33,
                                    -128, -129, -32768, -32769, -2147483648LL, -2147483649LL, INT64_MIN };
    static const size_t size[] = { 1, 1, 2, 2, 3, 3, 5, 5, 9, 9, 1, 1, 2, 2, 3, 3, 5, 5, 9, 9 };
    for (int i = 0; i < countof(edge); i++) {
        struct buf b = {0};
        struct wire_token t;
        wire_put_i64(&b, edge[i]);
        T_INT(b.len, size[i]);
        T_INT(wire_next((uint8_t *)b.p, b.len, &t), 1);
        T_INT(t.type == W_INT ? t.x.i : (int64_t)t.x.u, edge[i]);
        T_INT(wire_next((uint8_t *)b.p, b.len - 1, &t), 0);
        buf_free(&b);
    }
}

static void bodies_of_every_size(void)
{
    static const uint32_t size[] = { 0, 1, 4, 15, 16, 31, 32, 255, 256, 65535, 65536 };
    char *text = mem_alloc(65536);
    memset(text, 'x', 65536);
    for (int i = 0; i < countof(size); i++)
        for (int kind = 0; kind < 3; kind++) {
            struct buf b = {0};
            struct wire_token t = {0};
            if (kind == 0) wire_put_str(&b, text, size[i]);
            else if (kind == 1) wire_put_bin(&b, text, size[i]);
            else wire_put_ext(&b, EXT_F32, text, size[i]);
            T_INT(wire_next((uint8_t *)b.p, b.len, &t), 1);
            T_CHECK(t.size == b.len && t.n == size[i] && t.type == (kind == 0 ? W_STR : kind == 1 ? W_BIN : W_EXT));
            T_INT(kind == 2 ? t.ext : EXT_F32, EXT_F32);
            buf_free(&b);
        }
    free(text);
}

static void streams(void)
{
    struct buf b = {0};
    int n;
    stream_of(3, &b);
    T_INT(read_all(b.p, b.len, &n), 0);
    T_INT(n, 3);
    size_t one = b.len;
    stream_of(0, &b);
    stream_of(2, &b);
    T_INT(read_all(b.p, b.len, &n), 0);            /* cat of three streams, one of them empty */
    T_INT(n, 5);
    for (size_t cut = 0; cut < one; cut++) {
        T_INT(read_all(b.p, cut, &n), -1);
        if (t_bad) { printf("# cut at byte %zu\n", cut); break; }
    }
    T_FAIL(read_all(b.p, one - 1, &n), "in: record 4 at byte");
    T_FAIL(read_all(b.p, 0, &n), "in: empty");
    buf_free(&b);
}

static void provenance_grows(void)
{
    struct buf b = {0};
    stream_of(0, &b);
    FILE *f = file_of(b.p, b.len);
    struct rec_reader *in = rec_reader_new(f, "in");
    T_CHECK(!rec_reader_header(in));
    T_OK(rec_read_header(in));
    T_CHECK(val_get(rec_reader_header(in), "provenance"));
    struct record *r = rec_new();
    char *args[] = { "cos-x", "--n", "3" };
    struct rec_prov me = { .program = "cos-x", .version = "2", .model = "abc", .argc = 3, .argv = args };
    val h = rec_header(&r->zone, rec_reader_header(in), &me), *chain = val_get(&h, "provenance");
    T_INT(val_len(chain), 2);
    T_CHECK(val_is_str(val_get(val_at(chain, 0), "program"), "t") && val_is_str(val_at(val_get(val_at(chain, 1), "args"), 1), "3"));
    T_CHECK(val_get(val_at(chain, 0), "seed")->via.u64 == UINT64_MAX && !val_get(val_at(chain, 1), "seed"));
    h = rec_header(&r->zone, rec_reader_header(in), NULL);
    T_CHECK(!val_get(&h, "provenance"));
    rec_free(r);
    rec_reader_free(in);
    fclose(f);
    buf_free(&b);
}

#define HEADER "\x82\xa3" "cos\x01\xa4" "kind\xa6" "header"
#define TRAILER(n) "\x83\xa3" "cos\x01\xa4" "kind\xa7" "trailer\xa5" "count" n
#define READ(bytes) read_all(bytes, sizeof(bytes) - 1, &n)

static void hostile_streams(void)
{
    int n;
    T_INT(READ(HEADER "\x80" TRAILER("\x01")), 0);
    T_INT(n, 1);
    T_FAIL(READ("{\"id\": 1}\n"), "JSON lines");
    T_FAIL(READ("\x80"), "no header");
    T_FAIL(READ("\x82\xa3" "cos\x02\xa4" "kind\xa6" "header"), "schema version 2, this program reads 1");
    T_FAIL(READ("\x82\xa3" "cos\xa1x\xa4" "kind\xa6" "header"), "no schema version");
    T_FAIL(READ(HEADER HEADER), "a header inside a stream");
    T_FAIL(READ(HEADER TRAILER("\x01")), "the trailer counts 1 records, there were 0");
    T_FAIL(READ(HEADER TRAILER("\xff")), "the trailer counts -1");
    T_FAIL(READ(HEADER TRAILER("\x00") "\x80"), "behind the trailer");
    T_FAIL(READ(HEADER "\xc1"), "byte 0xc1 is not msgpack");
    T_FAIL(READ(HEADER "\x90"), "not a map");
    T_FAIL(READ(HEADER "\xdf\xff\xff\xff\xff"), "larger than 256 MiB");
    T_FAIL(READ(HEADER "\x81\xa1" "a\xdd\xff\xff\xff\xff"), "larger than 256 MiB");
    T_FAIL(READ(HEADER "\x81\xa1" "a\xdb\x7f\xff\xff\xff"), "larger than 256 MiB");
    T_FAIL(READ(HEADER "\x81\xa1" "a\xdb\x00\xff\xff\xff" "short"), "record 1 at byte 18: cut off after 13 bytes");
    T_FAIL(READ(HEADER "\x81\x01\x01"), "a map key that is not a string");
    T_FAIL(READ(HEADER "\x82\xa1" "a\x01\xa1" "a\x02"), "key \"a\" twice");
    T_FAIL(READ(HEADER "\x81\xa1\xff\x01"), "UTF-8");
    T_FAIL(READ(HEADER "\x81\xa1" "a\xa3\xed\xa0\x80"), "UTF-8");
    T_FAIL(READ(HEADER "\x81\xa1" "a\xa2\xc0\xaf"), "UTF-8");
    T_FAIL(READ(HEADER "\x81\xa1" "a\xd6\x05" "1234"), "ext type 5 is unknown");
    T_FAIL(READ(HEADER "\x81\xa1" "a\xd5\x01" "12"), "not a multiple of 4");
    T_FAIL(READ(HEADER "\x82\xa1" "a\x01\xa3" "cos\x01"), "\"cos\" is reserved");
    T_INT(READ(HEADER "\x81\xa1" "a\x81\xa3" "cos\x01" TRAILER("\x01")), 0);      /* deeper down it is free */
}

static void nesting(void)
{
    for (int depth = REC_DEPTH - 1; depth <= REC_DEPTH; depth++) {     /* of arrays inside the record's map */
        struct buf b = {0};
        int n;
        buf_add(&b, HEADER, sizeof HEADER - 1);
        buf_str(&b, "\x81\xa1" "a");
        for (int i = 0; i < depth; i++) buf_byte(&b, (char)0x91);
        buf_byte(&b, 1);
        buf_add(&b, TRAILER("\x01"), sizeof TRAILER("\x01") - 1);
        if (depth < REC_DEPTH) T_INT(read_all(b.p, b.len, &n), 0);
        else T_FAIL(read_all(b.p, b.len, &n), "nested deeper than 32");
        buf_free(&b);
    }
    struct record *r = rec_new();
    val v = val_of_i64(1);
    for (int i = 0; i < REC_DEPTH; i++) {
        val a = val_array(&r->zone, 1);
        *val_at(&a, 0) = v;
        v = a;
    }
    val_set(&r->zone, &r->root, "a", v);
    struct buf b = {0};
    T_FAIL(rec_pack(r, &b), "nested deeper than 32");
    buf_free(&b);
    rec_free(r);
}

static void many_keys(void)                        /* beyond the list on the stack, and none of them twice */
{
    for (int twice = 0; twice < 2; twice++) {
        struct buf b = {0};
        wire_put_map(&b, 3000);
        for (int i = 0; i < 3000; i++) {
            char key[32];
            snprintf(key, sizeof key, "a rather long key %d", twice && i == 2999 ? 17 : i);
            wire_put_str(&b, key, (uint32_t)strlen(key));
            wire_put_i64(&b, i);
        }
        if (twice) T_FAIL(rec_check_packed(b.p, b.len), "key \"a rather long key 17\" twice");
        else T_OK(rec_check_packed(b.p, b.len));
        buf_free(&b);
    }
}

static void damaged_bytes(void)                    /* any byte of a record changed: refused or another valid record */
{
    struct record *r = sample(1), *back = rec_new();
    struct buf p = {0}, q = {0};
    int refused = 0;
    T_OK(rec_pack(r, &p));
    for (size_t i = 0; i < p.len; i++)
        for (int x = 0; x < 256; x++) {
            char old = p.p[i];
            p.p[i] = (char)x;
            if (rec_unpack(back, p.p, p.len)) refused++;
            else { buf_clear(&q); T_OK(rec_pack(back, &q)); T_OK(rec_check_packed(q.p, q.len)); }
            p.p[i] = old;
        }
    T_CHECK(refused > 1000);
    buf_free(&p);
    buf_free(&q);
    rec_free(r);
    rec_free(back);
}

static void packed_streams(void)
{
    struct buf b = {0}, one = {0}, all = {0};
    stream_of(2, &b);
    FILE *f = file_of(b.p, b.len);
    struct rec_reader *in = rec_reader_new(f, "in");
    uint64_t number;
    T_INT(rec_read_packed(in, &one, &number), 1);
    size_t n = one.len;
    T_INT(rec_read_packed(in, &one, &number), 1);
    T_INT(number, 2);
    T_CHECK(one.len == 2 * n && !memcmp(one.p, one.p + n, n));
    T_INT(rec_read_packed(in, &one, &number), 0);
    FILE *g = tmpfile();
    struct rec_writer *w = rec_writer_new(g, "out");
    struct rec_prov me = { .program = "t", .version = "1", .seed = UINT64_MAX, .has_seed = true };
    T_OK(rec_write_header(w, NULL, &me));
    T_OK(rec_write_packed(w, one.p, n));
    T_OK(rec_write_packed(w, one.p + n, n));
    T_INT(rec_writer_count(w), 2);
    T_OK(rec_writer_close(w));
    T_INT(ftell(g), b.len);
    rec_reader_free(in);
    fclose(f);
    fclose(g);
    buf_free(&b);
    buf_free(&one);
    buf_free(&all);
}

static void full_disk(void)
{
    FILE *f = fopen("/dev/full", "w");
    struct rec_writer *w = rec_writer_new(f, "out");
    T_FAIL(rec_writer_close(w), "out: No space left on device");
    fclose(f);
}

int main(void)
{
    T_RUN(values_round_trip);
    T_RUN(changing_values);
    T_RUN(integers_of_every_size);
    T_RUN(bodies_of_every_size);
    T_RUN(streams);
    T_RUN(provenance_grows);
    T_RUN(hostile_streams);
    T_RUN(nesting);
    T_RUN(many_keys);
    T_RUN(damaged_bytes);
    T_RUN(packed_streams);
    T_RUN(full_disk);
    return t_end();
}
