// DWARF packages (.dwp): the split files of a whole program in one file, with an index by unit. Runs inside the
// sandbox.
#ifndef SEEP_RESOLVE_PACKAGE_H
#define SEEP_RESOLVE_PACKAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Whether the file is one. fd stays the caller's.
bool package_is_one(int fd);

// Writes what the package has of the unit as a file of its own, of the kind the compiler makes (.dwo), to memory of
// `room` zero bytes at `out`. False: the unit is not in it, its tables do not hold together, they are compressed, or
// there is no room. The layout of the index: DWARF 5, section 7.3.5; version 2 is GNU's for DWARF 4.
bool package_unit(int fd, uint64_t id, uint8_t *out, size_t room);

#endif
