// One file in a slot of the resolver process: the ELF image, its debug files, and the indexes built over them.
//
// Runs only inside the sandbox. Everything read here is hostile.
#ifndef SEEP_RESOLVE_ELF_FILE_H
#define SEEP_RESOLVE_ELF_FILE_H

#include "resolve/proto.h"

#include <elfutils/libdwfl.h>
#include <gelf.h>

struct cu_index;
struct perf_map;
struct synth;

struct elf_file {
    bool used;
    enum resolve_module_kind kind;
    int fd, debug_fd, alt_fd; // -1: none
    int package_fd;           // -1: none
    bool debug_taken;         // libdwfl has asked for the debug file once
    Elf *elf;                 // for headers and raw bytes; libdwfl has its own
    Dwfl *dwfl;
    Dwfl_Module *mod;
    uint8_t build_id[RESOLVE_BUILD_ID_MAX];
    size_t build_id_len;
    enum proto_status status;
    char reason[PROTO_REASON_MAX];        // why it gives no names
    struct cu_index *cus;                 // built at the first question; see dies.h
    struct perf_map *perf;                // RESOLVE_PERF_MAP only
    struct synth *eh_synth, *debug_synth; // unwind tables made by us, see unwind_table.h
    bool eh_tried, debug_tried;
};

// Takes fd (always, closes it on failure) as the file of an empty slot. Fills *reply.
void elf_file_open(struct elf_file *f, const struct proto_load *req, int fd, struct proto_loaded *reply);

// Takes fd as separate debug file or alternative (dwz) file when it belongs to this one: the same build-id, or the CRC
// of the debug link; as the split file of a unit, when it holds the unit's id; as package of such files, or as memory
// for one out of the package. Otherwise closes it and says PROTO_REFUSED.
void elf_file_add(struct elf_file *f, const struct proto_load *req, int fd, struct proto_loaded *reply);

void elf_file_close(struct elf_file *f);

// The raw bytes of a section by name, or NULL; *vaddr gets its link-time address. vaddr may be NULL.
Elf_Data *elf_section(Elf *elf, const char *wanted, uint64_t *vaddr);

// Link-time address of a file offset. Prefers executable segments, as code lies in them. False: in no loaded segment.
bool elf_file_offset_to_vaddr(struct elf_file *f, uint64_t file_offset, uint64_t *vaddr);

// The bytes of the file that are loaded at link-time address vaddr: pointer into the image and how many follow, or
// NULL.
const uint8_t *elf_file_bytes(struct elf_file *f, uint64_t vaddr, size_t *available);

#endif
