// The same in C++: an inventory that remembers every order it has seen: leak_cxx RATE_BYTES_PER_S [SECONDS]
//
// Orders live in a bounded map and are erased; with RATE > 0 a copy of some is pushed into a history that nobody reads.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

namespace shop
{
volatile std::sig_atomic_t stop;

struct order {
    unsigned id;
    std::string text;
    char detail[160];
    explicit order(unsigned n) : id(n), text("order number " + std::to_string(n) + " with a text too long for the small buffer"), detail{} {}
};

class history
{
  public:
    __attribute__((noinline)) void remember(unsigned n) { seen_.push_back(std::make_unique<order>(n)); }
    std::size_t size() const { return seen_.size(); }

  private:
    std::vector<std::unique_ptr<order>> seen_;
};

class inventory
{
  public:
    __attribute__((noinline)) void take(unsigned n, bool forget)
    {
        open_.emplace(n, order(n));
        if (open_.size() > 256)
            open_.erase(open_.begin());
        if (forget)
            history_.remember(n);
    }
    std::size_t remembered() const { return history_.size(); }

  private:
    std::map<unsigned, order> open_;
    history history_;
};
} // namespace shop

int main(int argc, char **argv)
{
    double rate = argc > 1 ? std::atof(argv[1]) : 0, seconds = argc > 2 ? std::atof(argv[2]) : 0;
    std::signal(SIGTERM, [](int) { shop::stop = 1; });
    auto begin = std::chrono::steady_clock::now();
    shop::inventory stock;
    unsigned n = 0;
    const double size = sizeof(shop::order) + 80;
    while (!shop::stop) {
        double at = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
        if (seconds > 0 && at >= seconds)
            break;
        for (int i = 0; i < 50; i++)
            stock.take(n++, at * rate >= static_cast<double>(stock.remembered() + 1) * size);
        usleep(10000);
    }
    std::printf("orders %u remembered %zu\n", n, stock.remembered());
    return 0;
}
