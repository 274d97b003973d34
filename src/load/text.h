// A stretch of bytes that somebody else owns. NUL bytes may be among them.
#ifndef SEEP_LOAD_TEXT_H
#define SEEP_LOAD_TEXT_H

#include <stddef.h>

struct load_text {
    const char *text; // NULL: there is none
    size_t len;
};

#endif
