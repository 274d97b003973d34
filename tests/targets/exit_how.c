// Ends in the way argv[1] names, with status 5: exit, _exit, quick_exit, constructor, thread (the main
// thread leaves first and another one ends the process).
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *later(void *arg)
{
    (void)arg;
    usleep(20000);
    exit(5);
}

__attribute__((constructor)) static void early(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "constructor"))
        _exit(5);
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "exit";
    pthread_t t;
    if (!strcmp(how, "_exit"))
        _exit(5);
    if (!strcmp(how, "quick_exit"))
        quick_exit(5);
    if (!strcmp(how, "thread") && !pthread_create(&t, NULL, later, NULL))
        pthread_exit(NULL);
    return strcmp(how, "exit") ? 3 : 5;
}
