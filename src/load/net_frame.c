// How the replies to a raw step end, from what the profile says of it. See net_state.h.
#include "load/net_state.h"
#include "profile/profile.h"
#include "profile/runtext.h"

#include <string.h>

static int add_byte(struct raw_frame *f, unsigned char c, struct seep_err *err)
{
    if (f->until_len == RAW_UNTIL_MAX)
        return seep_fail(err, SEEP_E_USAGE, "A reply ends with at most %d given bytes (until).", RAW_UNTIL_MAX);
    f->until[f->until_len++] = c;
    return 0;
}

static unsigned hex_digit(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

// Bytes as they are, and those written as ${hex:...}: what differs from reply to reply can end none.
static int read_until(struct raw_frame *f, const char *text, struct seep_err *err)
{
    struct runtext_part part;
    const char *rest = text;
    int got;
    while ((got = runtext_next(text, &rest, &part, err)) == 1) {
        if (part.kind != RUNTEXT_LITERAL && part.kind != RUNTEXT_HEX)
            return seep_fail(err, SEEP_E_USAGE, "The bytes that end a reply (until: %s) are the same for all replies.",
                             text);
        bool hex = part.kind == RUNTEXT_HEX;
        for (size_t i = 0; i < part.len; i += hex ? 2 : 1) {
            unsigned c = hex ? hex_digit(part.text[i]) << 4 | hex_digit(part.text[i + 1]) : (unsigned char)part.text[i];
            if (add_byte(f, (unsigned char)c, err) < 0)
                return -1;
        }
    }
    return got;
}

int net_frame_read(struct net_plan *plan, struct seep_err *err)
{
    const struct profile_tcp *tcp = plan->spec->raw;
    static const enum raw_framing framing[] = {
        [FRAMING_LINE] = RAW_LINE,       [FRAMING_UNTIL] = RAW_UNTIL, [FRAMING_LENGTH] = RAW_FIXED,
        [FRAMING_PREFIXED] = RAW_PREFIX, [FRAMING_RESP] = RAW_RESP,   [FRAMING_MEMCACHED] = RAW_MEMCACHED,
    };
    plan->http = tcp->framing == FRAMING_HTTP;
    plan->unread = tcp->framing == FRAMING_NONE;
    if (plan->http || plan->unread)
        return 0;
    struct raw_frame *f = &plan->frame;
    *f = (struct raw_frame){.framing = framing[tcp->framing],
                            .replies = (uint32_t)tcp->replies,
                            .size_max = plan->spec->body_max,
                            .fixed_bytes = (uint64_t)tcp->length_bytes,
                            .prefix_bytes = (unsigned)tcp->prefix_bytes,
                            .prefix_little = tcp->prefix_little,
                            .prefix_counts_all = tcp->prefix_counts_all};
    if (tcp->framing == FRAMING_UNTIL && read_until(f, tcp->until, err) < 0)
        return -1;
    return raw_frame_make(f, err);
}
