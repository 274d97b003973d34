// C++ exceptions through a dozen frames with destructors on the way: what a probe between the program and malloc must
// not make dearer.
// usage: throws ROUNDS
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace
{

volatile unsigned sink;

struct guard {
    ~guard() { sink = sink + 1; }
};

__attribute__((noinline)) void down(unsigned depth, unsigned n)
{
    guard g;
    if (depth == 0)
        throw std::runtime_error("round " + std::to_string(n) + " ends here");
    down(depth - 1, n);
    sink = sink + 2;
}

} // namespace

int main(int argc, char **argv)
{
    unsigned long rounds = argc > 1 ? strtoul(argv[1], nullptr, 10) : 100000;
    size_t caught = 0;
    for (unsigned long i = 0; i < rounds; i++) {
        try {
            down(12, static_cast<unsigned>(i));
        } catch (const std::exception &e) {
            caught += e.what()[0] != 0;
        }
    }
    printf("%zu\n", caught);
    return caught != rounds;
}
