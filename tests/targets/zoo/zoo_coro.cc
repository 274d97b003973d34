// C++ coroutines: frames on the heap, bodies that are entered from whoever resumes them, one that awaits another, and
// an exception that ends one.
#include "zoo.h"

#include <coroutine>
#include <exception>
#include <utility>

enum { FIRST_LEG = 3801, SECOND_LEG, OTHER_PLACE, INNER, THROWN };

struct task {
    struct promise_type {
        std::coroutine_handle<> awaits = std::noop_coroutine();
        std::exception_ptr thrown;
        task get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_always initial_suspend() noexcept { return {}; }
        struct back {
            bool await_ready() noexcept { return false; }
            std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> h) noexcept
            {
                return h.promise().awaits; // a jump into who waits: its frame is not below this one
            }
            void await_resume() noexcept {}
        };
        back final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { thrown = std::current_exception(); }
    };
    std::coroutine_handle<promise_type> h;
    bool await_ready() { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> waits)
    {
        h.promise().awaits = waits;
        return h;
    }
    void await_resume() {}
};

static ZOO_NOINLINE void lose(size_t size)
{
    zoo_kept = malloc(size);
}

static task inner()
{
    lose(INNER);
    zoo_kept = nullptr;
    co_return;
}

static task legs()
{
    lose(FIRST_LEG);
    co_await std::suspend_always{};
    lose(SECOND_LEG);
    co_await std::suspend_always{};
    lose(OTHER_PLACE);
    task t = inner();
    co_await t;
    t.h.destroy();
    zoo_kept = nullptr;
}

static task throws()
{
    co_await std::suspend_always{};
    throw 7;
}

static ZOO_NOINLINE void resume_here(task &t)
{
    t.h.resume();
    zoo_kept = nullptr;
}

static ZOO_NOINLINE void resume_there(task &t)
{
    static volatile int times; // lest the compiler folds this and resume_here into one
    times = times + 1;
    t.h.resume();
    zoo_kept = nullptr;
}

static ZOO_NOINLINE void catch_here(task &t)
{
    resume_here(t);
    resume_there(t);
    try {
        std::rethrow_exception(t.h.promise().thrown);
    } catch (int) {
        lose(THROWN);
    }
    zoo_kept = nullptr;
}

static ZOO_NOINLINE void once_round()
{
    task t = legs(), u = throws();
    resume_here(t);
    resume_here(t);
    resume_there(t);
    t.h.destroy();
    catch_here(u);
    u.h.destroy();
    zoo_kept = nullptr;
}

int main()
{
#define BODY  "lose;legs;*;"
#define BELOW ";once_round;zoo_live~;main"
    zoo_says(FIRST_LEG, "exact", BODY "resume_here" BELOW);
    zoo_says(SECOND_LEG, "exact", BODY "resume_here" BELOW);
    zoo_says(OTHER_PLACE, "exact", BODY "resume_there" BELOW);
    zoo_says(INNER, "exact", "lose;inner;*;resume_there" BELOW);
    zoo_says(THROWN, "exact", "lose;catch_here" BELOW);
    zoo_live(once_round);
}
