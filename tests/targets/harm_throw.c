// A program in C that loads plug-ins in C++ which throw, in several threads, and unloads and reloads them meanwhile.
// usage: harm_throw DIRECTORY ROUNDS
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static char path[512];
static int rounds;

static void *throw_some(void *arg)
{
    long good = 0;
    for (int i = 0; i < rounds; i++) {
        void *h = dlopen(path, RTLD_NOW);
        int (*throws)(int) = h ? (int (*)(int))dlsym(h, "plugin_throws") : NULL;
        if (!throws)
            return (void *)-1;
        for (int depth = 0; depth < 12; depth++) {
            void *p = malloc((size_t)depth * 100 + 1);
            good += throws(depth) == 300;
            free(p);
        }
        dlclose(h);
    }
    (void)arg;
    return (void *)good;
}

int main(int argc, char **argv)
{
    pthread_t t[3];
    snprintf(path, sizeof path, "%s/harm_throw_plugin", argc > 1 ? argv[1] : ".");
    rounds = argc > 2 ? atoi(argv[2]) : 10;
    for (int i = 0; i < 3; i++)
        pthread_create(&t[i], NULL, throw_some, NULL);
    for (int i = 0; i < 3; i++) {
        void *good;
        pthread_join(t[i], &good);
        printf("%ld of %d\n", (long)good, 12 * rounds);
    }
    return 0;
}
