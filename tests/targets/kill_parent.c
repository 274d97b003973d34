// Kills its parent with argv[1] (default 15, TERM), then prints on for a moment and exits 7. With argv[2] it says
// "ready" and waits for SIGUSR1 first.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int sig = argc > 1 ? atoi(argv[1]) : SIGTERM;
    if (argc > 2) {
        sigset_t go;
        sigemptyset(&go);
        sigaddset(&go, SIGUSR1);
        sigprocmask(SIG_BLOCK, &go, NULL);
        printf("ready\n");
        fflush(stdout);
        sigwait(&go, &(int){0});
    }
    if (kill(getppid(), sig) < 0)
        return 3;
    for (int i = 0; i < 20; i++) {
        printf("still here %d\n", i);
        fflush(stdout);
        usleep(10000);
    }
    return 7;
}
