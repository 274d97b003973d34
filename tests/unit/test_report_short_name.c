// Names of functions as a line of text shows them.
#include "report/short_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
// cmocka.h needs the headers above it
#include <cmocka.h>

static void what_everybody_knows_is_left_out(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"login", "login"},
        {"app::Registry<std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> > >::add(int)",
         "app::Registry<std::string>::add(int)"},
        {"app::Index<std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >, std::vector<int, "
         "std::allocator<int> > >::put",
         "app::Index<std::string, std::vector<int>>::put"},
        {"std::map<int, std::vector<long, std::allocator<long> >, std::less<int>, std::allocator<std::pair<int const, "
         "std::vector<long, std::allocator<long> > > > >::operator[]",
         "std::map<int, std::vector<long>>::operator[]"},
        {"f(std::vector<int, app::Pool<int> >)", "f(std::vector<int, app::Pool<int>>)"},
        {"bool operator> (A, B)", "bool operator> (A, B)"},
        {"cut<std::vector<int, std::allocator<in", "cut<std::vector<int, std::allocator<in"},
        {"<alloc::boxed::Box<T> as core::ops::Drop>::drop", "<alloc::boxed::Box<T> as core::ops::Drop>::drop"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        char out[256];
        assert_string_equal(report_short_name(pairs[i][0], out, sizeof out), pairs[i][1]);
    }
}

static void no_more_than_there_is_room(void **state)
{
    (void)state;
    char out[8], name[4000];
    memset(name, '<', sizeof name);
    name[sizeof name - 1] = '\0';
    assert_string_equal(report_short_name("std::basic_string<char>", out, sizeof out), "std::st");
    assert_int_equal(strlen(report_short_name(name, out, sizeof out)), sizeof out - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_everybody_knows_is_left_out),
                                       cmocka_unit_test(no_more_than_there_is_room)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
