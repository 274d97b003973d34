// Names of C++ functions, short enough for a line of text.
#ifndef SEEP_REPORT_SHORT_NAME_H
#define SEEP_REPORT_SHORT_NAME_H

#include <stdbool.h>
#include <stddef.h>

// name without default template arguments and inline namespaces of the C++ library, strings as std::string. At most
// size - 1 bytes. Returns out.
const char *report_short_name(const char *name, char *out, size_t size);

#endif
