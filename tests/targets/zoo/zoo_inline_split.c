// The inlined frames of zoo_inline at -O3, both files as one, with their debug information in a .dwo file.
#define WITHIN_FIRST 3151
#include "zoo_inline_b.c"

#include "zoo_inline.c"
