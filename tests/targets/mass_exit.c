// argv[1] (default 200) orphans: their parent exits at once, they all end together when a pipe closes.
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int wanted = argc > 1 ? atoi(argv[1]) : 200, gate[2];
    if (pipe(gate) < 0)
        return 3;
    pid_t middle = fork();
    if (middle == 0) {
        for (int i = 0; i < wanted; i++) {
            char c;
            pid_t pid = fork();
            if (pid < 0)
                _exit(3);
            if (pid == 0) {
                close(gate[1]);
                _exit(read(gate[0], &c, 1) == 0 ? 0 : 1);
            }
        }
        _exit(0);
    }
    int status;
    waitpid(middle, &status, 0);
    printf("orphans %d\n", wanted);
    return WEXITSTATUS(status); // closes the gate
}
