// Plug-ins loaded by a relative path and unloaded again, in turn at the same addresses.
// usage: zoo_dl DIRECTORY
#include "zoo.h"

#include <dlfcn.h>
#include <string.h>

enum { PLUG_A = 3601, PLUG_B };

static ZOO_NOINLINE void plug(const char *file, const char *name, size_t size)
{
    void *handle = dlopen(file, RTLD_NOW), *symbol = handle ? dlsym(handle, name) : NULL;
    void (*make)(size_t);
    memcpy(&make, &symbol, sizeof make);
    if (!symbol)
        abort();
    make(size);
    dlclose(handle);
}

static ZOO_NOINLINE void once_round(void)
{
    plug("./zoo_plug_a.so", "plug_a_make", PLUG_A);
    plug("./zoo_plug_b.so", "plug_b_make", PLUG_B);
    zoo_kept = NULL;
}

int main(int argc, char **argv)
{
    if (argc < 2 || chdir(argv[1]) < 0)
        return 2;
    zoo_says(PLUG_A, "exact", "make;plug_a_make;plug;once_round;zoo_live~;main");
    zoo_says(PLUG_B, "exact", "make;plug_b_make;plug;once_round;zoo_live~;main");
    zoo_live(once_round);
}
