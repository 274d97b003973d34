// Which pages of an address space have content: written ones, and not those that were only read.
#include "linux/hold.h"
#include "linux/proc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>
// cmocka.h needs the headers above it
#include <cmocka.h>

enum { PAGES = 600 };

static double populated(int fd, const char *at, size_t bytes)
{
    struct linux_run run[64];
    uint64_t from = (uint64_t)(uintptr_t)at, to = from + bytes, next = from;
    double sum = 0;
    for (; from < to; from = next) {
        ssize_t n = linux_populated(fd, from, to, run, 64, &next, NULL);
        assert_true(n >= 0 && next > from);
        for (ssize_t i = 0; i < n; i++)
            sum += (double)(run[i].end - run[i].start);
    }
    return sum;
}

static void what_was_written_has_content(void **state)
{
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *at = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int proc = linux_proc_open(NULL), fd = linux_pagemap_open(proc, getpid(), NULL);
    assert_true(at != MAP_FAILED && fd >= 0);
    madvise(at, PAGES * page, MADV_NOHUGEPAGE);
    assert_true(populated(fd, at, PAGES * page) == 0);
    for (size_t i = 0; i < PAGES; i += 3)
        at[i * page] = 1;
    assert_true(populated(fd, at, PAGES * page) == (double)(PAGES / 3 * page));
    close(fd);
    close(proc);
    munmap(at, PAGES * page);
}

static void what_was_only_read_has_none(void **state)
{
    (void)state;
    struct utsname u;
    int major = 0, minor = 0;
    assert_int_equal(uname(&u), 0);
    if (sscanf(u.release, "%d.%d", &major, &minor) != 2 || major < 6 || (major == 6 && minor < 7)) {
        print_message("this kernel cannot tell pages of zeros from others\n");
        skip();
    }
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    volatile char *at = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int proc = linux_proc_open(NULL), fd = linux_pagemap_open(proc, getpid(), NULL);
    assert_true((char *)at != MAP_FAILED && fd >= 0);
    madvise((char *)at, PAGES * page, MADV_NOHUGEPAGE);
    int sum = 0;
    for (size_t i = 0; i < PAGES; i++)
        sum += at[i * page];
    assert_int_equal(sum, 0);
    assert_true(populated(fd, (char *)at, PAGES * page) == 0);
    at[7 * page] = 1;
    assert_true(populated(fd, (char *)at, PAGES * page) == (double)page);
    close(fd);
    close(proc);
    munmap((char *)at, PAGES * page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_was_written_has_content),
                                       cmocka_unit_test(what_was_only_read_has_none)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
