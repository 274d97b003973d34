// Makes argv[1] (default 100) children that end at once and never waits for them; says "ready" and sleeps.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int wanted = argc > 1 ? atoi(argv[1]) : 100;
    for (int i = 0; i < wanted; i++) {
        pid_t pid = fork();
        if (pid < 0)
            return 3;
        if (pid == 0)
            _exit(0);
    }
    printf("ready %d\n", wanted);
    fflush(stdout);
    for (;;)
        pause();
}
