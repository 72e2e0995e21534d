/* SPDX-License-Identifier: Apache-2.0 */
#include "text/sentence.h"

#include <cstdio>
#include <exception>
#include <new>
#include <sentencepiece_processor.h>

using namespace sentencepiece;

struct sentence { SentencePieceProcessor sp; };

enum { NORMAL = 1, UNKNOWN, CONTROL, UNUSED = 5, BYTE };      /* enum tok_type */

/* Runs f, which may throw (memory, faults inside the library); 0, or -1 with the message. */
template <class F> static int guarded(char *why, F f)
{
    try {
        util::Status st = f();
        if (st.ok()) return 0;
        std::snprintf(why, SENTENCE_WHY, "%s", st.ToString().c_str());
    } catch (const std::exception &e) {
        std::snprintf(why, SENTENCE_WHY, "%s", e.what());
    } catch (...) {
        std::snprintf(why, SENTENCE_WHY, "libsentencepiece failed");
    }
    for (char *p = why; *p; p++)
        if (*p == '\n') *p = ' ';
    return -1;
}

struct sentence *sentence_open(const void *model, size_t n, char *why)
{
    struct sentence *s = new (std::nothrow) sentence;
    if (!s) {
        std::snprintf(why, SENTENCE_WHY, "out of memory");
        return NULL;
    }
    if (!guarded(why, [&] { return s->sp.LoadFromSerializedProto(absl::string_view(static_cast<const char *>(model), n)); })) return s;
    delete s;
    return NULL;
}

void sentence_free(struct sentence *s) { delete s; }

int sentence_size(const struct sentence *s) { return s->sp.GetPieceSize(); }

struct sentence_unit sentence_piece(const struct sentence *s, int id)
{
    const std::string &p = s->sp.IdToPiece(id);
    int kind = s->sp.IsUnknown(id) ? UNKNOWN : s->sp.IsControl(id) ? CONTROL : s->sp.IsUnused(id) ? UNUSED : s->sp.IsByte(id) ? BYTE : NORMAL;
    return { p.data(), p.size(), s->sp.GetScore(id), kind };
}

int sentence_encode(const struct sentence *s, const char *text, size_t n, void (*put)(void *, uint32_t, size_t), void *arg, char *why)
{
    return guarded(why, [&] {
        ImmutableSentencePieceText out;
        util::Status st = s->sp.Encode(absl::string_view(text, n), out.mutable_proto());
        if (!st.ok()) return st;
        for (size_t i = 0; i < out.pieces_size(); i++) {
            const auto piece = out.pieces(static_cast<int>(i));
            put(arg, piece.id(), piece.begin());
        }
        return st;
    });
}
