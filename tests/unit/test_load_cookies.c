// A session's cookies: what servers set, what is sent back where, and what a hostile one cannot do.
#include "load/cookies.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { NOW_S = 1790000000 };

static const struct exchange_origin shop = {.host = "www.shop.example", .authority = "www.shop.example", .port = 80};
static const struct exchange_origin safe = {
    .host = "www.shop.example", .authority = "www.shop.example", .port = 443, .tls = true};
static const struct exchange_origin parent = {.host = "shop.example", .authority = "shop.example", .port = 80};
static const struct exchange_origin other = {.host = "evilshop.example", .authority = "evilshop.example", .port = 80};
static const struct exchange_origin address = {.host = "127.0.0.1", .authority = "127.0.0.1:8080", .port = 8080};

static void take(struct cookie_jar *j, const struct exchange_origin *o, const char *target, const char *head)
{
    cookies_take(j, o, target, head, strlen(head), NOW_S);
}

static void sent_at(const struct cookie_jar *j, const struct exchange_origin *o, const char *target, int64_t now_s,
                    const char *wanted)
{
    struct seep_buf b;
    buf_init(&b, 1 << 20);
    cookies_write(j, o, target, now_s, &b);
    assert_string_equal(b.data ? b.data : "", wanted);
    buf_free(&b);
}

static void sent(const struct cookie_jar *j, const struct exchange_origin *o, const char *target, const char *wanted)
{
    sent_at(j, o, target, NOW_S, wanted);
}

static void a_cookie_comes_back_to_its_host(void **s)
{
    (void)s;
    struct cookie_jar j = {0};
    take(&j, &shop, "/login", "HTTP/1.1 200 OK\r\nSet-Cookie: sid=abc; HttpOnly\r\nset-cookie:  t = 1 2 \r\n\r\n");
    sent(&j, &shop, "/", "sid=abc; t=1 2");
    sent(&j, &shop, "/anything?x=1", "sid=abc; t=1 2");
    sent(&j, &parent, "/", ""); // without Domain: this host only
    sent(&j, &other, "/", "");
    take(&j, &shop, "/login", "Set-Cookie: sid=def\r\n"); // replaced where it was
    sent(&j, &shop, "/", "sid=def; t=1 2");
    cookies_clear(&j);
    sent(&j, &shop, "/", "");
    take(&j, &shop, "/login", "Set-Cookie: a=\r\n");
    sent(&j, &shop, "/", "a=");
    cookies_free(&j);
}

static void domains(void **s)
{
    (void)s;
    struct cookie_jar j = {0};
    take(&j, &shop, "/",
         "Set-Cookie: a=1; Domain=.Shop.Example\r\nSet-Cookie: b=2; domain=example\r\n"
         "Set-Cookie: c=3; Domain=other.example\r\nSet-Cookie: d=4; Domain=www.shop.example\r\n");
    sent(&j, &shop, "/", "a=1; d=4");
    sent(&j, &parent, "/", "a=1");
    sent(&j, &other, "/", ""); // "evilshop.example" ends in "shop.example" but is not within it
    cookies_clear(&j);
    take(&j, &address, "/", "Set-Cookie: a=1; Domain=0.0.1\r\nSet-Cookie: b=2; Domain=127.0.0.1\r\n");
    sent(&j, &address, "/", "b=2");
    cookies_free(&j);
}

static void paths(void **s)
{
    (void)s;
    struct cookie_jar j = {0};
    take(&j, &shop, "/app/in?q=/x/y",
         "Set-Cookie: here=1\r\nSet-Cookie: all=2; Path=/\r\n"
         "Set-Cookie: deep=3; Path=/app/in/\r\nSet-Cookie: odd=4; Path=relative\r\n");
    sent(&j, &shop, "/app/in/x", "deep=3; here=1; odd=4; all=2"); // the longest path first
    sent(&j, &shop, "/app", "here=1; odd=4; all=2");
    sent(&j, &shop, "/apple", "all=2");
    sent(&j, &shop, "/app?x", "here=1; odd=4; all=2");
    cookies_free(&j);
}

static void lifetimes(void **s)
{
    (void)s;
    struct cookie_jar j = {0};
    take(&j, &shop, "/",
         "Set-Cookie: a=1; Max-Age=10\r\nSet-Cookie: b=2; Expires=Wed, 21 Oct 2015 07:28:00 GMT\r\n"
         "Set-Cookie: c=3; Max-Age=5; Expires=Wed, 21 Oct 2015 07:28:00 GMT\r\n"
         "Set-Cookie: d=4; Expires=never\r\nSet-Cookie: e=5; Max-Age=99999999999999999999\r\n");
    sent(&j, &shop, "/", "a=1; c=3; d=4; e=5");
    sent_at(&j, &shop, "/", NOW_S + 5,
            "a=1; c=3; d=4; e=5"); // never shorter than it says: the clock is in whole seconds
    sent_at(&j, &shop, "/", NOW_S + 6, "a=1; d=4; e=5");
    sent_at(&j, &shop, "/", NOW_S + 10, "a=1; d=4; e=5");
    sent_at(&j, &shop, "/", NOW_S + 11, "d=4; e=5");
    take(&j, &shop, "/", "Set-Cookie: d=gone; Max-Age=0\r\nSet-Cookie: e=; Expires=Thu, 01 Jan 1970 00:00:00 GMT\r\n");
    sent(&j, &shop, "/", "a=1; c=3");
    cookies_free(&j);
}

static void secure_ones_stay_with_tls(void **s)
{
    (void)s;
    struct cookie_jar j = {0};
    take(&j, &safe, "/", "Set-Cookie: a=1; Secure\r\nSet-Cookie: b=2\r\n");
    take(&j, &shop, "/", "Set-Cookie: c=3; Secure\r\n"); // not to be set in the clear
    sent(&j, &safe, "/", "a=1; b=2");
    sent(&j, &shop, "/", "b=2");
    cookies_free(&j);
}

static void a_hostile_server_fills_no_memory(void **s)
{
    (void)s;
    struct cookie_jar j = {0};
    struct seep_buf head;
    buf_init(&head, 1 << 20);
    buf_str(&head, "Set-Cookie: big=");
    for (int i = 0; i < 5000; i++)
        buf_char(&head, 'x');
    buf_str(&head, "\r\nSet-Cookie: =1\r\nSet-Cookie: none\r\nSet-Cookie: a\1b=1\r\nSet-Cookie:\r\nSet-Cookie: ;;=;\r\n"
                   "Set-Cookie: cut=1; Domain=; Path=; Max-Age=; Expires=");
    take(&j, &shop, "/", head.data);
    sent(&j, &shop, "/", "cut=1");
    for (int i = 0; i < 1000; i++) {
        char line[64];
        snprintf(line, sizeof line, "Set-Cookie: n%d=1\r\n", i);
        take(&j, &shop, "/", line);
    }
    assert_int_equal(j.n, COOKIES_MAX);
    cookies_clear(&j);
    for (int i = 0; i < 1000; i++) // a name that is set for ever is one cookie
        take(&j, &shop, "/", i % 2 ? "Set-Cookie: one=long long long value\r\n" : "Set-Cookie: one=1\r\n");
    assert_int_equal(j.n, 1);
    buf_free(&head);
    cookies_free(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cookie_comes_back_to_its_host),
        cmocka_unit_test(domains),
        cmocka_unit_test(paths),
        cmocka_unit_test(lifetimes),
        cmocka_unit_test(secure_ones_stay_with_tls),
        cmocka_unit_test(a_hostile_server_fills_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
