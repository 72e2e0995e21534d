/* SPDX-License-Identifier: Apache-2.0
 * JPEG through libjpeg-turbo. Errors come back by longjmp to read_jpeg; the state that must survive the jump is
 * struct reading, in the frame above. libjpeg goes on after damage with a warning and grey pixels; the warnings that
 * mean lost picture data are errors here.
 */
#include <stdio.h>
#include <jpeglib.h>
#include <jerror.h>
#include <setjmp.h>
#include <string.h>
#include "media/image_priv.h"

enum { MAX_SCANS = 256 };      /* a progressive file of few bytes can ask for thousands of passes over the picture */

struct reading {
    struct jpeg_decompress_struct j;
    struct jpeg_error_mgr err;
    struct jpeg_progress_mgr progress;
    jmp_buf jump;
    const uint8_t *p;
    size_t n, max;
    struct image *out;
    uint8_t *row;              /* one row of CMYK, in libjpeg's pool */
    int *orient;
};

_Noreturn static void give_up(j_common_ptr j)
{
    struct reading *s = j->client_data;
    char text[JMSG_LENGTH_MAX];
    j->err->format_message(j, text);
    if (j->err->msg_code == JWRN_JPEG_EOF || j->err->msg_code == JERR_INPUT_EOF) fail("truncated JPEG");
    else fail("JPEG: %s", text);
    longjmp(s->jump, 1);
}

static void on_message(j_common_ptr j, int level)
{
    if (level >= 0) return;
    switch (j->err->msg_code) {
    case JWRN_JPEG_EOF: case JWRN_HIT_MARKER: case JWRN_HUFF_BAD_CODE: case JWRN_ARITH_BAD_CODE: case JWRN_MUST_RESYNC:
        give_up(j);
    }
}

static void on_progress(j_common_ptr j)
{
    struct reading *s = j->client_data;
    if (s->j.input_scan_number <= MAX_SCANS) return;
    fail("JPEG: more than %d scans", MAX_SCANS);
    longjmp(s->jump, 1);
}

static int find_orientation(const struct reading *s)
{
    for (jpeg_saved_marker_ptr m = s->j.marker_list; m; m = m->next)
        if (m->data_length > 6 && !memcmp(m->data, "Exif\0\0", 6)) return exif_orientation(m->data + 6, m->data_length - 6);
    return 1;
}

static int mul255(int a, int b)
{
    int t = a * b + 128;
    return ((t >> 8) + t) >> 8;
}

/* Adobe's CMYK is stored inverted, and files without Adobe's mark are read the same way, as Pillow does:
 * rgb = (1 - k) - cmy * (1 - k), all in 8-bit fixed point. */
static void cmyk_to_rgb(const uint8_t *cmyk, uint8_t *rgb, int w)
{
    for (int x = 0; x < w; x++)
        for (int c = 0; c < 3; c++) {
            int white = cmyk[x * 4 + 3], v = white - mul255(255 - cmyk[x * 4 + c], white);
            rgb[x * 3 + c] = (uint8_t)(v < 0 ? 0 : v);
        }
}

static int read_rows(struct reading *s)
{
    size_t stride = (size_t)s->out->w * 3;
    while (s->j.output_scanline < s->j.output_height) {
        uint8_t *to = s->out->px + (size_t)s->j.output_scanline * stride;
        JSAMPROW row = s->row ? s->row : to;
        if (jpeg_read_scanlines(&s->j, &row, 1) != 1) return fail("truncated JPEG");
        if (s->row) cmyk_to_rgb(s->row, to, s->out->w);
    }
    return 0;
}

static int read_jpeg(struct reading *s)
{
    if (setjmp(s->jump)) return -1;
    jpeg_create_decompress(&s->j);
    s->j.progress = &s->progress;
    s->progress.progress_monitor = on_progress;
    jpeg_mem_src(&s->j, s->p, s->n);
    jpeg_save_markers(&s->j, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&s->j, TRUE);
    if (image_new_capped(s->j.image_width, s->j.image_height, s->max, s->out)) return -1;
    int cmyk = s->j.jpeg_color_space == JCS_CMYK || s->j.jpeg_color_space == JCS_YCCK;
    s->j.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    *s->orient = find_orientation(s);
    if (cmyk) s->row = s->j.mem->alloc_small((j_common_ptr)&s->j, JPOOL_IMAGE, (size_t)s->out->w * 4);
    jpeg_start_decompress(&s->j);
    return read_rows(s);
}

int image_jpeg(const struct decoding *d, struct image *out, int *orient)
{
    struct reading s = { .p = d->p, .n = d->n, .max = d->max, .out = out, .orient = orient };
    s.j.err = jpeg_std_error(&s.err);
    s.err.error_exit = give_up;
    s.err.emit_message = on_message;
    s.j.client_data = &s;
    int r = read_jpeg(&s);
    jpeg_destroy_decompress(&s.j);
    return r;
}
