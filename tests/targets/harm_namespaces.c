// Plug-ins that the probe does not see into: one bound to the allocator itself (RTLD_DEEPBIND), one in a namespace with
// a C library of its own (dlmopen). Blocks of the first go to and fro; what the second allocates stays with it.
// usage: harm_namespaces DIRECTORY-OF-TARGETS ROUNDS [seconds to stay]
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct plugin {
    void *(*alloc)(size_t);
    void (*release)(void *);
};

static struct plugin load(const char *dir, int deep)
{
    char path[512];
    struct plugin p = {NULL, NULL};
    snprintf(path, sizeof path, "%s/probe_plugin_c", dir);
    void *h = deep ? dlopen(path, RTLD_NOW | RTLD_DEEPBIND) : dlmopen(LM_ID_NEWLM, path, RTLD_NOW);
    if (h) {
        p.alloc = (void *(*)(size_t))dlsym(h, "plugin_alloc");
        p.release = (void (*)(void *))dlsym(h, "plugin_free");
    } else {
        puts(dlerror());
    }
    return p;
}

// Each block is allocated on one side and freed on the other.
static unsigned to_and_fro(const struct plugin *deep, unsigned rounds)
{
    unsigned good = 0;
    for (unsigned i = 0; i < rounds; i++) {
        size_t n = i % 3 ? i % 500 + 1 : i % 40 * 10000 + 1;
        char *here = malloc(n), *there = deep->alloc(n);
        if (!here || !there)
            return 0;
        memset(here, 1, n);
        memset(there, 2, n);
        good += here[n - 1] == 1 && there[n - 1] == 2;
        deep->release(here);
        free(there);
    }
    return good;
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 2 ? (unsigned)atoi(argv[2]) : 100, good = 0;
    struct plugin deep = load(argc > 1 ? argv[1] : ".", 1), far = load(argc > 1 ? argv[1] : ".", 0);
    if (!deep.alloc || !deep.release || !far.alloc || !far.release)
        return 1;
    printf("to and fro %u of %u\n", to_and_fro(&deep, rounds), rounds);
    for (unsigned i = 0; i < rounds; i++) {
        char *p = far.alloc(i + 1);
        if (!p)
            return 1;
        memset(p, 3, i + 1);
        good += p[i] == 3;
        far.release(p);
    }
    printf("in a namespace of its own %u of %u\n", good, rounds);
    fflush(stdout);
    for (int left = argc > 3 ? atoi(argv[3]) * 10 : 0; left > 0; left--) {
        to_and_fro(&deep, 10);
        usleep(100000);
    }
    return 0;
}
