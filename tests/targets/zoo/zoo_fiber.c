// Fibers: stacks from malloc and from mmap that are entered by swapcontext, left in the middle, and freed.
#include "zoo.h"

#include <sys/mman.h>
#include <ucontext.h>

enum { HEAP = 3501, HEAP_AFTER, MAPPED, MAPPED_AFTER, BYTES = 128 << 10 };

static ucontext_t here, there;

static ZOO_NOINLINE void in_fiber(size_t size)
{
    zoo_kept = malloc(size);
}

static void on_heap(void)
{
    in_fiber(HEAP);
    swapcontext(&there, &here);
    in_fiber(HEAP_AFTER);
    zoo_kept = NULL;
}

static void on_mapping(void)
{
    in_fiber(MAPPED);
    swapcontext(&there, &here);
    in_fiber(MAPPED_AFTER);
    zoo_kept = NULL;
}

static ZOO_NOINLINE void run(void *stack, void (*fiber)(void))
{
    getcontext(&there);
    there.uc_stack.ss_sp = stack;
    there.uc_stack.ss_size = BYTES;
    there.uc_link = &here;
    makecontext(&there, fiber, 0);
    swapcontext(&here, &there);
    swapcontext(&here, &there);
}

static ZOO_NOINLINE void once_round(void)
{
    void *heap = malloc(BYTES);
    run(heap, on_heap);
    free(heap);
    void *mapped = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    run(mapped, on_mapping);
    munmap(mapped, BYTES);
    zoo_kept = NULL;
}

int main(void)
{
    zoo_says(HEAP, "exact", "in_fiber;on_heap");
    zoo_says(HEAP_AFTER, "exact", "in_fiber;on_heap");
    zoo_says(MAPPED, "exact", "in_fiber;on_mapping");
    zoo_says(MAPPED_AFTER, "exact", "in_fiber;on_mapping");
    zoo_live(once_round);
}
