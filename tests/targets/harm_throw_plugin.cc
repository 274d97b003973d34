// flags: -shared -fPIC
// A plug-in in C++ for a program in C: throws through its own frames, rethrows, and keeps thread-local objects.
#include <stdexcept>
#include <string>
#include <vector>

namespace
{
struct keeper_of_text {
    std::string text = std::string(200, 'k');
    ~keeper_of_text() { text.append(1000, 'x'); }
};
thread_local keeper_of_text mine;

void thrower(int depth)
{
    std::vector<int> local(100, depth);
    if (depth == 0)
        throw std::runtime_error(std::string(300, 'e'));
    try {
        thrower(depth - 1);
    } catch (const std::logic_error &) {
        local.clear();
    }
}
} // namespace

extern "C" int plugin_throws(int depth)
{
    mine.text[0] = 'm';
    try {
        try {
            thrower(depth);
        } catch (...) {
            throw;
        }
    } catch (const std::exception &e) {
        return static_cast<int>(std::string(e.what()).size());
    }
    return -1;
}
