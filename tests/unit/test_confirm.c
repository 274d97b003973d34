// What memcheck says, read and matched: its XML and its text, whole, cut and hostile; names of two demanglers; call
// paths that differ by a frame.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "confirm/sites.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char leak_text[] =
    "==4711== \n==4711== 12 bytes in 1 blocks are still reachable in loss record 1 of 3\n"
    "==4711==    at 0x4841F2F: operator new(unsigned long) (in /usr/libexec/valgrind/vgpreload.so)\n"
    "==4711==    by 0x109CF7: make_unique<shop::order, unsigned int&> (unique_ptr.h:1065)\n"
    "==4711==    by 0x109CF7: shop::history::remember(unsigned int) (leak_cxx.cc:28)\n"
    "==4711==    by 0x10926E: main (leak_cxx.cc:67)\n==4711== \n"
    "==4711== 159,800 (400 direct, 159,400 indirect) bytes in 2 blocks are definitely lost in loss record 2 of 3\n"
    "==4711==    at 0x48417B4: malloc (vg_replace_malloc.c:380)\n"
    "==4711==    by 0x1: ??? (in /usr/lib/libfoo.so.1.2)\n==4711==    by 0x2: tree_new (tree.c:1)\n"
    "==4711==    by 0x3: main (tree.c:9)\n==4711== \n"
    "==4711== 159,400 bytes in 798 blocks are indirectly lost in loss record 3 of 3\n"
    "==4711==    at 0x48417B4: malloc (vg_replace_malloc.c:380)\n==4711==    by 0x2: leaf_new (tree.c:4)\n"
    "==4711== LEAK SUMMARY:\n==4711==    definitely lost: 400 bytes in 2 blocks\n";

static const struct confirm_site *site(const struct confirm_sites *s, const char *key)
{
    for (size_t i = 0; i < s->n; i++)
        if (!strcmp(s->list[i].key, key))
            return &s->list[i];
    for (size_t i = 0; i < s->n; i++)
        print_error("have: %s\n", s->list[i].key);
    fail_msg("no site %s", key);
    return NULL;
}

static void text_of_a_look(void **state)
{
    struct confirm_sites s = {0};
    (void)state;
    assert_int_equal(confirm_read_text(leak_text, strlen(leak_text), 1, &s), 3);
    assert_int_equal(s.n, 3);
    const struct confirm_site *a = site(&s, "make_unique\nshop::history::remember\nmain\n");
    assert_true(a->bytes[CONFIRM_REACHABLE][1] == 12 && a->bytes[CONFIRM_REACHABLE][0] == 0);
    const struct confirm_site *b = site(&s, "libfoo\ntree_new\nmain\n");
    assert_true(b->bytes[CONFIRM_DEFINITE][1] == 400 && b->blocks[CONFIRM_DEFINITE][1] == 2);
    assert_true(site(&s, "leaf_new\n")->blocks[CONFIRM_INDIRECT][1] == 798);
    confirm_sites_free(&s);
    // Cut anywhere it is still read, and nothing is invented.
    for (size_t len = 0; len < strlen(leak_text); len++) {
        char *part = strndup(leak_text, len);
        assert_true(confirm_read_text(part, len, 0, &s) <= 3);
        free(part);
        confirm_sites_free(&s);
    }
}

static void read_xml(const char *text, size_t len, struct confirm_sites *s, struct confirm_xml *x)
{
    int fd = memfd_create("xml", MFD_CLOEXEC);
    assert_int_equal(write(fd, text, len), (ssize_t)len);
    lseek(fd, 0, SEEK_SET);
    confirm_read_xml(fd, CONFIRM_FINAL, s, x);
    close(fd);
}

#define HEAD                                                                                                           \
    "<?xml "                                                                                                           \
    "version=\"1.0\"?>\n<valgrindoutput><protocolversion>4</protocolversion><protocoltool>memcheck</protocoltool>"
#define FRAME(fn) "<frame><ip>0x1</ip><obj>/srv/app</obj><fn>" fn "</fn><file>a.c</file><line>3</line></frame>"
static const char leak_xml[] = HEAD
    "<pid>7</pid><tool>memcheck</tool><error><unique>0x0</unique><kind>Leak_DefinitelyLost</kind><xwhat><text>159,800 "
    "(400 "
    "direct, 159,400 indirect) bytes in 2 blocks are definitely lost</text><leakedbytes>159800</leakedbytes>"
    "<leakedblocks>2</leakedblocks></xwhat><stack>" FRAME("malloc") FRAME("record_new") FRAME(
        "main") "</stack></error>"
                "<error><kind>InvalidRead</kind><what>Invalid read</what><stack>" FRAME(
                    "broken") "</stack><stack>" FRAME("malloc") "</stack></error>"
                                                                "<error><kind>Leak_StillReachable</"
                                                                "kind><xwhat><text>10 bytes in 1 blocks are still "
                                                                "reachable</text>"
                                                                "<leakedbytes>10</leakedbytes><leakedblocks>1</"
                                                                "leakedblocks></xwhat><stack>" FRAME("calloc")
                                                                    FRAME("a&lt;b&gt;::c(int)") FRAME(
                                                                        "main") "</stack></error></valgrindoutput>";

static void xml_of_a_process(void **state)
{
    struct confirm_sites s = {0};
    struct confirm_xml x;
    (void)state;
    read_xml(leak_xml, strlen(leak_xml), &s, &x);
    assert_true(x.memcheck && x.finished && x.fatal_signal == 0 && x.records == 2 && !x.trouble[0]);
    assert_true(site(&s, "record_new\nmain\n")->bytes[CONFIRM_DEFINITE][CONFIRM_FINAL] == 400);
    assert_true(site(&s, "a::c\nmain\n")->bytes[CONFIRM_REACHABLE][CONFIRM_FINAL] == 10);
    confirm_sites_free(&s);
    for (size_t len = 0; len < strlen(leak_xml); len += 7) { // cut: what is whole counts, and it is said
        read_xml(leak_xml, len, &s, &x);
        assert_true(!x.finished && x.trouble[0] && x.records <= 2);
        confirm_sites_free(&s);
    }
}

static void hostile_xml_is_harmless(void **state)
{
    struct confirm_sites s = {0};
    struct confirm_xml x;
    char *big = malloc(4 << 20);
    (void)state;
    static const char bomb[] = "<?xml version=\"1.0\"?><!DOCTYPE v [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b "
                               "\"&a;&a;&a;&a;&a;&a;&a;&a;\">]><valgrindoutput><tool>&b;</tool></valgrindoutput>";
    read_xml(bomb, strlen(bomb), &s, &x);
    assert_non_null(strstr(x.trouble, "document type"));
    memset(big, 'x', 4 << 20); // a name of megabytes is cut
    int n =
        sprintf(big, HEAD
                "<error><kind>Leak_DefinitelyLost</kind><xwhat><leakedbytes>1</leakedbytes></xwhat><stack><frame><fn>");
    big[n] = 'x';
    static const char tail[] = "</fn></frame></stack></error></valgrindoutput>";
    memcpy(big + (4 << 20) - sizeof tail, tail, sizeof tail);
    read_xml(big, (4 << 20) - 1, &s, &x);
    assert_true(x.finished);
    for (size_t i = 0; i < s.n; i++)
        assert_true(strlen(s.list[i].key) < 10000);
    confirm_sites_free(&s);
    n = sprintf(big, HEAD);
    for (int i = 0; i < 5000; i++)
        n += sprintf(big + n, "<error>");
    read_xml(big, (size_t)n, &s, &x);
    assert_non_null(strstr(x.trouble, "too deep"));
    n = sprintf(big, HEAD "<error><kind>Leak_DefinitelyLost</kind><stack>");
    for (int i = 0; i < 5000; i++)
        n += sprintf(big + n, FRAME("f"));
    n += sprintf(big + n, "</stack></error><fatal_signal><signo>11</signo></fatal_signal></valgrindoutput>");
    read_xml(big, (size_t)n, &s, &x);
    assert_int_equal(x.fatal_signal, 11);
    confirm_sites_free(&s);
    free(big);
}

static void read_dhat(const char *text, size_t len, struct confirm_sites *s, struct confirm_dhat *d)
{
    int fd = memfd_create("dhat", MFD_CLOEXEC);
    assert_int_equal(write(fd, text, len), (ssize_t)len);
    lseek(fd, 0, SEEK_SET);
    confirm_read_dhat(fd, s, d);
    close(fd);
}

#define PATH(tb, gb, eb, fs)                                                                                           \
    "{\"tb\":" tb ",\"tbk\":4,\"tl\":1000,\"mb\":9,\"mbk\":9,\"gb\":" gb ",\"gbk\":2,\"eb\":" eb                       \
    ",\"ebk\":1,\"rb\":7,\"wb\":8,\"fs\":[" fs "]}"
#define DHAT(mode, paths)                                                                                              \
    "{\"dhatFileVersion\":2,\"mode\":\"" mode                                                                          \
    "\",\"verb\":\"Allocated\",\"tu\":\"instrs\",\"cmd\":\"a\",\"pid\":7,\"te\":500,\"tg\":400,\"pps\":[" paths        \
    "],\"ftbl\":[\"[root]\",\"0x48417B4: malloc (in /usr/vgpreload.so)\",\"0x1092B2: entry_new (a.c:4)\",\"0x1: main " \
    "(a.c:9)\",\"0x2: ??? (in /usr/lib/libfoo.so.1)\",17]}"

static void dhat_of_a_process(void **state)
{
    // The second path is the first's again, by another copy of the frames; the third names frames that are not there.
    static const char file[] = DHAT("heap", PATH("100", "80", "60", "1,2,3") "," PATH("10", "8", "6", "1,2,3") "," PATH(
                                                "5", "5", "5", "1,4,99,-1,5,\"x\"") "," PATH("-1", "5", "5", "2") ",7");
    struct confirm_sites s = {0};
    struct confirm_dhat d;
    (void)state;
    read_dhat(file, strlen(file), &s, &d);
    assert_true(d.right && d.peak_instructions == 400 && d.end_instructions == 500 && !d.trouble[0]);
    assert_true(d.bytes[CONFIRM_DHAT_TOTAL] == 115 && d.bytes[CONFIRM_DHAT_PEAK] == 93);
    assert_true(d.bytes[CONFIRM_DHAT_END] == 71 && d.blocks[CONFIRM_DHAT_TOTAL] == 12);
    const struct confirm_site *a = site(&s, "entry_new\nmain\n");
    assert_true(a->bytes[CONFIRM_REACHABLE][CONFIRM_DHAT_TOTAL] == 110 && a->blocks[CONFIRM_REACHABLE][0] == 8);
    assert_true(a->bytes[CONFIRM_REACHABLE][CONFIRM_DHAT_PEAK] == 88 && a->read_bytes == 14);
    assert_true(a->bytes[CONFIRM_REACHABLE][CONFIRM_DHAT_END] == 66 && a->life_instructions == 2000);
    site(&s, "libfoo\n");
    confirm_sites_free(&s);
    for (size_t len = 0; len < strlen(file); len++) { // cut anywhere: nothing of it counts, and it is said
        read_dhat(file, len, &s, &d);
        assert_true(!d.right && d.trouble[0] && s.n == 0);
        confirm_sites_free(&s);
    }
    static const char *const others[] = {DHAT("copy", PATH("1", "1", "1", "2")), "[]", "{}", "null",
                                         "{\"dhatFileVersion\":2,\"mode\":\"heap\",\"tu\":\"instrs\",\"te\":1,\"tg\":1,"
                                         "\"pps\":{},\"ftbl\":[]}"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        read_dhat(others[i], strlen(others[i]), &s, &d);
        assert_true(!d.right && d.trouble[0] && s.n == 0);
    }
    // Without any end: 40 MiB, and brackets in brackets.
    size_t large = 40u << 20;
    char *big = malloc(large);
    memset(big, '[', large);
    read_dhat(big, large, &s, &d);
    assert_non_null(strstr(d.trouble, "larger than"));
    read_dhat(big, 1u << 20, &s, &d);
    assert_true(!d.right && d.trouble[0]);
    free(big);
}

__attribute__((noinline)) static void somewhere(void)
{
    __asm__ volatile("");
}

// Frames without names are told from each other by where they are, as seep's own are.
static void frames_of_stripped_programs(void **state)
{
    static const char text[] = "==7== 10 bytes in 1 blocks are still reachable in loss record 1 of 2\n"
                               "==7==    at 0x48417B4: malloc (vg_replace_malloc.c:380)\n"
                               "==7==    by 0x1091FF: ??? (in /srv/bin/app-1.2)\n"
                               "==7==    by 0x109300: ??? (in /srv/bin/app-1.2)\n"
                               "==7==    by 0x49AF249: (below main) (libc_start_call_main.h:58)\n\n"
                               "==7== 20 bytes in 1 blocks are definitely lost in loss record 2 of 2\n"
                               "==7==    at 0x48417B4: malloc (vg_replace_malloc.c:380)\n"
                               "==7==    by 0x10A0FF: ??? (in /srv/bin/app-1.2)\n"
                               "==7==    by 0x109300: ??? (in /srv/bin/app-1.2)\n\n";
    struct confirm_place code = {.start = 0x108000, .end = 0x10b000, .bias = 0x108000};
    struct confirm_places of = {.pid = 7, .list = &code, .n = 1};
    struct confirm_sites s = {.places = &of};
    (void)state;
    assert_int_equal(confirm_read_text(text, strlen(text), 0, &s), 2);
    assert_int_equal(s.n, 2);
    assert_true(site(&s, "app-1_2+0x1200\napp-1_2+0x1301\n")->bytes[CONFIRM_REACHABLE][0] == 10);
    assert_true(site(&s, "app-1_2+0x2100\napp-1_2+0x1301\n")->bytes[CONFIRM_DEFINITE][0] == 20);
    struct report_frame frames[] = {{.module = "/opt/app-1.2", .offset = 0x1200},
                                    {.module = "/opt/app-1.2", .offset = 0x1301},
                                    {.function = "__libc_start_call_main", .module = "/lib/libc.so.6"},
                                    {.function = "_start", .module = "/opt/app-1.2"}};
    struct report_stack stack = {.frames = frames, .n_frames = 4};
    char *key = confirm_key_of(&stack);
    assert_string_equal(key, "app-1_2+0x1200\napp-1_2+0x1301\n");
    assert_true(confirm_likeness(key, "app-1_2+0x1200\napp-1_2+0x1301\n") > 0.99);
    assert_true(confirm_likeness(key, "app-1_2+0x2100\napp-1_2+0x1301\n") < 0.75);
    free(key);
    s.places = NULL;
    confirm_sites_free(&s);
    // Of a real process: ourselves.
    struct confirm_atlas a = {0};
    Dl_info here;
    int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(proc_fd >= 0 && dladdr((void *)(uintptr_t)somewhere, &here));
    confirm_atlas_note(&a, proc_fd, getpid());
    confirm_atlas_note(&a, proc_fd, getpid()); // again: replaced
    assert_int_equal(a.n, 1);
    assert_true(confirm_return_address(confirm_atlas_find(&a, getpid()), (uintptr_t)somewhere - 1) ==
                (uintptr_t)somewhere - (uintptr_t)here.dli_fbase);
    assert_true(confirm_return_address(confirm_atlas_find(&a, getpid()), 16) == UINT64_MAX);
    assert_null(confirm_atlas_find(&a, 1));
    assert_true(confirm_return_address(NULL, 16) == UINT64_MAX);
    confirm_atlas_free(&a);
    close(proc_fd);
    somewhere();
}

static double like(const char *a, const char *b)
{
    return confirm_likeness(a, b);
}

static void paths_that_are_alike(void **state)
{
    (void)state;
    assert_true(like("record_new\nstep\nmain\n", "record_new\nstep\nmain\n") == 1);
    assert_true(like("std::make_unique\nshop::remember\ntake\nmain\n", "make_unique\nshop::remember\ntake\nmain\n") ==
                1);
    assert_true(like("a\nb\nc\nd\nmain\n", "a\nb\nd\nmain\n") > 0.75); // one was inlined
    assert_true(like("a\nb\nc\nmain\n", "x\nb\nc\nmain\n") == 0 || like("a\nb\nc\nmain\n", "x\nb\nc\nmain\n") < 0.76);
    assert_true(like("session_new\nlogin\nmain\n", "audit_new\nlogin\nmain\n") < 0.75);
    assert_true(like("", "a\n") == 0 && like("a\n", "") == 0);
    assert_true(like("remake_unique\nmain\n", "make_unique\nx\nmain\n") == 0); // no part of a word
}

static void names_of_two_demanglers(void **state)
{
    static const struct {
        const char *name, *plain;
    } rows[] = {
        {"shop::history::remember(unsigned int)", "shop::history::remember"},
        {"std::_MakeUniq<A>::__single_object std::make_unique<A, int&>(int&)", "std::make_unique"},
        {"(anonymous namespace)::cache::put(int) const", "{anonymous}::cache::put"},
        {"std::function<void (int)>::operator()(int) const", "std::function::operator()"},
        {"std::__cxx11::basic_string<char, std::char_traits<char> > std::operator+<char>(char const*)",
         "std::operator+"},
        {"std::string::append[abi:cxx11](char const*)", "std::string::append"},
        {"plain_c", "plain_c"},
        {"cooperator_new(int)", "cooperator_new"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct report_frame f = {.function = rows[i].name, .module = "/srv/app"};
        char want[200], *key = confirm_key_of(&(struct report_stack){.frames = &f, .n_frames = 1});
        snprintf(want, sizeof want, "%s\n", rows[i].plain);
        assert_string_equal(key, want);
        free(key);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_of_a_look),          cmocka_unit_test(xml_of_a_process),
        cmocka_unit_test(hostile_xml_is_harmless), cmocka_unit_test(dhat_of_a_process),
        cmocka_unit_test(paths_that_are_alike),    cmocka_unit_test(frames_of_stripped_programs),
        cmocka_unit_test(names_of_two_demanglers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
