// The index of a DWARF package, in a package that is sound otherwise: whatever it says, what is unpacked holds together
// and stays within its room.
#include "fuzz.h"
#include "resolve/package.h"

#include <elf.h>
#include <libelf.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PART_BYTES = 96, ROOM = 4096 };

static const char names[] = "\0.shstrtab\0.debug_cu_index\0.debug_info.dwo\0.debug_abbrev.dwo\0.debug_str.dwo";

static uint32_t name_at(const char *name)
{
    for (size_t i = 1; i < sizeof names; i += strlen(names + i) + 1)
        if (strcmp(names + i, name) == 0)
            return (uint32_t)i;
    abort();
}

static int package(const uint8_t *index, size_t size)
{
    uint8_t part[PART_BYTES], pad[8] = {0};
    size_t before = sizeof(Elf64_Ehdr) + sizeof names, at = (before + 7) & ~(size_t)7,
           after = (at + size + 7) & ~(size_t)7;
    Elf64_Shdr s[6] = {
        {0},
        {.sh_name = name_at(".shstrtab"),
         .sh_type = SHT_STRTAB,
         .sh_offset = sizeof(Elf64_Ehdr),
         .sh_size = sizeof names},
        {.sh_name = name_at(".debug_cu_index"), .sh_type = SHT_PROGBITS, .sh_offset = at, .sh_size = size},
        {.sh_name = name_at(".debug_info.dwo"), .sh_type = SHT_PROGBITS, .sh_offset = after, .sh_size = PART_BYTES},
        {.sh_name = name_at(".debug_abbrev.dwo"), .sh_type = SHT_PROGBITS, .sh_offset = after, .sh_size = PART_BYTES},
        {.sh_name = name_at(".debug_str.dwo"), .sh_type = SHT_PROGBITS, .sh_offset = after, .sh_size = PART_BYTES}};
    Elf64_Ehdr head = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                       .e_type = ET_REL,
                       .e_machine = EM_X86_64,
                       .e_version = EV_CURRENT,
                       .e_shoff = after + PART_BYTES,
                       .e_ehsize = sizeof head,
                       .e_shentsize = sizeof *s,
                       .e_shnum = 6,
                       .e_shstrndx = 1};
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    memset(part, 'p', sizeof part);
    FUZZ_NEED(fd >= 0 && write(fd, &head, sizeof head) == sizeof head &&
              write(fd, names, sizeof names) == sizeof names && write(fd, pad, at - before) == (ssize_t)(at - before));
    FUZZ_NEED(size == 0 || write(fd, index, size) == (ssize_t)size);
    FUZZ_NEED(write(fd, pad, after - at - size) == (ssize_t)(after - at - size) &&
              write(fd, part, sizeof part) == sizeof part && write(fd, s, sizeof s) == sizeof s);
    return fd;
}

static void check_object(const uint8_t *room, size_t size)
{
    Elf64_Ehdr head;
    memcpy(&head, room, sizeof head);
    FUZZ_NEED(head.e_shnum >= 3 && head.e_shstrndx == head.e_shnum - 1 && head.e_shoff < size &&
              head.e_shnum * sizeof(Elf64_Shdr) <= size - head.e_shoff);
    for (unsigned i = 1; i < head.e_shnum; i++) {
        Elf64_Shdr s;
        memcpy(&s, room + head.e_shoff + i * sizeof s, sizeof s);
        FUZZ_NEED(s.sh_offset <= size && s.sh_size <= size - s.sh_offset && s.sh_size > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    elf_version(EV_CURRENT);
    int fd = package(data, size);
    bool one = package_is_one(fd);
    for (size_t i = 0; i < 24; i++) {
        uint64_t id = i;
        size_t bytes = i % 3 == 2 ? 200 : ROOM;
        uint8_t *room = calloc(1, bytes); // of exactly its size, so that a sanitizer sees a write past its end
        FUZZ_NEED(room != NULL);
        if (16 + 8 * i + 8 <= size)
            memcpy(&id, data + 16 + 8 * i, sizeof id);
        bool done = package_unit(fd, id, room, bytes);
        FUZZ_NEED(one || !done);
        if (done)
            check_object(room, bytes);
        free(room);
    }
    close(fd);
    return 0;
}

// One unit of two columns, in the second of two slots.
size_t fuzz_seed(unsigned i, uint8_t *out)
{
    const uint32_t index[] = {i ? 2 : 5, 2, 1, 2, 0, 0, 0x1235, 7,           // head; ids of the slots
                              0,         1, 1, 3, 8, 0, 40,     PART_BYTES}; // rows; sections, from, sizes
    if (i > 1)
        return 0;
    memcpy(out, index, sizeof index);
    return sizeof index;
}
