// What an application does between its allocations: reads made-up log lines, counts words in a hash, keeps sessions in
// a tree, formats and sorts. A third of the time or less is the allocator's. usage: appmix ROUNDS
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace
{

uint64_t seed = 88172645463325252u;

uint64_t draw()
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

struct session {
    std::string user;
    std::vector<std::string> pages;
    uint64_t bytes = 0;
};

struct service {
    std::map<uint64_t, std::unique_ptr<session>> sessions;
    std::unordered_map<std::string, uint64_t> words;
    uint64_t sum = 0;

    std::string line()
    {
        std::string s;
        for (int i = 0; i < 24; i++) {
            s += "w" + std::to_string(draw() % 4000);
            s += ' ';
        }
        return s;
    }

    void count(const std::string &text)
    {
        for (size_t at = 0, end; (end = text.find(' ', at)) != std::string::npos; at = end + 1)
            words[text.substr(at, end - at)]++;
    }

    void visit(uint64_t key, const std::string &text)
    {
        auto &s = sessions[key];
        if (!s) {
            s = std::make_unique<session>();
            s->user = "a user with the number " + std::to_string(key);
        }
        s->pages.push_back(text.substr(draw() % 40, 60));
        s->bytes += text.size();
        if (s->pages.size() > 12)
            sessions.erase(key);
    }

    void checksum(const std::string &text)
    {
        uint64_t h = 1469598103934665603u;
        for (int pass = 0; pass < 6; pass++)
            for (unsigned char c : text)
                h = (h ^ c) * 1099511628211u;
        sum += h;
    }

    void report()
    {
        std::vector<std::pair<uint64_t, std::string>> top;
        for (const auto &w : words)
            top.emplace_back(w.second, w.first);
        std::sort(top.begin(), top.end());
        for (const auto &t : top)
            sum += t.first ^ t.second.size();
    }
};

} // namespace

int main(int argc, char **argv)
{
    unsigned long rounds = argc > 1 ? strtoul(argv[1], nullptr, 10) : 100000;
    service s;
    for (unsigned long i = 0; i < rounds; i++) {
        std::string text = s.line();
        s.count(text);
        s.checksum(text);
        s.visit(draw() % 50000, text);
        if (i % 4096 == 0)
            s.report();
    }
    printf("%llu\n", (unsigned long long)(s.sum + s.words.size() + s.sessions.size()));
    return 0;
}
