// Generated code: with a frame pointer and an entry in the perf map; without one.
#include "zoo.h"

#include <string.h>
#include <sys/mman.h>

enum { FRAMED = 3701, UNFRAMED };

// void f(void (*site)(size_t), size_t size)
static const unsigned char framed[] = {0x55, 0x48, 0x89, 0xe5,                         // push rbp; mov rbp, rsp
                                       0x48, 0x89, 0xf8, 0x48, 0x89, 0xf7, 0xff, 0xd0, // rax = rdi; rdi = rsi; call rax
                                       0x5d, 0xc3};                                    // pop rbp; ret
static const unsigned char unframed[] = {0x48, 0x83, 0xec, 0x08,                       // sub rsp, 8
                                         0x48, 0x89, 0xf8, 0x48, 0x89, 0xf7, 0xff, 0xd0, //
                                         0x48, 0x83, 0xc4, 0x08, 0xc3};                  // add rsp, 8; ret
typedef void generated(void (*)(size_t), size_t);
static generated *code[2];

static void called_by_jit(size_t size)
{
    zoo_kept = malloc(size);
}

static ZOO_NOINLINE void once_round(void)
{
    code[0](called_by_jit, FRAMED);
    code[1](called_by_jit, UNFRAMED);
    zoo_kept = NULL;
}

int main(void)
{
    char path[64];
    unsigned char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(page, framed, sizeof framed);
    memcpy(page + 256, unframed, sizeof unframed);
    mprotect(page, 4096, PROT_READ | PROT_EXEC);
    void *at[2] = {page, page + 256};
    memcpy(code, at, sizeof code);
    snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)getpid());
    FILE *map = fopen(path, "w");
    if (!map)
        return 1;
    fprintf(map, "%lx %lx jit_framed\n%lx %lx jit_unframed\n", (unsigned long)page, (unsigned long)sizeof framed,
            (unsigned long)(page + 256), (unsigned long)sizeof unframed);
    fclose(map);
    zoo_says(FRAMED, "exact", "called_by_jit;jit_framed;once_round;zoo_live~;main");
    zoo_says(UNFRAMED, "cut", "called_by_jit;jit_unframed");
    zoo_live(once_round);
}
