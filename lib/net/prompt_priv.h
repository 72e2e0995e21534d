/* SPDX-License-Identifier: Apache-2.0
 * Private to lib/net: a prompt file as prompt_file.c has read it and prompt_fill.c fills it in.
 */
#ifndef NET_PROMPT_PRIV_H
#define NET_PROMPT_PRIV_H

#include "net/prompt_file.h"

enum prompt_field { FIELD_NONE, FIELD_IMAGES, FIELD_QUESTION, FIELD_CHOICES, FIELD_STEPS, FIELD_STEP_COUNT, FIELD_KEY };

struct prompt_piece { enum prompt_field field; struct slice text; char *key; bool optional; };   /* text: of FIELD_NONE, else the name */
struct prompt_line { int begin, end; bool optional, needed; }; /* pieces; it has fields of the one and of the other kind */
struct prompt_message { const char *role; int begin, end; };   /* lines */

struct prompt_file {
    struct buf text;                           /* what the slices point into */
    struct prompt_piece *piece; int npiece;
    struct prompt_line *line; int nline;
    struct prompt_message *message; int nmessage;
    bool images;                               /* {images} is in it */
};

#endif
