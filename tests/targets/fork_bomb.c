// A bounded fork bomb: every process forks again, in sessions of their own, until argv[1] (default 200) exist; a
// counter in shared memory bounds it. Those that ended for lack of room sleep like the others.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int limit = argc > 1 ? atoi(argv[1]) : 200;
    int *made = mmap(NULL, sizeof *made, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED)
        return 3;
    printf("ready\n");
    fflush(stdout);
    signal(SIGTERM, SIG_IGN);
    for (;;) {
        if (__atomic_add_fetch(made, 1, __ATOMIC_SEQ_CST) > limit)
            pause();
        else if (fork() == 0)
            setsid();
    }
}
