// C++: templates, virtual calls, lambdas, constructors, operator new in its forms, exceptions through frames, with
// allocations while the stack is unwound and in the handler.
#include "zoo.h"

#include <memory>
#include <new>
#include <string>
#include <vector>

enum { TEMPLATE = 3201, VIRTUAL, LAMBDA, CONSTRUCTOR, ARRAY, NOTHROW, ALIGNED, CLEANUP, HANDLER, VECTOR };

namespace zoo
{

template <typename T> ZOO_NOINLINE T *make(size_t n)
{
    T *p = new T[n];
    zoo_kept = p;
    return p;
}

struct shape {
    virtual ~shape() = default;
    virtual void draw(size_t size) = 0;
};

struct circle : shape {
    ZOO_NOINLINE void draw(size_t size) override { zoo_kept = malloc(size); }
};

struct owner {
    void *p;
    ZOO_NOINLINE owner(size_t size) : p(operator new(size)) { zoo_kept = p; }
};

struct big {
    alignas(64) char bytes[3264];
};

struct guard {
    ZOO_NOINLINE ~guard() { zoo_kept = malloc(CLEANUP); }
};

ZOO_NOINLINE void thrower()
{
    throw 7;
}

ZOO_NOINLINE void through()
{
    guard g;
    thrower();
    zoo_kept = nullptr;
}

ZOO_NOINLINE void catcher()
{
    try {
        through();
    } catch (int) {
        zoo_kept = malloc(HANDLER);
    }
    zoo_kept = nullptr;
}

ZOO_NOINLINE void grow()
{
    auto *v = new std::vector<char>(VECTOR);
    zoo_kept = v->data();
}

ZOO_NOINLINE void once_round()
{
    static circle c;
    shape *volatile s = &c;
    make<char>(TEMPLATE);
    s->draw(VIRTUAL);
    auto lambda = [](size_t size) ZOO_NOINLINE { zoo_kept = malloc(size); };
    lambda(LAMBDA);
    owner o(CONSTRUCTOR);
    zoo_kept = new char[ARRAY];
    zoo_kept = new (std::nothrow) char[NOTHROW];
    zoo_kept = new big;
    catcher();
    grow();
    zoo_kept = nullptr;
}

} // namespace zoo

int main()
{
    const char *round = "zoo::once_round;zoo_live~;main";
    auto says = [&](size_t size, std::string chain) { zoo_says(size, "exact", (chain + ";" + round).c_str()); };
    says(TEMPLATE, "operator new*;zoo::make<char>");
    says(VIRTUAL, "zoo::circle::draw");
    says(LAMBDA, "zoo::once_round()::{lambda(unsigned long)#1}::operator()");
    says(CONSTRUCTOR, "operator new;zoo::owner::owner");
    says(ARRAY, "operator new*");
    says(NOTHROW, "operator new;operator new*");
    says(sizeof(zoo::big), "operator new");
    says(CLEANUP, "zoo::guard::~guard;zoo::through;zoo::catcher");
    says(HANDLER, "zoo::catcher");
    says(VECTOR, "operator new;*;zoo::grow");
    zoo_live(zoo::once_round);
}
