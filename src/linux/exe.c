// What an executable is: see exe.h. Every offset and length of the file is checked against its size before use, and
// reads go through pread(2), so a file that shrinks meanwhile is a short read and not a fault.
#include "linux/exe.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "linux/text.h"

#define HEADERS_MAX 512
#define SECTION_MAX (64u << 20) // of a symbol or string table
#define DYNAMIC_MAX (1u << 20)

#if defined(__x86_64__)
#define NATIVE_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define NATIVE_MACHINE EM_AARCH64
#else
#error "seep knows x86-64 and aarch64"
#endif

struct elf {
    int fd;
    uint64_t size;
    Elf64_Ehdr head;
    Elf64_Phdr *segments;
    size_t segment_count;
    struct linux_exe *exe;
};

static bool read_at(const struct elf *e, void *buf, uint64_t at, uint64_t len)
{
    return at <= e->size && len <= e->size - at && pread(e->fd, buf, len, (off_t)at) == (ssize_t)len;
}

// A malloc'ed, NUL-terminated copy of a part of the file, or NULL.
static char *slice(const struct elf *e, uint64_t at, uint64_t len, uint64_t ceiling)
{
    char *copy = len > 0 && len <= ceiling ? malloc(len + 1) : NULL;
    if (copy && !read_at(e, copy, at, len)) {
        free(copy);
        return NULL;
    }
    if (copy)
        copy[len] = '\0';
    return copy;
}

static void read_interpreter(struct elf *e, const Elf64_Phdr *p)
{
    struct linux_exe *x = e->exe;
    uint64_t len = p->p_filesz < sizeof x->interpreter ? p->p_filesz : sizeof x->interpreter - 1;
    if (!read_at(e, x->interpreter, p->p_offset, len))
        return;
    x->interpreter[len] = '\0';
    x->dynamic = true;
    x->libc = strstr(x->interpreter, "ld-musl")                                          ? LINUX_LIBC_MUSL
              : strstr(x->interpreter, "ld-linux") || strstr(x->interpreter, "/ld64.so") ? LINUX_LIBC_GLIBC
                                                                                         : LINUX_LIBC_UNKNOWN;
}

static void read_notes(struct elf *e, const Elf64_Phdr *p)
{
    char *notes = slice(e, p->p_offset, p->p_filesz, 65536);
    uint64_t at = 0, align = p->p_align == 8 ? 8 : 4;
    while (notes && at + sizeof(Elf64_Nhdr) <= p->p_filesz && !e->exe->build_id_len) {
        Elf64_Nhdr n;
        memcpy(&n, notes + at, sizeof n);
        uint64_t name = at + sizeof n, desc = name + ((n.n_namesz + align - 1) & ~(align - 1));
        if (n.n_namesz > 4096 || n.n_descsz > 4096 || desc + n.n_descsz > p->p_filesz)
            break;
        if (n.n_type == NT_GNU_BUILD_ID && n.n_namesz == 4 && !memcmp(notes + name, "GNU", 4) &&
            n.n_descsz <= sizeof e->exe->build_id) {
            memcpy(e->exe->build_id, notes + desc, n.n_descsz);
            e->exe->build_id_len = (uint8_t)n.n_descsz;
        }
        at = desc + ((n.n_descsz + align - 1) & ~(align - 1));
    }
    free(notes);
}

static bool file_offset(const struct elf *e, uint64_t address, uint64_t *offset)
{
    for (size_t i = 0; i < e->segment_count; i++) {
        const Elf64_Phdr *p = &e->segments[i];
        if (p->p_type == PT_LOAD && address >= p->p_vaddr && address - p->p_vaddr < p->p_filesz) {
            *offset = p->p_offset + (address - p->p_vaddr);
            return true;
        }
    }
    return false;
}

static void note_needed(struct linux_exe *x, const char *library)
{
    x->asan |= strstr(library, "libasan") != NULL || strstr(library, "clang_rt.asan") != NULL;
    x->tsan |= strstr(library, "libtsan") != NULL || strstr(library, "clang_rt.tsan") != NULL;
    x->msan |= strstr(library, "clang_rt.msan") != NULL;
    x->lsan |= strstr(library, "liblsan") != NULL || strstr(library, "clang_rt.lsan") != NULL;
    x->jemalloc |= strstr(library, "libjemalloc") != NULL;
    x->tcmalloc |= strstr(library, "libtcmalloc") != NULL;
    x->mimalloc |= strstr(library, "libmimalloc") != NULL;
    x->calls_jemalloc |= strstr(library, "libjemalloc") != NULL;
    x->calls_tcmalloc |= strstr(library, "libtcmalloc") != NULL;
    x->calls_mimalloc |= strstr(library, "libmimalloc") != NULL;
    if (!strncmp(library, "libc.so.6", 9))
        x->libc = LINUX_LIBC_GLIBC;
    else if (!strncmp(library, "libc.musl", 9))
        x->libc = LINUX_LIBC_MUSL;
}

static void read_dynamic(struct elf *e, const Elf64_Phdr *p)
{
    Elf64_Dyn *dyn = (Elf64_Dyn *)slice(e, p->p_offset, p->p_filesz, DYNAMIC_MAX);
    size_t count = dyn ? p->p_filesz / sizeof *dyn : 0;
    uint64_t strings_at = 0, strings_len = 0, offset;
    for (size_t i = 0; i < count && dyn[i].d_tag != DT_NULL; i++) {
        if (dyn[i].d_tag == DT_STRTAB)
            strings_at = dyn[i].d_un.d_ptr;
        else if (dyn[i].d_tag == DT_STRSZ)
            strings_len = dyn[i].d_un.d_val;
        else if (dyn[i].d_tag == DT_FLAGS_1 && dyn[i].d_un.d_val & DF_1_PIE)
            e->exe->pie = true;
    }
    char *strings = file_offset(e, strings_at, &offset) ? slice(e, offset, strings_len, SECTION_MAX) : NULL;
    for (size_t i = 0; strings && i < count && dyn[i].d_tag != DT_NULL; i++)
        if (dyn[i].d_tag == DT_NEEDED && dyn[i].d_un.d_val < strings_len)
            note_needed(e->exe, strings + dyn[i].d_un.d_val);
    free(strings);
    free(dyn);
}

// --- symbols: is there an allocator or a sanitizer inside?
// ---------------------------------------------------------------

static void note_symbol(struct linux_exe *x, const char *name)
{
    x->defines_malloc |= !strcmp(name, "malloc");
    x->asan |= !strcmp(name, "__asan_init");
    x->tsan |= !strcmp(name, "__tsan_init");
    x->msan |= !strcmp(name, "__msan_init");
    x->lsan |= !strcmp(name, "__lsan_init");
    x->jemalloc |= !strcmp(name, "mallctl") || !strcmp(name, "je_mallctl");
    x->tcmalloc |= !strcmp(name, "tc_malloc");
    x->mimalloc |= !strcmp(name, "mi_malloc");
}

// Allocators only by what it cannot start without, so that somebody has it, and by names that say "malloc": other
// libraries have functions of such short prefixes too, and theirs are none of ours.
static void note_import(struct linux_exe *x, const char *name, bool weak)
{
    x->calls_libc_malloc |= !strcmp(name, "__libc_malloc");
    x->calls_mimalloc |= !weak && (!strcmp(name, "mi_malloc") || !strcmp(name, "mi_heap_malloc"));
    x->calls_tcmalloc |= !weak && !strcmp(name, "tc_malloc");
    x->calls_je |= !weak && (!strcmp(name, "je_malloc") || !strcmp(name, "je_mallocx"));
}

static void read_symbols(struct elf *e, const Elf64_Shdr *table, const Elf64_Shdr *strings)
{
    Elf64_Sym *syms = (Elf64_Sym *)slice(e, table->sh_offset, table->sh_size, SECTION_MAX);
    char *names = syms ? slice(e, strings->sh_offset, strings->sh_size, SECTION_MAX) : NULL;
    size_t count = names ? table->sh_size / sizeof *syms : 0;
    for (size_t i = 0; i < count; i++)
        if (syms[i].st_name >= strings->sh_size || ELF64_ST_TYPE(syms[i].st_info) == STT_SECTION)
            continue;
        else if (syms[i].st_shndx != SHN_UNDEF)
            note_symbol(e->exe, names + syms[i].st_name);
        else if (table->sh_type == SHT_DYNSYM)
            note_import(e->exe, names + syms[i].st_name, ELF64_ST_BIND(syms[i].st_info) == STB_WEAK);
    free(names);
    free(syms);
}

// What an allocator says in its messages stays when its symbols are renamed, hidden and stripped. The first letters
// stand apart, for else whoever holds this table would hold the texts.
static const struct {
    char first;
    const char *rest, *name;
} said_by[] = {{'<', "jemalloc>: ", "jemalloc"},
               {'t', "cmalloc.max_total_thread_cache_bytes", "tcmalloc"},
               {'m', "imalloc: warning: ", "mimalloc"}};

static bool holds(const char *texts, size_t size, char first, const char *rest)
{
    const char *at = texts;
    while ((at = memmem(at, size - (size_t)(at - texts), rest, strlen(rest))) != NULL)
        if (at > texts && at[-1] == first)
            return true;
        else
            at++;
    return false;
}

static void read_texts(struct elf *e, const Elf64_Shdr *section)
{
    char *texts = slice(e, section->sh_offset, section->sh_size, SECTION_MAX);
    for (size_t i = 0; texts && i < sizeof said_by / sizeof *said_by; i++)
        if (holds(texts, section->sh_size, said_by[i].first, said_by[i].rest))
            e->exe->embedded = said_by[i].name;
    free(texts);
}

static bool is_constant_data(const Elf64_Shdr *s)
{
    return s->sh_type == SHT_PROGBITS && (s->sh_flags & (SHF_ALLOC | SHF_WRITE | SHF_EXECINSTR)) == SHF_ALLOC;
}

// Stripped programs keep the dynamic table, in which an allocator that the libraries are to use must stand.
static void read_sections(struct elf *e)
{
    size_t count = e->head.e_shnum;
    if (e->head.e_shentsize != sizeof(Elf64_Shdr) || !count)
        return;
    Elf64_Shdr *sections = (Elf64_Shdr *)slice(e, e->head.e_shoff, count * sizeof *sections, SECTION_MAX);
    for (size_t i = 0; sections && i < count; i++)
        if ((sections[i].sh_type == SHT_SYMTAB || sections[i].sh_type == SHT_DYNSYM) && sections[i].sh_link < count)
            read_symbols(e, &sections[i], &sections[sections[i].sh_link]);
        else if (is_constant_data(&sections[i]))
            read_texts(e, &sections[i]);
    free(sections);
}

static void read_elf64(struct elf *e)
{
    struct linux_exe *x = e->exe;
    e->segment_count = e->head.e_phnum < HEADERS_MAX ? e->head.e_phnum : HEADERS_MAX;
    if (e->head.e_phentsize != sizeof(Elf64_Phdr))
        return;
    e->segments = (Elf64_Phdr *)slice(e, e->head.e_phoff, e->segment_count * sizeof(Elf64_Phdr), SECTION_MAX);
    if (!e->segments)
        return;
    for (size_t i = 0; i < e->segment_count; i++) {
        if (e->segments[i].p_type == PT_INTERP)
            read_interpreter(e, &e->segments[i]);
        else if (e->segments[i].p_type == PT_NOTE)
            read_notes(e, &e->segments[i]);
        else if (e->segments[i].p_type == PT_DYNAMIC)
            read_dynamic(e, &e->segments[i]);
    }
    if (!x->dynamic)
        x->libc = LINUX_LIBC_NONE;
    read_sections(e);
    free(e->segments);
}

static void read_script(const char *head, struct linux_exe *x)
{
    char line[256];
    text_line(line, sizeof line, head + 2);
    char *at = line + strspn(line, " \t");
    size_t len = strcspn(at, " \t\r");
    x->kind = LINUX_EXE_SCRIPT;
    snprintf(x->interpreter, sizeof x->interpreter, "%.*s", (int)len, at);
    at += len;
    at += strspn(at, " \t");
    snprintf(x->script_argument, sizeof x->script_argument, "%.*s", (int)strcspn(at, "\r"), at);
}

static void classify(int fd, const char *head, size_t len, struct linux_exe *x)
{
    struct elf e = {.fd = fd, .size = x->size_bytes, .exe = x};
    x->kind = LINUX_EXE_OTHER;
    if (len > 2 && head[0] == '#' && head[1] == '!') {
        read_script(head, x);
    } else if (len >= EI_NIDENT + 4 && !memcmp(head, ELFMAG, SELFMAG)) {
        x->kind = LINUX_EXE_ELF;
        x->is_64 = head[EI_CLASS] == ELFCLASS64;
        x->little_endian = head[EI_DATA] == ELFDATA2LSB;
        memcpy(&x->machine, head + 18, sizeof x->machine);
        x->native = x->is_64 && x->little_endian && x->machine == NATIVE_MACHINE;
        if (x->is_64 && x->little_endian && len >= sizeof e.head) {
            memcpy(&e.head, head, sizeof e.head);
            x->pie = e.head.e_type == ET_DYN;
            read_elf64(&e);
        }
    }
}

int linux_exe_read_fd(int fd, const char *path, bool want_sha256, struct linux_exe *out, struct seep_err *err)
{
    struct stat st;
    char head[512] = "", caps[64];
    memset(out, 0, sizeof *out);
    if (fstat(fd, &st) < 0)
        return seep_fail_errno(err, errno, "\"%s\" cannot be examined", path);
    if (!S_ISREG(st.st_mode))
        return seep_fail(err, SEEP_E_TARGET, "\"%s\" is not a regular file, so it cannot be a program", path);
    out->size_bytes = (uint64_t)st.st_size;
    out->setuid = st.st_mode & S_ISUID;
    out->setgid = (st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP);
    out->owner = st.st_uid;
    out->has_caps = fgetxattr(fd, "security.capability", caps, sizeof caps) > 0;
    ssize_t len = pread(fd, head, sizeof head - 1, 0);
    if (len < 0)
        return seep_fail_errno(err, errno, "\"%s\" cannot be read", path);
    classify(fd, head, (size_t)len, out);
    if (want_sha256 && linux_sha256_fd(fd, out->sha256, err) < 0)
        return -1;
    out->have_sha256 = want_sha256;
    return 0;
}

// O_NONBLOCK: a FIFO in place of a program must not hang us.
int linux_exe_read(const char *path, bool want_sha256, struct linux_exe *out, struct seep_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return errno == ENOENT ? seep_fail(err, SEEP_E_TARGET, "there is no file \"%s\"", path)
                               : seep_fail_errno(err, errno, "\"%s\" cannot be opened", path);
    int rc = linux_exe_read_fd(fd, path, want_sha256, out, err);
    close(fd);
    return rc;
}

int linux_exe_of(int proc_fd, pid_t pid, bool want_sha256, struct linux_exe *out, char path[LINUX_EXE_PATH_MAX],
                 struct seep_err *err)
{
    char link[64];
    snprintf(link, sizeof link, "%d/exe", (int)pid);
    ssize_t len = readlinkat(proc_fd, link, path, LINUX_EXE_PATH_MAX - 1);
    if (len < 0)
        return text_fail(err, errno, pid, "exe");
    path[len] = '\0';
    int fd = openat(proc_fd, link, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // the file itself, even if deleted
    if (fd < 0)
        return text_fail(err, errno, pid, "exe");
    int rc = linux_exe_read_fd(fd, path, want_sha256, out, err);
    close(fd);
    return rc;
}

int linux_native_of(int proc_fd, pid_t pid, struct seep_err *err)
{
    struct linux_exe exe;
    char path[LINUX_EXE_PATH_MAX];
    if (linux_exe_of(proc_fd, pid, false, &exe, path, err))
        return -1;
    if (exe.kind != LINUX_EXE_ELF || exe.native)
        return 0;
    return seep_fail(err, SEEP_E_UNSUPPORTED,
                     "process %d runs a program for %s, whose heap and call stacks seep does not read", (int)pid,
                     exe.machine == EM_386      ? "32-bit x86"
                     : exe.machine == EM_X86_64 ? "x86-64 with 32-bit pointers"
                                                : "another architecture");
}
