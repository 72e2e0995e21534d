/* SPDX-License-Identifier: Apache-2.0
 * The address of an OpenAI-compatible server, with what is secret in it kept apart.
 *
 *     struct address a;
 *     if (address_parse("http://localhost:8000/v1", &a)) ...     a.url: http://localhost:8000/v1/chat/completions
 *     address_free(&a);
 */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include "base/mem.h"

struct address {
    char *url;                                 /* what is asked, without userinfo; the query is kept. May be secret */
    char *shown;                               /* for messages: neither userinfo nor query */
    char *given;                               /* for provenance: the address as given, "***" for userinfo and for a query */
    char *user, *password;                     /* of the userinfo; NULL: none */
};
/* http or https. A path that does not end in /chat/completions gets that behind it; an empty one gets /v1/chat/completions.
 * Messages of failure do not hold the text. -1: out is empty. */
MUST_USE int address_parse(const char *text, struct address *out);
void address_free(struct address *a);

#endif
