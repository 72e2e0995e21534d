/* SPDX-License-Identifier: Apache-2.0
 * PNG through libpng. Its errors come back by longjmp; whatever must survive the jump lives in struct reading /
 * struct writing, which belongs to the frame above the one that calls setjmp.
 */
#include <png.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "media/image_priv.h"

struct reading {
    png_structp png;
    png_infop info;
    const uint8_t *p;
    size_t n, at, max;
    enum alpha alpha;
    struct image *out;
    int *orient;
    bool grey16, blend;                        /* rows that are not RGB as they come: of 16-bit grey, of RGBA */
    uint8_t *raw;                              /* the picture of such rows; owned */
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

/* Sets up what rows come as: RGB, RGBA to be blended, or 16-bit grey. */
static void ask_for_rows(struct reading *s)
{
    png_structp png = s->png;
    int colour = png_get_color_type(png, s->info), depth = png_get_bit_depth(png, s->info);
    bool clear = png_get_valid(png, s->info, PNG_INFO_tRNS);
    s->blend = s->alpha == ALPHA_WHITE && (clear || colour & PNG_COLOR_MASK_ALPHA);
    s->grey16 = !s->blend && colour == PNG_COLOR_TYPE_GRAY && depth == 16;
    if (s->grey16) return;
    if (s->blend && clear) png_set_tRNS_to_alpha(png);
    if (depth == 16) png_set_strip_16(png);
    if (colour == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
    else if (!(colour & PNG_COLOR_MASK_COLOR)) {
        if (depth < 8) png_set_expand_gray_1_2_4_to_8(png);
        png_set_gray_to_rgb(png);
    }
    if (!s->blend) png_set_strip_alpha(png);
}

/* Big-endian 16-bit grey, clipped at 255 as Pillow converts it. */
static void clip_grey(const uint8_t *grey, uint8_t *rgb, size_t npixel)
{
    for (size_t i = 0; i < npixel; i++) memset(rgb + 3 * i, grey[2 * i] ? 255 : grey[2 * i + 1], 3);
}

static int read_rows(struct reading *s)
{
    size_t w = (size_t)s->out->w, npixel = w * (size_t)s->out->h, bytes = s->blend ? 4 : s->grey16 ? 2 : 3;
    int passes = png_set_interlace_handling(s->png);
    png_read_update_info(s->png, s->info);
    if (png_get_rowbytes(s->png, s->info) != w * bytes) return fail("PNG: unexpected pixel layout");
    if (bytes != 3 && !(s->raw = mem_try(npixel * bytes, "an image"))) return -1;
    uint8_t *to = s->raw ? s->raw : s->out->px;
    for (int i = 0; i < passes; i++)
        for (int y = 0; y < s->out->h; y++) png_read_row(s->png, to + (size_t)y * w * bytes, NULL);
    png_read_end(s->png, s->info);
    if (s->blend) image_over_white(s->raw, s->out->px, npixel);
    if (s->grey16) clip_grey(s->raw, s->out->px, npixel);
    return 0;
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
    ask_for_rows(s);
    if (read_rows(s)) return -1;
    read_exif(s);
    return 0;
}

int image_png(const struct decoding *d, struct image *out, int *orient)
{
    struct reading s = { .p = d->p, .n = d->n, .max = d->max, .alpha = d->alpha, .out = out, .orient = orient };
    s.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, on_warning);
    s.info = s.png ? png_create_info_struct(s.png) : NULL;
    int r = s.info ? read_png(&s) : fail("PNG: out of memory");
    png_destroy_read_struct(&s.png, &s.info, NULL);
    free(s.raw);
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
    png_set_compression_level(s->png, 3);      /* the usual 6 takes 1.7 times as long and saves a tenth (images of examples/shapes) */
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
