// The other half of zoo_inline: only the link can inline this.
#include "zoo_inline.h"

#include <stdlib.h>

static void *volatile kept;

static void *inline_leaf(size_t size)
{
    return kept = malloc(size);
}

void *inline_other(size_t size)
{
    void *p = inline_leaf(size);
    kept = p;
    return p;
}
