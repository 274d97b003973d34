// Ten thousand threads (or as many as asked), 250 at a time alive together, each with allocations of its own, some
// handed to others to free. Prints its own tally of what is left, then waits for a byte when told to.
// usage: harm_threads THREADS [wait]
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ALIVE 250
#define LEFT  333 // bytes that every hundredth thread leaves behind

static pthread_barrier_t together;
static void *handed[ALIVE];
void *left_behind[100000];

static void *work(void *arg)
{
    size_t me = (size_t)arg % ALIVE;
    handed[me] = malloc(me * 16 + 1);
    pthread_barrier_wait(&together);
    free(handed[(me + 1) % ALIVE]);
    if ((size_t)arg % 100 == 0)
        left_behind[(size_t)arg / 100] = malloc(LEFT);
    return strdup("done");
}

int main(int argc, char **argv)
{
    size_t n = argc > 1 ? (size_t)atoi(argv[1]) : 10000, good = 0;
    pthread_t t[ALIVE];
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    pthread_barrier_init(&together, NULL, ALIVE);
    for (size_t i = 0; i < n; i += ALIVE) {
        for (size_t k = 0; k < ALIVE; k++)
            if (pthread_create(&t[k], &small, work, (void *)(i + k)) != 0)
                return 1;
        for (size_t k = 0; k < ALIVE; k++) {
            void *done = NULL;
            pthread_join(t[k], &done);
            good += done && !strcmp(done, "done");
            free(done);
        }
    }
    dprintf(1, "%zu of %zu, left %zu\n", good, n, (n + 99) / 100);
    char c;
    return argc > 2 && read(0, &c, 1) < 0;
}
