/* SPDX-License-Identifier: Apache-2.0
 * PNG through libpng. Its errors come back by longjmp; whatever must survive the jump lives in struct reading /
 * struct writing, which belongs to the frame above the one that calls setjmp.
 */
#include <png.h>
#include <string.h>
#include "media/image_priv.h"

struct reading {
    png_structp png;
    png_infop info;
    const uint8_t *p;
    size_t n, at, max;
    struct image *out;
    int *orient;
};

static void on_warning(png_structp png, png_const_charp text) { (void)png, (void)text; }

static void on_error(png_structp png, png_const_charp text)
{
    fail("PNG: %s", text);
    png_longjmp(png, 1);
}

static void on_read(png_structp png, png_bytep to, size_t n)
{
    struct reading *s = png_get_io_ptr(png);
    if (n > s->n - s->at) {
        fail("truncated PNG");
        png_longjmp(png, 1);
    }
    memcpy(to, s->p + s->at, n);
    s->at += n;
}

/* Text, profiles and the like are of no use here, and reading them is work done for a hostile file. */
static void ignore_extras(png_structp png)
{
    static const png_byte names[] = "iCCP\0iTXt\0tEXt\0zTXt\0sPLT\0pCAL";
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, names, 6);
}

static void ask_for_rgb8(png_structp png, png_infop info)
{
    int colour = png_get_color_type(png, info), depth = png_get_bit_depth(png, info);
    if (depth == 16) png_set_strip_16(png);
    if (colour == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
    else if (!(colour & PNG_COLOR_MASK_COLOR)) {
        if (depth < 8) png_set_expand_gray_1_2_4_to_8(png);
        png_set_gray_to_rgb(png);
    }
    png_set_strip_alpha(png);
}

static void read_exif(struct reading *s)
{
    png_uint_32 n;
    png_bytep exif;
    if (png_get_eXIf_1(s->png, s->info, &n, &exif)) *s->orient = exif_orientation(exif, n);
}

static int read_png(struct reading *s)
{
    if (setjmp(png_jmpbuf(s->png))) return -1;
    png_set_read_fn(s->png, s, on_read);
    ignore_extras(s->png);
    png_read_info(s->png, s->info);
    if (image_new_capped(png_get_image_width(s->png, s->info), png_get_image_height(s->png, s->info), s->max, s->out))
        return -1;
    ask_for_rgb8(s->png, s->info);
    int passes = png_set_interlace_handling(s->png);
    png_read_update_info(s->png, s->info);
    size_t row = (size_t)s->out->w * 3;
    if (png_get_rowbytes(s->png, s->info) != row) return fail("PNG: unexpected pixel layout");
    for (int i = 0; i < passes; i++)
        for (int y = 0; y < s->out->h; y++) png_read_row(s->png, s->out->px + (size_t)y * row, NULL);
    png_read_end(s->png, s->info);
    read_exif(s);
    return 0;
}

int image_png(const uint8_t *p, size_t n, size_t max, struct image *out, int *orient)
{
    struct reading s = { .p = p, .n = n, .max = max, .out = out, .orient = orient };
    s.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, on_warning);
    s.info = s.png ? png_create_info_struct(s.png) : NULL;
    int r = s.info ? read_png(&s) : fail("PNG: out of memory");
    png_destroy_read_struct(&s.png, &s.info, NULL);
    return r;
}

struct writing { png_structp png; png_infop info; const struct image *im; struct buf *out; };

static void on_write(png_structp png, png_bytep p, size_t n) { buf_add(png_get_io_ptr(png), p, n); }
static void on_flush(png_structp png) { (void)png; }

static int write_png(struct writing *s)
{
    if (setjmp(png_jmpbuf(s->png))) return -1;
    png_set_write_fn(s->png, s->out, on_write, on_flush);
    png_set_IHDR(s->png, s->info, (png_uint_32)s->im->w, (png_uint_32)s->im->h, 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(s->png, s->info);
    for (int y = 0; y < s->im->h; y++) png_write_row(s->png, s->im->px + (size_t)y * (size_t)s->im->w * 3);
    png_write_end(s->png, s->info);
    return 0;
}

int image_write_png(const struct image *im, struct buf *out)
{
    struct writing s = { .im = im, .out = out };
    size_t start = out->len;
    s.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, on_warning);
    s.info = s.png ? png_create_info_struct(s.png) : NULL;
    int r = s.info ? write_png(&s) : fail("PNG: out of memory");
    png_destroy_write_struct(&s.png, &s.info);
    if (r) out->len = start;
    return r;
}
