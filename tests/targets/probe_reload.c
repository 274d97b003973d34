// Loads plug-in a, allocates through it, unloads it, loads plug-in b (mostly at the same address), allocates, and so
// on. Prints what each leaked and whether the addresses coincided. usage: probe_reload DIRECTORY ROUNDS
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int rounds = argc > 2 ? atoi(argv[2]) : 10, same = 0;
    void *last = NULL;
    for (int i = 0; i < rounds; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/probe_plugin_%c", argv[1], i & 1 ? 'b' : 'a');
        void *h = dlopen(path, RTLD_NOW);
        void *(*alloc)(size_t) = h ? (void *(*)(size_t))dlsym(h, "plugin_alloc") : NULL;
        if (!alloc)
            return 1;
        same += (void *)((size_t)alloc & ~4095ul) == last;
        last = (void *)((size_t)alloc & ~4095ul);
        for (int k = 0; k < 100; k++)
            if (!alloc(i & 1 ? 200 : 100))
                return 1;
        dlclose(h);
    }
    dprintf(1, "live %d %d\n", rounds, same);
    char c;
    return read(0, &c, 1) < 0;
}
