// What the tests of the probe share, on top of the miniature keeper. Included once per test program.
#ifndef TESTS_PROBE_RIG_H
#define TESTS_PROBE_RIG_H

#include "region_server.c"

#include "wire/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define TARGET(name) SEEP_BUILD_DIR "/targets/" name

static inline struct wire *open_region(struct region_server *s, unsigned i)
{
    struct seep_err err;
    if (i >= region_server_count(s))
        fail_msg("the target never came for region %u", i);
    struct wire *w = wire_open(s->fd[i], &err);
    if (!w)
        fail_msg("%s", err.text);
    return w;
}

static inline size_t read_until(int fd, const char *word, char *out, size_t room, unsigned limit_s)
{
    size_t have = 0;
    uint64_t until = now_ms() + (limit_s < 60 ? 60 : limit_s) * 1000ull; // for a busy machine
    out[0] = 0;
    while (!strstr(out, word)) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        uint64_t now = now_ms();
        if (now >= until || poll(&p, 1, (int)(until - now)) != 1)
            fail_msg("no \"%s\" within %u s; so far: %s", word, limit_s, out);
        ssize_t n = read(fd, out + have, room - have - 1);
        if (n <= 0)
            fail_msg("the target ended before \"%s\"; so far: %s", word, out);
        have += (size_t)n;
        out[have] = 0;
    }
    return have;
}

#endif
