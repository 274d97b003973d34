// A forked child whose heap is first used by another thread than the one that forked, then by that one: nothing is
// allocated in between, as the thread's stack is one that was kept.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 1000

static pthread_barrier_t barrier;

static void *nothing(void *arg)
{
    return arg;
}

static void use_heap(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        void *volatile p = malloc(64);
        free(p);
    }
}

static void *first_user(void *arg)
{
    use_heap();
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier); // the place of one that is gone is free to be taken
    return arg;
}

int main(void)
{
    pthread_t thread;
    int status = 1;
    free(malloc(100));
    if (pthread_create(&thread, NULL, nothing, NULL) != 0 || pthread_join(thread, NULL) != 0)
        return 1;
    pid_t child = fork();
    if (child == 0) {
        pthread_barrier_init(&barrier, NULL, 2);
        if (pthread_create(&thread, NULL, first_user, NULL) != 0)
            _exit(1);
        pthread_barrier_wait(&barrier);
        use_heap();
        pthread_barrier_wait(&barrier);
        pthread_join(thread, NULL);
        _exit(0);
    }
    return waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
}
