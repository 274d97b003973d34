// Functions, lines and inlined calls of one file's DWARF. Runs inside the sandbox.
#ifndef SEEP_RESOLVE_DIES_H
#define SEEP_RESOLVE_DIES_H

#include "resolve/elf_file.h"

struct dies_frame {
    const char *name; // linkage name, or plain name; NULL: none recorded
    char *scope;      // to be freed: "ns::cls" in front of a plain name, or NULL
    bool linkage;     // name is a linkage name
    const char *file; // or NULL
    uint32_t line;    // 0: unknown
};

// Frames at link-time address addr, innermost inlined first, the physical function last. Returns how many; 0 when no
// function of the DWARF covers addr, then out[0].file and .line may still be set (assembler code). Strings live as long
// as f, except scope. out has room for RESOLVE_INLINE_MAX.
size_t dies_lookup(struct elf_file *f, uint64_t addr, struct dies_frame *out);

// Split DWARF: the unit that covers addr, if its functions stand in a file that nobody has asked for yet. Each unit is
// told once.
bool dies_wants_split(struct elf_file *f, uint64_t addr, struct proto_split *out);
// The id of that unit, by which its split file is found in a package.
bool dies_split_id(const struct elf_file *f, uint32_t unit, uint64_t *id);
// Whether the file holds that unit, by the id both carry; then it is part of it from now on. fd stays the caller's.
bool dies_add_split(struct elf_file *f, uint32_t unit, int fd);

void dies_free(struct cu_index *index);

#endif
