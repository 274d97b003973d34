// Forks as often as asked while eight threads are busy in malloc; every child allocates, frees and exits 7.
// usage: fork_storm FORKS
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int stop;

static void *churn(void *arg)
{
    void *kept[64] = {0};
    unsigned x = (unsigned)(size_t)arg;
    while (!stop) {
        x = x * 1664525 + 1013904223;
        free(kept[x >> 26]);
        kept[x >> 26] = malloc(x >> 8 & 4095);
        if (x % 64 == 0)
            usleep(200); // or eight threads on few cores leave the forking one no time at all
    }
    for (int i = 0; i < 64; i++)
        free(kept[i]);
    return NULL;
}

int main(int argc, char **argv)
{
    int forks = argc > 1 ? atoi(argv[1]) : 1000, good = 0;
    pthread_t t[8];
    for (size_t i = 0; i < 8; i++)
        pthread_create(&t[i], NULL, churn, (void *)(i + 1));
    for (int i = 0; i < forks; i++) {
        int status, pid = fork();
        if (pid == 0) {
            void *p = malloc(100), *q = calloc(10, 10);
            p = realloc(p, 5000);
            free(p);
            free(q);
            _exit(p && q ? 7 : 8);
        }
        if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 7)
            good++;
    }
    stop = 1;
    for (int i = 0; i < 8; i++)
        pthread_join(t[i], NULL);
    printf("%d of %d\n", good, forks);
    return good == forks ? 0 : 1;
}
