// Throws an exception that nobody catches: std::terminate(), SIGABRT.
#include <stdexcept>

int main()
{
    throw std::runtime_error("nobody catches this");
}
