// vfork and posix_spawn many times, with allocations in the vfork child (they land in the parent's heap), then prints
// how many blocks of 333 bytes are live and waits.
// usage: probe_vfork TIMES
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static void *volatile kept[4096];

int main(int argc, char **argv)
{
    int n = argc > 1 ? atoi(argv[1]) : 100, status;
    for (volatile int i = 0; i < n; i++) {
        int pid = vfork();
        if (pid == 0) {
            kept[i % 4096] = malloc(333);
            _exit(0);
        }
        waitpid(pid, &status, 0);
        char *args[] = {"true", NULL};
        if (i % 16 == 0 && posix_spawnp(&pid, "true", NULL, NULL, args, environ) == 0)
            waitpid(pid, &status, 0);
    }
    dprintf(1, "live %d %d\n", n, n * 333);
    char c;
    return read(0, &c, 1) < 0;
}
