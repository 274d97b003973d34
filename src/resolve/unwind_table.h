// Where libunwind finds a file's unwind rules. Runs inside the sandbox.
#ifndef SEEP_RESOLVE_UNWIND_TABLE_H
#define SEEP_RESOLVE_UNWIND_TABLE_H

#include "resolve/elf_file.h"

// A binary search table of (start, rule) pairs, each relative to segbase as libunwind's remote tables are.
struct unwind_table {
    uint64_t segbase;          // link-time address
    uint64_t table;            // link-time address of the first pair, or its address in the synthetic bytes
    uint64_t n;                // pairs of 8 bytes
    const struct synth *synth; // non-NULL: table lies in bytes made by us
};

// Bytes that stand in no file: a table for files without .eh_frame_hdr, and .debug_frame rewritten in .eh_frame's form.
struct synth {
    uint64_t base;     // link-time address they pretend to have: behind the file's last segment
    uint64_t bias;     // for which it was made
    uint64_t table, n; // the pairs within it
    uint8_t *bytes;
    size_t len;
};

// Fills *t for the file: .eh_frame_hdr, else a table made from .eh_frame. False: the file has neither.
bool unwind_table_eh(struct elf_file *f, struct unwind_table *t);

// The same from .debug_frame of the file or of its separate debug file; some functions have rules only there. Its
// addresses are absolute, so the rewritten copy is made for one load bias.
bool unwind_table_debug(struct elf_file *f, uint64_t bias, struct unwind_table *t);

void unwind_table_free(struct synth *s);

#endif
