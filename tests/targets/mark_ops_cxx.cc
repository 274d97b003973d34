// flags: -std=c++98 -Wall -Wextra -Wpedantic -Werror -Wno-deprecated -fvisibility=hidden
// The marks of a C++ program: in a template, in a destructor while an exception flies, in an object made before main().
#include "seep_mark.h"

#include <cstdio>
#include <string>

namespace
{

struct guard {
    ~guard() { SEEP_MARK("unwound"); }
};

struct early {
    early() { SEEP_MARK("before main"); }
} before;

template <typename T> T count(T n)
{
    for (T i = 0; i < n; i++)
        SEEP_MARK_N("counted", 2);
    return n;
}

void fly()
{
    guard g;
    throw std::string("out");
}

} // namespace

int main()
{
    count(5L);
    count(short(3));
    for (int i = 0; i < 10; i++) {
        try {
            fly();
        } catch (const std::string &) {
            SEEP_MARK(std::string("caught").c_str());
        }
    }
    std::printf("before main 1\ncounted 16\nunwound 10\ncaught 10\n");
    return 0;
}
