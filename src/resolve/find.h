// A symbol by its name, in the resolver process.
#ifndef SEEP_RESOLVE_FIND_H
#define SEEP_RESOLVE_FIND_H

#include "resolve/elf_file.h"

// Fills *out, with found 0 when the file and its debug file define no such symbol. The dynamic symbols come first: they
// are what the loader binds.
void find_symbol(struct elf_file *f, const char *name, struct resolve_symbol *out);

#endif
