// A registry that only grows, in C++: 300 sessions a second, each with a name and a list of its own, and as many that are
// made and dropped. The steps make up for time in which the machine was busy, so that growth stays a straight line.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace registry
{
volatile std::sig_atomic_t stop;

struct session {
    std::string name;
    std::vector<int> seen;
    explicit session(unsigned n);
};

__attribute__((noinline)) session::session(unsigned n) : name("the session with the number " + std::to_string(n) + ", kept for ever and a day"), seen(60, static_cast<int>(n))
{
}

class book
{
  public:
    __attribute__((noinline)) void enter(unsigned n) { all_[n] = std::make_unique<session>(n); }

  private:
    std::map<unsigned, std::unique_ptr<session>> all_;
};

__attribute__((noinline)) std::size_t look(unsigned n)
{
    session s(n);
    return s.name.size();
}
} // namespace registry

int main()
{
    std::signal(SIGTERM, [](int) { registry::stop = 1; });
    auto began = std::chrono::steady_clock::now();
    registry::book b;
    std::size_t sum = 0;
    std::printf("ready\n");
    std::fflush(stdout);
    for (unsigned n = 0; !registry::stop;) {
        double at = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
        for (; n < at * 300 && !registry::stop; n++) {
            b.enter(n);
            sum += registry::look(n);
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    std::printf("%zu\n", sum);
    return 0;
}
