/* SPDX-License-Identifier: Apache-2.0 */
#include "record/label.h"

#include <string.h>

int label_read(const val *label, struct label *out)
{
    const val *value = val_get(label, "value");
    int64_t k, n;
    double x;
    if (val_get(label, "k") || val_get(label, "n")) {
        if (!val_i64(val_get(label, "k"), &k) || !val_i64(val_get(label, "n"), &n) || k < 0 || n < 1 || k > n) return -1;
        *out = (struct label){ (double)k / (double)n, k, n, false };
        return 1;
    }
    if (!value) return -1;
    if (value->type == MSGPACK_OBJECT_NIL) return 0;
    if (!val_f64(value, &x) || !(x >= 0 && x <= 1)) return -1;
    *out = (struct label){ x, 0, 0, x == 0.5 };
    return 1;
}

const val *label_of(const val *labels, const char *source, size_t n)
{
    const char *s;
    size_t len;
    for (int i = 0; i < val_len(labels); i++)
        if (val_str(val_get(val_at(labels, i), "by"), &s, &len) && len == n && !memcmp(s, source, n)) return val_at(labels, i);
    return NULL;
}

int label_pick(const val *labels, const char *sources, struct label *out)
{
    int got = 0;
    for (int i = 0; !sources && !got && i < val_len(labels); i++) got = label_read(val_at(labels, i), out);
    while (sources && *sources && !got) {
        size_t n = strcspn(sources, ",");
        const val *one = label_of(labels, sources, n);
        if (one) got = label_read(one, out);
        sources += n + (sources[n] == ',');
    }
    return got;
}
