// Ends in the way it is told to, with allocations in every corner that an ending has: constructors, destructors, TLS
// destructors, atexit and at_quick_exit handlers. Prints which of them ran, in order.
// usage: harm_ends return|exit|_exit|quick_exit|pthread_exit|abort|constructor|raise SIGNAL|thread_exit
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_key_t key;
static char *from_constructor;
static volatile int rounds; // of the key's destructor

// Says it through the kernel: whatever stdio holds is lost in some of these endings, and that is not the question.
static void say(const char *what)
{
    char *copy = strdup(what);
    size_t n = strlen(copy);
    copy[n] = '\n';
    if (write(1, copy, n + 1) < 0)
        abort();
    free(realloc(copy, 5000));
}

static void destroy_key(void *p)
{
    say("key destructor");
    free(p);
    if (rounds < 2) // set again from inside: the library comes round once more
        pthread_setspecific(key, malloc(10));
    rounds++;
}

static void at_exit(void)
{
    say("atexit");
}

static void at_quick(void)
{
    say("at_quick_exit");
}

__attribute__((constructor(101))) static void early(int argc, char **argv)
{
    from_constructor = strdup("constructor");
    say(from_constructor);
    if (argc > 1 && !strcmp(argv[1], "constructor"))
        exit(5);
}

__attribute__((destructor)) static void late(void)
{
    say("destructor");
    free(from_constructor);
}

static void *other(void *arg)
{
    void *kept[100];
    for (int i = 0; i < 100; i++)
        kept[i] = malloc((size_t)i * 10 + 1);
    for (int i = 0; i < 100; i++)
        free(kept[i]);
    pthread_setspecific(key, malloc(20));
    while (strstr(arg, "thread_exit") && rounds < 3) // outlives a main thread that leaves
        usleep(1000);
    say("thread");
    if (!strcmp(arg, "thread_exit"))
        exit(9);
    return NULL;
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "return";
    pthread_t t;
    pthread_key_create(&key, destroy_key);
    pthread_setspecific(key, malloc(30));
    atexit(at_exit);
    at_quick_exit(at_quick);
    pthread_create(&t, NULL, other, (void *)how);
    if (strstr(how, "thread_exit"))
        pthread_exit(NULL);
    pthread_join(t, NULL);
    say(how);
    if (!strcmp(how, "exit"))
        exit(3);
    if (!strcmp(how, "_exit"))
        _exit(4);
    if (!strcmp(how, "quick_exit"))
        quick_exit(6);
    if (!strcmp(how, "abort"))
        abort();
    if (!strcmp(how, "raise"))
        raise(argc > 2 ? atoi(argv[2]) : SIGTERM);
    return 2;
}
