// libunwind over copied registers, a copied stack and ELF files. Runs inside the sandbox.
#ifndef SEEP_RESOLVE_UNWIND_H
#define SEEP_RESOLVE_UNWIND_H

#include "resolve/elf_file.h"

// files: the PROTO_SLOTS slots; maps: sorted by start. Fills out->n, pc, exact, end, guessed_from.
void unwind_copied(struct elf_file *files, const struct proto_map *maps, size_t n_maps, const struct proto_unwind *req,
                   const uint8_t *stack, struct resolve_unwound *out);

#endif
