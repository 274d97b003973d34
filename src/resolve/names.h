// One program counter to frames, from whatever the file offers. Runs inside the sandbox.
#ifndef SEEP_RESOLVE_NAMES_H
#define SEEP_RESOLVE_NAMES_H

#include "resolve/elf_file.h"

// Appends to out the frame count and the frames of one pc, as proto.h describes a names reply.
void names_lookup(struct elf_file *f, const struct proto_pc *pc, struct seep_buf *out);

// Appends what PROTO_SPLIT tells of one pc: one struct proto_split, or nothing.
void names_split(struct elf_file *f, const struct proto_pc *pc, struct seep_buf *out);

#endif
