// The probe in real programs, read from outside: what it counted must be what they say they did.
#include "region_server.c" // the miniature keeper

#include "wire/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define TARGET(name) SEEP_BUILD_DIR "/targets/" name

static struct wire *open_region(struct region_server *s, unsigned i)
{
    struct seep_err err;
    struct wire *w = wire_open(s->fd[i], &err);
    if (!w)
        fail_msg("%s", err.text);
    return w;
}

static size_t read_until(int fd, const char *word, char *out, size_t room, unsigned limit_s)
{
    size_t have = 0;
    uint64_t until = now_ms() + limit_s * 1000ull;
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

// ---- the target's own tally against the reader's
// ---------------------------------------------------------------------------

#define SITES 8
struct site {
    unsigned long start, down;
    unsigned long long bytes, blocks, allocs;
};

static void parse_sites(const char *text, struct site *site)
{
    for (int i = 0; i < SITES; i++) {
        text = strstr(text, "site ");
        assert_non_null(text);
        assert_int_equal(sscanf(text, "site %lx %lx %llu %llu %llu", &site[i].start, &site[i].down, &site[i].bytes,
                                &site[i].blocks, &site[i].allocs),
                         5);
        text += 5;
    }
}

// The site functions are small and lie side by side: a pc belongs to the one that starts last before it.
static int site_of(const struct site *site, uint64_t pc)
{
    int best = -1;
    for (int i = 0; i < SITES; i++)
        if (site[i].start < pc && pc - site[i].start < 256 && (best < 0 || site[i].start > site[best].start))
            best = i;
    return best;
}

static void compare_sites(struct wire *w, const struct site *site)
{
    struct wire_snapshot s = {0};
    struct wire_age_profile age = {0};
    struct seep_err err;
    double bytes[SITES] = {0}, blocks[SITES] = {0}, allocs[SITES] = {0}, aged[SITES] = {0};
    assert_int_equal(wire_snapshot(w, 0, 1, &s, &err), 0);
    assert_int_equal(wire_age_profile(w, 0, &age, &err), 0);
    for (size_t i = 0; i < s.stacks; i++) {
        const struct wire_stack *k = &s.stack[i];
        int at = k->frames ? site_of(site, s.frame[k->first_frame].pc) : -1;
        if (at < 0)
            continue;
        assert_int_equal(k->flags, 0);
        assert_true(k->frames >= 17);
        for (int f = 1; f <= 16; f++) { // sixteen times the recursive function, wherever in it the call is
            uint64_t pc = s.frame[k->first_frame + f].pc;
            assert_true(pc > site[0].down && pc - site[0].down < 512);
        }
        bytes[at] += k->live_bytes;
        blocks[at] += k->live_blocks;
        allocs[at] += k->alloc_blocks;
        for (size_t a = 0; a < age.rows; a++)
            aged[at] += age.row[a].stack == k->id ? age.row[a].bytes : 0;
    }
    for (int i = 0; i < SITES; i++) {
        assert_int_equal((uint64_t)bytes[i], site[i].bytes);
        assert_int_equal((uint64_t)blocks[i], site[i].blocks);
        assert_int_equal((uint64_t)allocs[i], site[i].allocs);
        assert_int_equal((uint64_t)aged[i], site[i].bytes);
    }
    assert_int_equal(s.corrupt, 0);
    assert_int_equal(s.totals.truncated_walks, 0);
    assert_int_equal(s.totals.nested, 0);
    assert_int_equal(s.totals.live_overflow, 0);
    wire_snapshot_free(&s);
    wire_age_profile_free(&age);
}

static void tally(unsigned flags, char *threads, char *rounds)
{
    struct region_server s = {0};
    struct site site[SITES];
    char out[8192], *argv[] = {TARGET("probe_tally"), threads, rounds, NULL};
    int fd, status;
    region_server_start(&s, flags);
    int pid = region_spawn(&s, argv, NULL, &fd);
    read_until(fd, "ready\n", out, sizeof out, 60);
    parse_sites(out, site);
    assert_int_equal(region_server_count(&s), 1);
    assert_int_equal(s.pid[0], pid);
    struct wire *w = open_region(&s, 0);
    compare_sites(w, site);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    compare_sites(w, site); // and it is all still there
    wire_close(w);
    close(fd);
    region_server_stop(&s);
}

static void test_tally_one_thread(void **state)
{
    (void)state;
    tally(0, "1", "300000");
}

static void test_tally_eight_threads(void **state)
{
    (void)state;
    tally(0, "8", "100000");
}

static void test_tally_without_caches(void **state)
{
    (void)state;
    tally(2 | 4, "2", "20000");
}

static void test_tally_without_find_object(void **state)
{
    (void)state;
    tally(1, "2", "50000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tally_one_thread),
        cmocka_unit_test(test_tally_eight_threads),
        cmocka_unit_test(test_tally_without_caches),
        cmocka_unit_test(test_tally_without_find_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
