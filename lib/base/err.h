/* SPDX-License-Identifier: Apache-2.0
 * Errors. A failing library function returns -1 or NULL after fail(); the message is kept per thread, and the
 * program prints it once. Library code never prints and never exits. Programmer faults are assert()s.
 *
 *     if (len > max) return fail("tensor %s: %zu bytes, at most %zu", name, len, max);
 *     if (read_it(f) < 0) return fail_in("%s", path);      -> "path: <the message before>"
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define MUST_USE __attribute__((warn_unused_result))

enum err_kind { ERR_INPUT = 1, ERR_USAGE = 2, ERR_DEVICE = 3 };   /* also the exit status */

int   fail(const char *fmt, ...) PRINTF_LIKE(1, 2);               /* sets the message (ERR_INPUT); returns -1 */
int   fail_kind(enum err_kind k, const char *fmt, ...) PRINTF_LIKE(2, 3);
int   fail_errno(const char *fmt, ...) PRINTF_LIKE(1, 2);         /* the same with ": strerror(errno)" behind */
int   fail_in(const char *fmt, ...) PRINTF_LIKE(1, 2);            /* puts "text: " before the message; returns -1 */
void *fail_null(const char *fmt, ...) PRINTF_LIKE(1, 2);          /* fail(), returns NULL */

const char   *err_msg(void);                                      /* borrowed until the next fail of this thread */
enum err_kind err_kind(void);
void          err_set(enum err_kind k, const char *msg);          /* carries a message from one thread to another */

#endif
