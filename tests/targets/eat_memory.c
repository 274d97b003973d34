// Touches memory until argv[1] MiB (default 1024) are resident, then says "ready" and sleeps. In a small memory cgroup
// the kernel kills it on the way.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    long wanted = argc > 1 ? atol(argv[1]) : 1024;
    for (long i = 0; i < wanted; i++) {
        char *p = malloc(1 << 20);
        if (!p)
            return 3;
        memset(p, 1, 1 << 20);
    }
    printf("ready\n");
    fflush(stdout);
    for (;;)
        pause();
}
