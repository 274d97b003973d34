// Vice: names that only a demangler can read: templates, lambdas, anonymous namespaces, operators.
// flags: -O2 -g
#include "resolve_marks.h"

#include <cstdio>
#include <string>
#include <vector>

static volatile int sink;

namespace shop
{
template <typename T> struct basket {
    __attribute__((noinline)) void put(T value)
    {
        sink += (int)sizeof value;
        MARK(); // template
        sink += 1;
    }
};

struct till {
    __attribute__((noinline)) till &operator+=(int x)
    {
        sink += x;
        MARK(); // operator
        sink += 1;
        return *this;
    }
};
} // namespace shop

namespace
{
__attribute__((noinline)) void nameless(int x)
{
    sink += x;
    MARK(); // nameless
    sink += 2;
}
} // namespace

template <typename F> __attribute__((noinline)) static void apply(F f, int n)
{
    for (int i = 0; i < n; i++)
        f(i);
}

int main(int argc, char **)
{
    shop::basket<std::vector<std::string>> b;
    b.put({});
    shop::till t;
    t += argc;
    nameless(argc);
    auto lambda = [](int x) __attribute__((noinline))
    {
        sink += x;
        MARK(); // lambda
        sink += 3;
    };
    apply(lambda, argc);
    std::printf("%d\n", sink);
    return 0;
}
