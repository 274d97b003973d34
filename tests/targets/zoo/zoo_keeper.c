// Keeps programs as its children until it is told to end, started one after the other.
// usage: zoo_keeper PROGRAM[:ARGUMENT]...
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv)
{
    pid_t pid[64];
    sigset_t end;
    int sig, n = 0;
    sigemptyset(&end);
    sigaddset(&end, SIGTERM);
    for (; n < argc - 1 && n < 64; n++) {
        char *program = argv[n + 1], *argument = strchr(program, ':');
        if (argument)
            *argument++ = 0;
        char *args[] = {program, argument, NULL};
        if (posix_spawn(&pid[n], program, NULL, NULL, args, environ) != 0)
            return 1;
        usleep(100000);
    }
    sigprocmask(SIG_BLOCK, &end, NULL);
    sigwait(&end, &sig);
    for (int i = 0; i < n; i++)
        kill(pid[i], SIGTERM);
    while (wait(NULL) > 0)
        continue;
    return 0;
}
