// Fills shared memory, a page at a time.
#include "why_pace.h"

#include <sys/mman.h>

static char *shared;

static void step(unsigned n)
{
    shared[(size_t)n % 100000 * 4096] = 1;
}

int main(void)
{
    shared = mmap(NULL, 100000ul * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return shared == MAP_FAILED ? 1 : why_pace(step, 400);
}
