/* SPDX-License-Identifier: Apache-2.0
 * Hostile and damaged images and archives. Each case: a file to write, the reference under which a record would name
 * it, and a part of the message with which reading that reference must fail.
 */
#ifndef TESTS_BAD_BAD_H
#define TESTS_BAD_BAD_H

#include "make.h"

static inline uint32_t bad_crc(const uint8_t *p, size_t n)
{
    uint32_t c = 0xffffffff;
    for (size_t i = 0; i < n; i++) {
        c ^= p[i];
        for (int k = 0; k < 8; k++) c = c & 1 ? c >> 1 ^ 0xedb88320 : c >> 1;
    }
    return ~c;
}

static inline void bad_be32(uint8_t *p, uint32_t v) { p[0] = (uint8_t)(v >> 24), p[1] = (uint8_t)(v >> 16), p[2] = (uint8_t)(v >> 8), p[3] = (uint8_t)v; }
static inline void bad_le32(uint8_t *p, uint32_t v) { p[3] = (uint8_t)(v >> 24), p[2] = (uint8_t)(v >> 16), p[1] = (uint8_t)(v >> 8), p[0] = (uint8_t)v; }

static inline void bad_sound_png(struct buf *out)
{
    struct image im = make_image(40, 30);
    if (image_write_png(&im, out)) abort();
    image_free(&im);
}

static inline void bad_sound_jpeg(struct buf *out, bool progressive)
{
    struct image im = make_image(40, 30);
    make_jpeg(out, &im, progressive);
    image_free(&im);
}

static inline void bad_cut(struct buf *b, size_t n) { b->p[b->len = n] = 0; }

/* ---- images ---- */

/* A sound PNG whose header claims another size (with the right checksum). */
static inline void bad_png_sized(struct buf *out, uint32_t w, uint32_t h)
{
    bad_sound_png(out);
    uint8_t *ihdr = (uint8_t *)out->p + 12;
    bad_be32(ihdr + 4, w);
    bad_be32(ihdr + 8, h);
    bad_be32(ihdr + 17, bad_crc(ihdr, 17));
}

static inline void bad_png_huge(struct buf *out) { bad_png_sized(out, 1000000, 1000000); }
static inline void bad_png_wide(struct buf *out) { bad_png_sized(out, 0x7fffffff, 1); }
static inline void bad_png_zero(struct buf *out) { bad_png_sized(out, 0, 0); }
static inline void bad_png_taller(struct buf *out) { bad_png_sized(out, 40, 31); }

static inline void bad_png_cut(struct buf *out)
{
    bad_sound_png(out);
    bad_cut(out, out->len / 2);
}

static inline void bad_png_flipped(struct buf *out)
{
    bad_sound_png(out);
    out->p[out->len / 2] ^= 4;
}

static inline void bad_jpeg_huge(struct buf *out)
{
    bad_sound_jpeg(out, false);
    for (size_t i = 0; i + 9 < out->len; i++)
        if (!memcmp(out->p + i, "\xff\xc0", 2)) memcpy(out->p + i + 5, "\xfd\xe8\xfd\xe8", 4);    /* 65000 x 65000 */
}

static inline void bad_jpeg_cut(struct buf *out)
{
    bad_sound_jpeg(out, false);
    bad_cut(out, out->len * 9 / 10);
}

static inline void bad_jpeg_cut_progressive(struct buf *out)
{
    bad_sound_jpeg(out, true);
    bad_cut(out, out->len * 9 / 10);
}

/* The same refinement scan some thousand times: bytes are few, passes over the picture are many. */
static inline void bad_jpeg_scans(struct buf *out)
{
    struct buf b = {0};
    bad_sound_jpeg(&b, true);
    size_t scan = 0, end = b.len - 2;
    for (size_t i = 0; i + 1 < end; i++)
        if (!memcmp(b.p + i, "\xff\xda", 2)) scan = i;
    buf_add(out, b.p, end);
    for (int i = 0; i < 1000; i++) buf_add(out, b.p + scan, end - scan);
    buf_add(out, b.p + end, 2);
    buf_free(&b);
}

static inline void bad_webp_huge(struct buf *out)
{
    struct image im = make_image(40, 30);
    make_webp(out, &im, false);
    image_free(&im);
    memcpy(out->p + 26, "\xff\x3f\xff\x3f", 4);      /* the key frame's width and height, 14 bits each */
}

static inline void bad_webp_cut(struct buf *out)
{
    struct image im = make_image(40, 30);
    make_webp(out, &im, true);
    image_free(&im);
    bad_cut(out, out->len - 9);
}

static inline void bad_text(struct buf *out) { buf_str(out, "<html>404 not found</html>\n"); }
static inline void bad_empty(struct buf *out) { buf_str(out, ""); }

/* ---- archives that hold a.png ---- */

static inline void bad_archive(struct buf *out, const char *format)
{
    struct buf png = {0};
    bad_sound_png(&png);
    make_archive(out, format, &(struct make_member){ .name = "a.png", .p = png.p, .n = png.len }, 1);
    buf_free(&png);
}

static inline uint8_t *bad_find(struct buf *b, const char *sig)
{
    for (size_t i = 0; i + 4 <= b->len; i++)
        if (!memcmp(b->p + i, sig, 4)) return (uint8_t *)b->p + i;
    abort();
}

static inline void bad_zip_cut(struct buf *out)
{
    bad_archive(out, "zip");
    bad_cut(out, out->len - 1);
}

static inline void bad_zip_offset(struct buf *out)
{
    bad_archive(out, "zip");
    bad_le32(bad_find(out, "PK\1\2") + 42, 0x7fffffff);
}

static inline void bad_zip_directory(struct buf *out)
{
    bad_archive(out, "zip");
    bad_le32(bad_find(out, "PK\5\6") + 12, 0x7fffffff);
}

static inline void bad_zip_names(struct buf *out)
{
    bad_archive(out, "zip");
    memset(bad_find(out, "PK\1\2") + 28, 0xff, 2);
}

static inline void bad_zip_encrypted(struct buf *out)
{
    bad_archive(out, "zip");
    bad_find(out, "PK\3\4")[6] |= 1;
    bad_find(out, "PK\1\2")[8] |= 1;
}

static inline void bad_zip_flipped(struct buf *out)
{
    bad_archive(out, "store");
    bad_find(out, "IDAT")[9] ^= 1;
}

/* A member larger than the default limit, in few bytes. */
static inline void bad_bomb(struct buf *out, const char *format, size_t n)
{
    char *zeros = mem_alloc(n);
    make_archive(out, format, &(struct make_member){ .name = "a.png", .p = zeros, .n = n }, 1);
    free(zeros);
}

enum { BAD_BOMB = (256 << 20) + 1 };
static inline void bad_zip_bomb(struct buf *out) { bad_bomb(out, "zip", BAD_BOMB); }
static inline void bad_tar_bomb(struct buf *out) { bad_bomb(out, "tar.gz", BAD_BOMB); }

static inline void bad_tar_cut(struct buf *out)
{
    bad_archive(out, "tar");
    bad_cut(out, 600);
}

static inline void bad_xz_cut(struct buf *out)
{
    bad_archive(out, "tar.xz");
    bad_cut(out, out->len / 2);
}

static inline void bad_tar_link(struct buf *out)
{
    make_archive(out, "tar", &(struct make_member){ .name = "a.png", .type = AE_IFLNK, .link = "/etc/passwd" }, 1);
}

static inline void bad_tar_hard_link(struct buf *out)
{
    make_archive(out, "tar.gz", &(struct make_member){ .name = "a.png", .link = "/etc/passwd" }, 1);
}

static inline void bad_tar_device(struct buf *out)
{
    make_archive(out, "tar", &(struct make_member){ .name = "a.png", .type = AE_IFCHR }, 1);
}

/* A format whose "contents" are files of the reader's own disk. */
static inline void bad_mtree(struct buf *out)
{
    buf_str(out, "#mtree\n./a.png type=file contents=/etc/passwd\n");
}

struct bad_case { const char *file, *ref, *message; void (*make)(struct buf *out); bool slow; };

static const struct bad_case bad_cases[] = {
    { "huge.png", "huge.png", "more than", bad_png_huge, false },
    { "wide.png", "wide.png", "PNG: ", bad_png_wide, false },
    { "zero.png", "zero.png", "PNG: ", bad_png_zero, false },
    { "taller.png", "taller.png", "PNG: ", bad_png_taller, false },
    { "cut.png", "cut.png", "truncated PNG", bad_png_cut, false },
    { "flipped.png", "flipped.png", "PNG: ", bad_png_flipped, false },
    { "huge.jpg", "huge.jpg", "more than", bad_jpeg_huge, false },
    { "cut.jpg", "cut.jpg", "truncated JPEG", bad_jpeg_cut, false },
    { "cut2.jpg", "cut2.jpg", "truncated JPEG", bad_jpeg_cut_progressive, false },
    { "scans.jpg", "scans.jpg", "scans", bad_jpeg_scans, false },
    { "huge.webp", "huge.webp", "more than", bad_webp_huge, false },
    { "cut.webp", "cut.webp", "truncated WebP", bad_webp_cut, false },
    { "text.png", "text.png", "not a PNG, JPEG or WebP", bad_text, false },
    { "empty.png", "empty.png", "empty image", bad_empty, false },
    { "missing", "none.png", "No such file", bad_text, false },
    { "up", "../up", "out of the image folder", bad_text, false },
    { "root", "/etc/passwd", "out of the image folder", bad_text, false },
    { "cut.zip", "cut.zip!a.png", "truncated?", bad_zip_cut, false },
    { "offset.zip", "offset.zip!a.png", "outside the file", bad_zip_offset, false },
    { "directory.zip", "directory.zip!a.png", "damaged end record", bad_zip_directory, false },
    { "names.zip", "names.zip!a.png", "damaged central directory", bad_zip_names, false },
    { "encrypted.zip", "encrypted.zip!a.png", "ncrypt", bad_zip_encrypted, false },
    { "flipped.zip", "flipped.zip!a.png", "flipped.zip", bad_zip_flipped, false },
    { "bomb.zip", "bomb.zip!a.png", "larger than", bad_zip_bomb, true },
    { "bomb.tar.gz", "bomb.tar.gz!a.png", "larger than", bad_tar_bomb, true },
    { "cut.tar", "cut.tar!a.png", "runcated", bad_tar_cut, false },
    { "cut.tar.xz", "cut.tar.xz!a.png", "cut.tar.xz", bad_xz_cut, false },
    { "link.tar", "link.tar!a.png", "no such member", bad_tar_link, false },
    { "hard.tar.gz", "hard.tar.gz!a.png", "no such member", bad_tar_hard_link, false },
    { "device.tar", "device.tar!a.png", "no such member", bad_tar_device, false },
    { "mtree.tar", "mtree.tar!a.png", "nrecognized", bad_mtree, false },
    { "text.zip", "text.zip!a.png", "nrecognized", bad_text, false },
};

#endif
