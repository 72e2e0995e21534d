/* SPDX-License-Identifier: Apache-2.0
 * Sound images and archives for tests, made by the libraries that read them.
 */
#ifndef TESTS_BAD_MAKE_H
#define TESTS_BAD_MAKE_H

#include <archive.h>
#include <archive_entry.h>
#include <png.h>
#include <stdbool.h>
#include <stdio.h>
#include <jpeglib.h>
#include <stdlib.h>
#include <string.h>
#include <webp/encode.h>
#include "media/image.h"

/* A smooth picture with an edge, so that every codec has something to do. */
static inline struct image make_image(int w, int h)
{
    struct image im;
    if (image_new(w, h, &im)) abort();
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            uint8_t *p = im.px + ((size_t)y * (size_t)w + (size_t)x) * 3;
            p[0] = (uint8_t)(x * 255 / w);
            p[1] = (uint8_t)(y * 255 / h);
            p[2] = x > y ? 200 : 40;
        }
    return im;
}

static inline void make_png_data(png_structp png, png_bytep p, size_t n) { buf_add(png_get_io_ptr(png), p, n); }
static inline void make_png_flush(png_structp png) { (void)png; }

/* rows: h rows of the layout that colour and depth say; three palette entries for palettes (two at depth 1). */
static inline void make_png(struct buf *out, int w, int h, int colour, int depth, bool interlaced, png_bytepp rows)
{
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    static const png_color palette[] = { { 255, 0, 0 }, { 0, 128, 0 }, { 1, 2, 3 } };
    png_set_write_fn(png, out, make_png_data, make_png_flush);
    png_set_IHDR(png, info, (png_uint_32)w, (png_uint_32)h, depth, colour, interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (colour == PNG_COLOR_TYPE_PALETTE) png_set_PLTE(png, info, palette, depth == 1 ? 2 : 3);
    png_set_rows(png, info, rows);
    png_write_png(png, info, PNG_TRANSFORM_IDENTITY, NULL);
    png_destroy_write_struct(&png, &info);
}

static inline void make_jpeg(struct buf *out, const struct image *im, bool progressive)
{
    struct jpeg_compress_struct j;
    struct jpeg_error_mgr err;
    unsigned char *p = NULL;
    unsigned long n = 0;
    j.err = jpeg_std_error(&err);
    jpeg_create_compress(&j);
    jpeg_mem_dest(&j, &p, &n);
    j.image_width = (JDIMENSION)im->w;
    j.image_height = (JDIMENSION)im->h;
    j.input_components = 3;
    j.in_color_space = JCS_RGB;
    jpeg_set_defaults(&j);
    jpeg_set_quality(&j, 90, TRUE);
    if (progressive) jpeg_simple_progression(&j);
    jpeg_start_compress(&j, TRUE);
    while (j.next_scanline < j.image_height) {
        JSAMPROW row = im->px + (size_t)j.next_scanline * (size_t)im->w * 3;
        jpeg_write_scanlines(&j, &row, 1);
    }
    jpeg_finish_compress(&j);
    jpeg_destroy_compress(&j);
    buf_add(out, p, n);
    free(p);
}

static inline void make_webp(struct buf *out, const struct image *im, bool lossless)
{
    uint8_t *p = NULL;
    size_t n = lossless ? WebPEncodeLosslessRGB(im->px, im->w, im->h, im->w * 3, &p)
                        : WebPEncodeRGB(im->px, im->w, im->h, im->w * 3, 90, &p);
    buf_add(out, p, n);
    WebPFree(p);
}

/* ---- archives ---- */

struct make_member { const char *name; const void *p; size_t n; unsigned type; const char *link; };   /* type 0: regular */

static inline la_ssize_t make_archive_data(struct archive *a, void *out, const void *p, size_t n)
{
    (void)a;
    buf_add(out, p, n);
    return (la_ssize_t)n;
}

/* format: "zip", "store" (zip without compression), "tar", "tar.xz", "tar.gz", "7zip" */
static inline void make_archive(struct buf *out, const char *format, const struct make_member *m, size_t count)
{
    struct archive *a = archive_write_new();
    if (!strcmp(format, "zip") || !strcmp(format, "store")) archive_write_set_format_zip(a);
    else if (!strcmp(format, "7zip")) archive_write_set_format_7zip(a);
    else archive_write_set_format_pax_restricted(a);
    if (!strcmp(format, "store")) archive_write_zip_set_compression_store(a);
    if (!strcmp(format, "tar.xz")) archive_write_add_filter_xz(a);
    if (!strcmp(format, "tar.gz")) archive_write_add_filter_gzip(a);
    archive_write_set_bytes_in_last_block(a, 1);
    if (archive_write_open(a, out, NULL, make_archive_data, NULL) != ARCHIVE_OK) abort();
    for (size_t i = 0; i < count; i++) {
        struct archive_entry *e = archive_entry_new();
        archive_entry_set_pathname(e, m[i].name);
        archive_entry_set_filetype(e, m[i].type ? m[i].type : AE_IFREG);
        archive_entry_set_perm(e, 0644);
        archive_entry_set_size(e, (la_int64_t)m[i].n);
        if (m[i].link && m[i].type == AE_IFLNK) archive_entry_set_symlink(e, m[i].link);
        else if (m[i].link) archive_entry_set_hardlink(e, m[i].link);
        if (archive_write_header(a, e) != ARCHIVE_OK) abort();
        if (m[i].n && archive_write_data(a, m[i].p, m[i].n) < 0) abort();
        archive_entry_free(e);
    }
    if (archive_write_close(a) != ARCHIVE_OK) abort();
    archive_write_free(a);
}

#endif
