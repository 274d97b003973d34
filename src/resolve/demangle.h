// Readable names for C++ and Rust symbols. Runs inside the sandbox: a mangled name is hostile input to the demangler.
#ifndef SEEP_RESOLVE_DEMANGLE_H
#define SEEP_RESOLVE_DEMANGLE_H

#include <stdbool.h>
#include <stddef.h>

// Writes the demangled name without parameters, at most size - 1 bytes and a NUL. Names that are not mangled, are
// longer than the demangler is trusted with, or that it refuses, are copied as they are. Returns true when something
// was cut.
bool demangle_name(const char *raw, char *out, size_t size);

#endif
