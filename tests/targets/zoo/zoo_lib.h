#ifndef ZOO_LIB_H
#define ZOO_LIB_H
#include <stddef.h>
void *lib_make(size_t size);
void *lib_call(void *(*fn)(size_t), size_t size);
#endif
