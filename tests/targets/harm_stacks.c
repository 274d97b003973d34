// Allocates on every kind of stack a program can be on: coroutines of makecontext, a signal's alternate stack, a stack
// in the heap that ends at an unmapped page, one whose frames above are garbage, one with the frame pointer used for
// something else, after longjmp across many frames.
// usage: harm_stacks ROUNDS
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

static ucontext_t back, fiber;
static unsigned long good;
static jmp_buf out;
void *kept;

static __attribute__((noinline, noclone)) void allocate(int depth)
{
    char pad[64];
    memset(pad, depth, sizeof pad);
    void *volatile own = kept = malloc((size_t)(depth * 10 + pad[5]));
    if (depth)
        allocate(depth - 1);
    else
        good++;
    free(kept = malloc(20));
    free(own);
}

static void in_fiber(void)
{
    for (;;) {
        allocate(5);
        swapcontext(&fiber, &back);
    }
}

static void in_handler(int sig)
{
    allocate(sig % 7);
    swapcontext(&back, &fiber); // a coroutine resumed from a handler's alternate stack
}

// Calls f with the stack pointer at `top` and the frame pointer at `frame`. What the asm needs while both are another's
// stands in registers that f keeps.
static __attribute__((noinline, noclone)) void on_stack(void *top, uintptr_t frame, void (*f)(void))
{
    __asm__ volatile("mov %%rsp, %%rbx\n\t"
                     "mov %%rbp, %%r12\n\t"
                     "mov %%rdx, %%rsp\n\t"
                     "mov %%rcx, %%rbp\n\t"
                     "call *%%rax\n\t"
                     "mov %%rbx, %%rsp\n\t"
                     "mov %%r12, %%rbp"
                     : "+d"(top), "+c"(frame), "+a"(f)
                     :
                     : "rbx", "r12", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
}

static void some(void)
{
    allocate(3);
}

static void jump_out(int depth)
{
    allocate(1);
    if (depth)
        jump_out(depth - 1);
    else
        longjmp(out, 1);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 100;
    char *heap_stack = malloc(65536), *alternate = malloc(65536);
    char *edge = mmap(NULL, 3 * 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (edge == MAP_FAILED || mprotect(edge + 65536, 65536, PROT_READ | PROT_WRITE) != 0)
        return 1;
    stack_t ss = {.ss_sp = alternate, .ss_size = 65536};
    sigaltstack(&ss, NULL);
    struct sigaction a = {.sa_handler = in_handler, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &a, NULL);
    getcontext(&fiber);
    fiber.uc_stack = (stack_t){.ss_sp = heap_stack, .ss_size = 65536};
    makecontext(&fiber, in_fiber, 0);
    char *top = edge + 2 * 65536;
    for (int i = 0; i < rounds; i++) {
        swapcontext(&back, &fiber);
        raise(SIGUSR1);
        uint64_t garbage[4] = {(uint64_t)i, 0x123456789abcdefull, (uint64_t)(uintptr_t)top - 24, ~0ull};
        for (int k = 1; k < 64; k++) // what the walker takes for frames further out
            ((uint64_t *)top)[-k] = garbage[(i + k) % 4];
        on_stack(top - (i % 8) * 16, garbage[i % 4], some); // at the very edge, above it nothing is mapped
        on_stack(top - 8192, (uintptr_t)top - 4096, some);
        if (setjmp(out) == 0)
            jump_out(20);
    }
    printf("%lu allocations went well\n", good);
    return 0;
}
