// Short-lived threads that allocate inside dl_iterate_phdr callbacks (under the loader's lock), in thread-local
// destructors and in between, while other threads open and close a library and throw signals about.
// usage: threads_churn THREADS
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_key_t key;
static volatile int stop;

static void destroy(void *p)
{
    free(p);
    void *volatile more = malloc(300);
    free(more);
}

static int visit(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)info;
    (void)size;
    void **p = arg;
    free(*p);
    *p = malloc(128);
    return 0;
}

static void *shortlived(void *arg)
{
    void *p = NULL;
    pthread_setspecific(key, malloc(64));
    dl_iterate_phdr(visit, &p);
    free(p);
    return arg;
}

static void *loader(void *arg)
{
    while (!stop) {
        void *h = dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL);
        if (h)
            dlclose(h);
    }
    return arg;
}

int main(int argc, char **argv)
{
    int n = argc > 1 ? atoi(argv[1]) : 1000;
    pthread_t other[2], t[4];
    pthread_key_create(&key, destroy);
    for (int i = 0; i < 2; i++)
        pthread_create(&other[i], NULL, loader, NULL);
    for (int i = 0; i < n; i += 4) {
        for (int k = 0; k < 4; k++)
            if (pthread_create(&t[k], NULL, shortlived, NULL) != 0)
                return 1;
        for (int k = 0; k < 4; k++)
            pthread_join(t[k], NULL);
    }
    stop = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(other[i], NULL);
    puts("done");
    return 0;
}
