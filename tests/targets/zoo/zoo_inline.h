#ifndef ZOO_INLINE_H
#define ZOO_INLINE_H
#include <stddef.h>
void *inline_other(size_t size);
#endif
