// Files in the slots of the resolver process: see elf_file.h.
#include "resolve/elf_file.h"

#include "resolve/dies.h"
#include "resolve/package.h"
#include "resolve/perf_map.h"
#include "resolve/unwind_table.h"

#include <elfutils/libdwelf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void refuse(struct proto_loaded *reply, enum proto_status status, const char *why)
{
    reply->status = status;
    snprintf(reply->reason, sizeof reply->reason, "%s", why);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void elf_file_close(struct elf_file *f)
{
    if (!f->used)
        return;
    dies_free(f->cus);
    perf_map_free(f->perf);
    unwind_table_free(f->eh_synth);
    unwind_table_free(f->debug_synth);
    if (f->dwfl)
        dwfl_end(f->dwfl);
    if (f->elf)
        elf_end(f->elf);
    close_fd(&f->fd);
    close_fd(&f->debug_fd);
    close_fd(&f->alt_fd);
    close_fd(&f->package_fd);
    memset(f, 0, sizeof *f);
}

// libdwfl asks for the debug file first and, when that names an alternative file, for that one next. It closes what it
// gets.
static int find_debuginfo(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base, const char *file_name,
                          const char *link, GElf_Word crc, char **debug_name)
{
    (void)mod, (void)name, (void)base, (void)file_name, (void)link, (void)crc, (void)debug_name;
    struct elf_file *f = *userdata;
    if (!f)
        return -1;
    if (f->debug_fd >= 0 && !f->debug_taken) {
        f->debug_taken = true;
        return dup(f->debug_fd);
    }
    // Without a separate file the only second question is the one for the alternative file of the main one.
    if (f->alt_fd >= 0 && (f->debug_taken || link))
        return dup(f->alt_fd);
    return -1;
}

static int find_elf(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base, char **file_name, Elf **elf)
{
    (void)mod, (void)userdata, (void)name, (void)base, (void)file_name, (void)elf;
    return -1; // reported with its descriptor; nothing else may be opened
}

static const Dwfl_Callbacks callbacks = {
    .find_elf = find_elf, .find_debuginfo = find_debuginfo, .section_address = dwfl_offline_section_address};

static bool read_build_id(Elf *elf, uint8_t *out, size_t *len)
{
    const void *id = NULL;
    ssize_t n = dwelf_elf_gnu_build_id(elf, &id);
    if (n <= 0 || n > RESOLVE_BUILD_ID_MAX || !id)
        return false;
    memcpy(out, id, (size_t)n);
    *len = (size_t)n;
    return true;
}

Elf_Data *elf_section(Elf *elf, const char *wanted, uint64_t *vaddr)
{
    size_t strings;
    if (elf_getshdrstrndx(elf, &strings) != 0)
        return NULL;
    for (Elf_Scn *s = elf_nextscn(elf, NULL); s; s = elf_nextscn(elf, s)) {
        GElf_Shdr sh;
        if (!gelf_getshdr(s, &sh))
            continue;
        const char *name = elf_strptr(elf, strings, sh.sh_name);
        if (name && strcmp(name, wanted) == 0 && sh.sh_type != SHT_NOBITS) {
            if (vaddr)
                *vaddr = sh.sh_addr;
            return elf_rawdata(s, NULL);
        }
    }
    return NULL;
}

// .gnu_debugaltlink: a file name, NUL, and the build-id of the file.
static void read_alt_link(Elf *elf, struct proto_loaded *reply)
{
    Elf_Data *d = elf_section(elf, ".gnu_debugaltlink", NULL);
    if (!d || !d->d_buf)
        return;
    size_t name_len = strnlen(d->d_buf, d->d_size);
    if (name_len == d->d_size || name_len >= sizeof reply->alt)
        return;
    size_t id_len = d->d_size - name_len - 1;
    if (id_len == 0 || id_len > RESOLVE_BUILD_ID_MAX)
        return;
    memcpy(reply->alt, d->d_buf, name_len + 1);
    memcpy(reply->alt_id, (const char *)d->d_buf + name_len + 1, id_len);
    reply->alt_id_len = (uint32_t)id_len;
}

// Units that stand elsewhere have their addresses here.
static bool may_be_split(Elf *elf)
{
    return elf_section(elf, ".debug_addr", NULL) != NULL;
}

static void describe(struct elf_file *f, struct proto_loaded *reply)
{
    reply->build_id_len = (uint32_t)f->build_id_len;
    memcpy(reply->build_id, f->build_id, sizeof reply->build_id);
    reply->has_dwarf = elf_section(f->elf, ".debug_info", NULL) || elf_section(f->elf, ".zdebug_info", NULL);
    reply->has_split = may_be_split(f->elf);
    GElf_Word crc;
    const char *link = dwelf_elf_gnu_debuglink(f->elf, &crc);
    if (link && strlen(link) < sizeof reply->link) {
        memcpy(reply->link, link, strlen(link) + 1);
        reply->link_crc = crc;
    }
    read_alt_link(f->elf, reply);
}

static bool open_elf(struct elf_file *f, const struct proto_load *req, struct proto_loaded *reply)
{
    f->elf = elf_begin(f->fd, ELF_C_READ_MMAP, NULL);
    GElf_Ehdr eh;
    if (!f->elf || elf_kind(f->elf) != ELF_K_ELF || !gelf_getehdr(f->elf, &eh)) {
        refuse(reply, PROTO_REFUSED, "The file is not an ELF file that can be read.");
        return false;
    }
    if (eh.e_type != ET_EXEC && eh.e_type != ET_DYN) {
        refuse(reply, PROTO_REFUSED, "The file is neither a program nor a shared library.");
        return false;
    }
    read_build_id(f->elf, f->build_id, &f->build_id_len);
    if (req->build_id_len > 0 &&
        (req->build_id_len != f->build_id_len || memcmp(req->build_id, f->build_id, f->build_id_len) != 0)) {
        refuse(reply, PROTO_CHANGED, "The file on disk has changed since it was mapped (another build-id).");
        return false;
    }
    return true;
}

static bool open_dwfl(struct elf_file *f, struct proto_loaded *reply)
{
    f->dwfl = dwfl_begin(&callbacks);
    int fd = dup(f->fd);
    if (f->dwfl && fd >= 0) {
        dwfl_report_begin(f->dwfl);
        // Base 0 with the file's own addresses: what libdwfl then calls an address is the link-time address.
        f->mod = dwfl_report_elf(f->dwfl, "module", "module", fd, 0, true);
        if (f->mod)
            fd = -1; // now libdwfl's
        dwfl_report_end(f->dwfl, NULL, NULL);
    }
    if (fd >= 0)
        close(fd);
    if (!f->mod) {
        refuse(reply, PROTO_REFUSED, "The file's ELF headers do not hold together.");
        return false;
    }
    void **userdata;
    dwfl_module_info(f->mod, &userdata, NULL, NULL, NULL, NULL, NULL, NULL);
    *userdata = f;
    return true;
}

void elf_file_open(struct elf_file *f, const struct proto_load *req, int fd, struct proto_loaded *reply)
{
    *f = (struct elf_file){.used = true,
                           .kind = (enum resolve_module_kind)req->kind,
                           .fd = fd,
                           .debug_fd = -1,
                           .alt_fd = -1,
                           .package_fd = -1};
    reply->status = PROTO_OK;
    if (f->kind == RESOLVE_PERF_MAP) {
        f->perf = perf_map_read(fd);
        if (!f->perf)
            refuse(reply, PROTO_REFUSED, "The perf map cannot be read.");
    } else if (open_elf(f, req, reply) && open_dwfl(f, reply)) {
        describe(f, reply);
    }
    f->status = (enum proto_status)reply->status;
    memcpy(f->reason, reply->reason, sizeof f->reason);
}

static uint32_t crc32_of_file(int fd)
{
    static uint32_t table[256];
    for (uint32_t i = 0; i < 256 && !table[255]; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = (c >> 1) ^ ((c & 1) ? 0xedb88320u : 0);
        table[i] = c;
    }
    uint32_t crc = 0xffffffffu;
    uint8_t chunk[65536];
    off_t at = 0;
    ssize_t n;
    while ((n = pread(fd, chunk, sizeof chunk, at)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            crc = (crc >> 8) ^ table[(crc ^ chunk[i]) & 0xff];
        at += n;
    }
    return ~crc;
}

// A debug file belongs to the program when the build-ids agree. Only where the program has none, the CRC that its debug
// link records decides.
static bool debug_belongs(const struct elf_file *f, const struct proto_load *req, Elf *elf, int fd)
{
    uint8_t id[RESOLVE_BUILD_ID_MAX];
    size_t len = 0;
    read_build_id(elf, id, &len);
    if (req->part == PROTO_PART_ALT)
        return len > 0 && len == req->build_id_len && memcmp(id, req->build_id, len) == 0;
    if (f->build_id_len > 0)
        return len == f->build_id_len && memcmp(id, f->build_id, len) == 0;
    return req->use_crc && crc32_of_file(fd) == req->crc;
}

static bool take_package(struct elf_file *f, int fd)
{
    if (!f->used || !f->mod || f->package_fd >= 0 || !package_is_one(fd))
        return false;
    f->package_fd = dup(fd);
    return f->package_fd >= 0;
}

static bool unpack(struct elf_file *f, uint32_t unit, int fd)
{
    uint64_t id;
    struct stat st;
    if (!f->used || f->package_fd < 0 || !dies_split_id(f, unit, &id) || fstat(fd, &st) != 0 || st.st_size <= 0)
        return false;
    uint8_t *room = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (room == MAP_FAILED)
        return false;
    bool done = package_unit(f->package_fd, id, room, (size_t)st.st_size);
    munmap(room, (size_t)st.st_size);
    return done && dies_add_split(f, unit, fd);
}

static void add_split(struct elf_file *f, const struct proto_load *req, int fd, struct proto_loaded *reply)
{
    bool fits = req->part == PROTO_PART_PACKAGE  ? take_package(f, fd)
                : req->part == PROTO_PART_UNPACK ? unpack(f, req->unit, fd)
                                                 : f->used && f->mod && dies_add_split(f, req->unit, fd);
    if (fits)
        reply->status = PROTO_OK;
    else
        refuse(reply, PROTO_REFUSED, "The file does not hold what the program says of it.");
    close_fd(&fd);
}

void elf_file_add(struct elf_file *f, const struct proto_load *req, int fd, struct proto_loaded *reply)
{
    if (req->part >= PROTO_PART_SPLIT) {
        add_split(f, req, fd, reply);
        return;
    }
    int *place = req->part == PROTO_PART_ALT ? &f->alt_fd : &f->debug_fd;
    Elf *elf = f->used && f->mod && *place < 0 ? elf_begin(fd, ELF_C_READ_MMAP, NULL) : NULL;
    if (elf && elf_kind(elf) == ELF_K_ELF && debug_belongs(f, req, elf, fd)) {
        *place = fd;
        fd = -1;
        reply->status = PROTO_OK;
        reply->has_dwarf = elf_section(elf, ".debug_info", NULL) || elf_section(elf, ".zdebug_info", NULL);
        reply->has_split = may_be_split(elf);
        read_alt_link(elf, reply);
    } else {
        refuse(reply, PROTO_REFUSED, "The debug file does not belong to this program.");
    }
    if (elf)
        elf_end(elf);
    close_fd(&fd);
}

static bool load_segment(Elf *elf, size_t i, GElf_Phdr *ph)
{
    return gelf_getphdr(elf, (int)i, ph) && ph->p_type == PT_LOAD;
}

bool elf_file_offset_to_vaddr(struct elf_file *f, uint64_t file_offset, uint64_t *vaddr)
{
    size_t n;
    if (!f->elf || elf_getphdrnum(f->elf, &n) != 0)
        return false;
    bool found = false;
    for (size_t i = 0; i < n; i++) {
        GElf_Phdr ph;
        // Mappings begin at page borders, before the segment's first byte: count from the page.
        if (!load_segment(f->elf, i, &ph))
            continue;
        uint64_t page_start = ph.p_offset & ~(uint64_t)4095;
        if (file_offset < page_start || file_offset - page_start >= ph.p_filesz + (ph.p_offset - page_start))
            continue;
        if (!found || (ph.p_flags & PF_X))
            *vaddr = ph.p_vaddr - (ph.p_offset - page_start) + (file_offset - page_start);
        found = true;
        if (ph.p_flags & PF_X)
            break;
    }
    return found;
}

const uint8_t *elf_file_bytes(struct elf_file *f, uint64_t vaddr, size_t *available)
{
    size_t n, size;
    if (!f->elf || elf_getphdrnum(f->elf, &n) != 0)
        return NULL;
    const char *image = elf_rawfile(f->elf, &size);
    for (size_t i = 0; image && i < n; i++) {
        GElf_Phdr ph;
        if (!load_segment(f->elf, i, &ph) || vaddr < ph.p_vaddr || vaddr - ph.p_vaddr >= ph.p_filesz)
            continue;
        uint64_t into = vaddr - ph.p_vaddr;
        if (ph.p_offset > size || into >= size - ph.p_offset)
            return NULL;
        uint64_t left = size - ph.p_offset - into;
        *available = left < ph.p_filesz - into ? left : ph.p_filesz - into;
        return (const uint8_t *)image + ph.p_offset + into;
    }
    return NULL;
}
