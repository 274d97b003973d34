// Becomes a daemon by double fork and setsid; the main process exits 0 and the daemon lives for argv[1] milliseconds
// (default 300), or until it gets a signal when that is 0. Prints the daemon's pid.
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int ms = argc > 1 ? atoi(argv[1]) : 300;
    pid_t first = fork();
    if (first < 0)
        return 3;
    if (first > 0)
        return 0;
    setsid();
    pid_t second = fork();
    if (second != 0)
        _exit(second < 0 ? 3 : 0);
    printf("daemon %d\n", (int)getpid());
    fflush(stdout);
    if (ms == 0)
        for (;;)
            pause();
    usleep((useconds_t)ms * 1000u);
    return 0;
}
