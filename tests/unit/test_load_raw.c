// raw_reply: where replies of other protocols end, which are errors, and that it does not matter how the bytes are cut.
#include "load/raw_reply.h"
#include "load/raw_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIZE_MAX_TEST = 4096 };

static struct raw_frame frame_of(struct raw_frame f)
{
    struct seep_err err = {0};
    f.size_max = SIZE_MAX_TEST;
    if (raw_frame_make(&f, &err) < 0)
        fail_msg("%s", err.text);
    return f;
}

static enum raw_step feed(struct raw_reply *r, const struct raw_frame *f, const char *data, size_t len, size_t cut,
                          size_t *total)
{
    raw_begin(r, f);
    enum raw_step step = RAW_MORE;
    *total = 0;
    while (step == RAW_MORE && *total < len) {
        size_t n = len - *total < cut ? len - *total : cut, used;
        step = raw_feed(r, data + *total, n, &used);
        assert_true(used <= n && (step != RAW_MORE || used == n));
        *total += used;
    }
    return step;
}

// What comes of data, however it is cut; the number of bytes it took.
static enum raw_step read_as(const struct raw_frame *f, const char *data, size_t len, struct raw_reply *r, size_t *used)
{
    enum raw_step step = feed(r, f, data, len, len ? len : 1, used);
    for (size_t cut = 1; cut <= 3; cut += 2) {
        struct raw_reply again;
        size_t used_again;
        assert_int_equal(feed(&again, f, data, len, cut, &used_again), step);
        if (step == RAW_DONE) {
            assert_int_equal(used_again, *used);
            assert_int_equal(again.errors, r->errors);
            assert_int_equal(again.replies, r->replies);
        }
    }
    return step;
}

static void is_one(const struct raw_frame *f, const char *data, size_t len, unsigned errors)
{
    struct raw_reply r;
    size_t used;
    enum raw_step step = read_as(f, data, len, &r, &used);
    if (step != RAW_DONE)
        fail_msg("not whole (%d, %s): %s", step, r.why ? r.why : "", data);
    assert_int_equal(used, len);
    assert_int_equal(r.bytes, len);
    assert_int_equal(r.errors, errors);
    // One byte less is not whole, and one more is left over.
    assert_int_equal(read_as(f, data, len - 1, &r, &used), RAW_MORE);
    char *more = malloc(len + 1);
    memcpy(more, data, len);
    more[len] = 'X';
    assert_int_equal(read_as(f, more, len + 1, &r, &used), RAW_DONE);
    assert_int_equal(used, len);
    free(more);
}

static void is_bytes(const struct raw_frame *f, const char *data, size_t len, enum raw_step step)
{
    struct raw_reply r;
    size_t used;
    enum raw_step got = read_as(f, data, len, &r, &used);
    if (got != step)
        fail_msg("%d, not %d: %s", got, step, data);
    assert_true((r.why != NULL) == (step == RAW_BAD));
}

static void is_not(const struct raw_frame *f, const char *data, enum raw_step step)
{
    is_bytes(f, data, strlen(data), step);
}

#define IS_ONE(f, text, errors) is_one(f, text, sizeof(text) - 1, errors)

static void resp_values(void **s)
{
    (void)s;
    struct raw_frame f = frame_of((struct raw_frame){.framing = RAW_RESP});
    IS_ONE(&f, "+OK\r\n", 0);
    IS_ONE(&f, "+\r\n", 0);
    IS_ONE(&f, "-ERR unknown command\r\n", 1);
    IS_ONE(&f, ":-42\r\n", 0);
    IS_ONE(&f, "$5\r\nhe\r\nl\r\n", 0);
    IS_ONE(&f, "$0\r\n\r\n", 0);
    IS_ONE(&f, "$-1\r\n", 0);
    IS_ONE(&f, "*-1\r\n", 0);
    IS_ONE(&f, "*0\r\n", 0);
    IS_ONE(&f, "*2\r\n$1\r\na\r\n*3\r\n:1\r\n*0\r\n$-1\r\n", 0);
    IS_ONE(&f, "*3\r\n+OK\r\n-WRONGTYPE x\r\n-ERR y\r\n", 2);
    // RESP3
    IS_ONE(&f, "_\r\n", 0);
    IS_ONE(&f, "#t\r\n", 0);
    IS_ONE(&f, ",inf\r\n", 0);
    IS_ONE(&f, "(3492890328409238509324850943850943825024385\r\n", 0);
    IS_ONE(&f, "!21\r\nSYNTAX invalid syntax\r\n", 1);
    IS_ONE(&f, "=15\r\ntxt:Some string\r\n", 0);
    IS_ONE(&f, "%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n~2\r\n:1\r\n:2\r\n", 0);
    IS_ONE(&f, "%0\r\n", 0);
    IS_ONE(&f, "|1\r\n+ttl\r\n:3600\r\n*2\r\n:1\r\n|1\r\n+a\r\n*1\r\n:0\r\n:2\r\n", 0);
    IS_ONE(&f, ">2\r\n+invalidate\r\n*1\r\n+key\r\n|0\r\n+OK\r\n", 0);
}

static void resp_is_not(void **s)
{
    (void)s;
    struct raw_frame f = frame_of((struct raw_frame){.framing = RAW_RESP});
    is_not(&f, "HTTP/1.1 200 OK\r\n", RAW_BAD);
    is_not(&f, "\r\n", RAW_BAD);
    is_not(&f, "+OK\n", RAW_BAD);
    is_not(&f, "+OK\rX", RAW_BAD);
    is_not(&f, "$\r\n", RAW_BAD);
    is_not(&f, "$-2\r\n", RAW_BAD);
    is_not(&f, "$--1\r\n", RAW_BAD);
    is_not(&f, "%-1\r\n", RAW_BAD);
    is_not(&f, "$1 \r\n", RAW_BAD);
    is_not(&f, "$1\r\nab\r\n", RAW_BAD);
    is_not(&f, "$?\r\n", RAW_BAD);
    is_not(&f, "$1234567890123456789\r\n", RAW_BAD);
    is_not(&f, "$4097\r\n", RAW_LARGE);
    is_not(&f, "$999999999999999999\r\n", RAW_LARGE);
    is_not(&f, "*999999999999999999\r\n", RAW_LARGE);
    is_not(&f, "%3000\r\n", RAW_LARGE);
    char deep[RAW_DEPTH * 4 + 5] = "";
    for (int i = 0; i < RAW_DEPTH; i++)
        strcat(deep, "*1\r\n");
    is_not(&f, deep, RAW_MORE);
    strcat(deep, "*1\r\n");
    is_not(&f, deep, RAW_BAD);
    char long_line[SIZE_MAX_TEST + 3];
    memset(long_line, '+', sizeof long_line - 1);
    long_line[sizeof long_line - 1] = '\0';
    is_not(&f, long_line, RAW_LARGE);
}

static void a_pipeline_is_whole_with_its_last_reply(void **s)
{
    (void)s;
    struct raw_frame f = frame_of((struct raw_frame){.framing = RAW_RESP, .replies = 3});
    IS_ONE(&f, "+OK\r\n*1\r\n$3\r\nabc\r\n-ERR\r\n", 1);
    f = frame_of((struct raw_frame){.framing = RAW_LINE, .replies = 2});
    IS_ONE(&f, "one\ntwo\n", 0);
    f = frame_of((struct raw_frame){.framing = RAW_PREFIX, .prefix_bytes = 1, .replies = 2});
    IS_ONE(&f, "\2ab\1c", 0);
}

static void memcached_replies(void **s)
{
    (void)s;
    struct raw_frame f = frame_of((struct raw_frame){.framing = RAW_MEMCACHED});
    IS_ONE(&f, "STORED\r\n", 0);
    IS_ONE(&f, "NOT_FOUND\r\n", 0);
    IS_ONE(&f, "17\r\n", 0);
    IS_ONE(&f, "VERSION 1.6.18\r\n", 0);
    IS_ONE(&f, "END\r\n", 0);
    IS_ONE(&f, "VALUE k 0 5\r\nEND\r\n\r\nEND\r\n", 0);
    IS_ONE(&f, "VALUE k 0 0\r\n\r\nVALUE key2 32 3 77\r\nabc\r\nEND\r\n", 0);
    IS_ONE(&f, "VALUE k 0 1\r\nx\r\nSERVER_ERROR out of memory\r\n", 1);
    IS_ONE(&f, "STAT pid 1\r\nSTAT uptime 2\r\nEND\r\n", 0);
    IS_ONE(&f, "key=a exp=-1 la=1 cas=2 fetch=no cls=1 size=6\r\nEND\r\n", 0);
    IS_ONE(&f, "ERROR\r\n", 1);
    IS_ONE(&f, "CLIENT_ERROR bad data chunk\r\n", 1);
    IS_ONE(&f, "HD\r\n", 0);
    IS_ONE(&f, "VA 2 s2 t-1\r\nhi\r\n", 0);
    IS_ONE(&f, "EN\r\n", 0);
    is_not(&f, "\r\n", RAW_BAD);
    is_not(&f, "STORED\n", RAW_BAD);
    is_not(&f, "VALUE k 0\r\n", RAW_BAD);
    is_not(&f, "VALUE k 0 -1\r\n", RAW_BAD);
    is_not(&f, "VALUE k 0 1x\r\n", RAW_BAD);
    is_not(&f, "VALUE k 0 99999999999\r\n", RAW_BAD);
    is_not(&f, "VALUE k 0 9999999999\r\n", RAW_LARGE);
    is_not(&f, "VALUE k 0 1\r\nxx\r\n", RAW_BAD);
    is_not(&f, "VA\r\n", RAW_BAD);
}

static void lines_bytes_lengths(void **s)
{
    (void)s;
    struct raw_frame f = frame_of((struct raw_frame){.framing = RAW_LINE});
    IS_ONE(&f, "220 ready\r\n", 0);
    IS_ONE(&f, "\n", 0);
    f = frame_of((struct raw_frame){.framing = RAW_UNTIL, .until = "ababc", .until_len = 5});
    IS_ONE(&f, "ababc", 0);
    IS_ONE(&f, "abababc", 0);
    IS_ONE(&f, "ab\0aababababc", 0);
    f = frame_of((struct raw_frame){.framing = RAW_UNTIL, .until = {0}, .until_len = 1});
    IS_ONE(&f, "text\0", 0);
    f = frame_of((struct raw_frame){.framing = RAW_UNTIL, .until = "\r\n.\r\n", .until_len = 5});
    IS_ONE(&f, "one\r\n\r\n..\r\n.\r\r\n.\r\n", 0);
    f = frame_of((struct raw_frame){.framing = RAW_FIXED, .fixed_bytes = 7});
    IS_ONE(&f, "7 bytes", 0);
    f = frame_of((struct raw_frame){.framing = RAW_PREFIX, .prefix_bytes = 2});
    IS_ONE(&f, "\0\3abc", 0);
    is_not(&f, "\x10\1", RAW_LARGE);
    f = frame_of((struct raw_frame){.framing = RAW_PREFIX, .prefix_bytes = 4, .prefix_little = true});
    IS_ONE(&f, "\4\0\0\0abcd", 0);
    IS_ONE(&f, "\0\0\0\0", 0);
    is_not(&f, "\1\1\1\xff", RAW_LARGE);
    f = frame_of((struct raw_frame){.framing = RAW_PREFIX, .prefix_bytes = 8, .prefix_counts_all = true});
    IS_ONE(&f,
           "\0\0\0\0\0\0\0\xa"
           "ab",
           0);
    IS_ONE(&f, "\0\0\0\0\0\0\0\x8", 0);
    is_bytes(&f, "\0\0\0\0\0\0\0\7", 8, RAW_BAD);
    is_bytes(&f, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, RAW_LARGE);
}

static void frames_are_checked(void **s)
{
    (void)s;
    static const struct raw_frame bad[] = {
        {.framing = RAW_UNTIL},  {.framing = RAW_UNTIL, .until_len = RAW_UNTIL_MAX + 1},
        {.framing = RAW_FIXED},  {.framing = RAW_FIXED, .fixed_bytes = SIZE_MAX_TEST + 1},
        {.framing = RAW_PREFIX}, {.framing = RAW_PREFIX, .prefix_bytes = 3},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct raw_frame f = bad[i];
        struct seep_err err = {0};
        f.size_max = SIZE_MAX_TEST;
        assert_int_equal(raw_frame_make(&f, &err), -1);
        assert_int_equal(err.code, SEEP_E_USAGE);
    }
}

static void prefix_is(uint64_t len, unsigned bytes, bool little, bool counts_all, const char *want)
{
    uint8_t out[8];
    int got = raw_prefix_write(len, bytes, little, counts_all, out);
    assert_int_equal(got, want ? 0 : -1);
    if (want)
        assert_memory_equal(out, want, bytes);
}

static void requests_are_framed(void **s)
{
    (void)s;
    struct seep_buf b;
    buf_init(&b, 1024);
    raw_command_begin(&b, 3);
    raw_command_word(&b, "SET", 3);
    raw_command_word(&b, "k\0y", 3);
    raw_command_word(&b, "", 0);
    static const char want[] = "*3\r\n$3\r\nSET\r\n$3\r\nk\0y\r\n$0\r\n\r\n";
    assert_int_equal(b.len, sizeof want - 1);
    assert_memory_equal(b.data, want, sizeof want - 1);
    buf_free(&b);
    prefix_is(5, 1, false, false, "\5");
    prefix_is(255, 1, true, false, "\xff");
    prefix_is(255, 1, true, true, NULL);
    prefix_is(0x0102, 2, false, false, "\1\2");
    prefix_is(0x0102, 2, true, true, "\4\1");
    prefix_is(0x01020304, 4, true, false, "\4\3\2\1");
    prefix_is(0x100000000, 4, false, false, NULL);
    prefix_is(0xfffffffffffffff0, 8, false, false, "\xff\xff\xff\xff\xff\xff\xff\xf0");
    prefix_is(UINT64_MAX, 8, false, true, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resp_values),
        cmocka_unit_test(resp_is_not),
        cmocka_unit_test(a_pipeline_is_whole_with_its_last_reply),
        cmocka_unit_test(memcached_replies),
        cmocka_unit_test(lines_bytes_lengths),
        cmocka_unit_test(frames_are_checked),
        cmocka_unit_test(requests_are_framed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
