// A shared library of the zoo: allocates for its caller, and calls it back.
#include "zoo_lib.h"

#include <stdlib.h>

void *lib_make(size_t size)
{
    void *volatile p = malloc(size);
    return p;
}

void *lib_call(void *(*fn)(size_t), size_t size)
{
    void *volatile p = fn(size);
    return p;
}
