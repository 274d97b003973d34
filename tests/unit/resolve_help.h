// What the tests of the resolver share: target programs, their marks, variants made with objcopy, questions.
#ifndef RESOLVE_HELP_H
#define RESOLVE_HELP_H

#include "resolve/resolve.h"

#include <fcntl.h>
#include <gelf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

#define TARGET(name)     SEEP_BUILD_DIR "/targets/" name
#define TARGET_SRC(name) SEEP_SOURCE_DIR "/tests/targets/" name

static char help_dir[64];

static inline int help_make_dir(void **state)
{
    (void)state;
    snprintf(help_dir, sizeof help_dir, "/tmp/seep-resolve-XXXXXX");
    return mkdtemp(help_dir) ? 0 : -1;
}

static inline void help_run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static inline void help_run(const char *fmt, ...)
{
    char cmd[2048];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(cmd, sizeof cmd, fmt, ap);
    va_end(ap);
    assert_true(n > 0 && (size_t)n < sizeof cmd);
    int rc = system(cmd);
    if (rc != 0)
        fail_msg("command failed (%d): %s", rc, cmd);
}

static inline int help_drop_dir(void **state)
{
    (void)state;
    if (help_dir[0])
        help_run("rm -rf '%s'", help_dir);
    return 0;
}

// 1-based line of the first line that ends with "// tag".
static inline uint32_t help_line(const char *source, const char *tag)
{
    char wanted[128], line[512];
    snprintf(wanted, sizeof wanted, "// %s\n", tag);
    FILE *f = fopen(source, "r");
    assert_non_null(f);
    uint32_t n = 0, found = 0;
    while (!found && fgets(line, sizeof line, f)) {
        n++;
        size_t len = strlen(line), w = strlen(wanted);
        if (len >= w && strcmp(line + len - w, wanted) == 0)
            found = n;
    }
    fclose(f);
    if (!found)
        fail_msg("no line of %s ends with \"// %s\"", source, tag);
    return found;
}

// Link-time address of the mark that stands on a line of the source.
static inline uint64_t help_mark(const char *program, uint32_t line)
{
    elf_version(EV_CURRENT);
    int fd = open(program, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail_msg("%s is not built", program);
    Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
    size_t strings;
    uint64_t addr = 0;
    assert_int_equal(elf_getshdrstrndx(elf, &strings), 0);
    for (Elf_Scn *s = elf_nextscn(elf, NULL); s; s = elf_nextscn(elf, s)) {
        GElf_Shdr sh;
        gelf_getshdr(s, &sh);
        if (strcmp(elf_strptr(elf, strings, sh.sh_name), ".seep_marks") != 0)
            continue;
        Elf_Data *d = elf_getdata(s, NULL);
        for (size_t at = 0; at + 8 <= d->d_size; at += 8) {
            int32_t entry[2];
            memcpy(entry, (char *)d->d_buf + at, sizeof entry);
            if ((uint32_t)entry[1] == line)
                addr = sh.sh_addr + at + (uint64_t)(int64_t)entry[0];
        }
    }
    elf_end(elf);
    close(fd);
    if (addr == 0)
        fail_msg("%s has no mark for line %u", program, line);
    return addr;
}

static inline struct resolve_module help_module(const char *path)
{
    return (struct resolve_module){.path = path, .fd = -1};
}

static inline struct resolve *help_start(const char *debug_root, unsigned deadline_ms)
{
    static const char *roots[1];
    roots[0] = debug_root;
    struct resolve_options o = {
        .exe = "/proc/self/exe", .debug_roots = roots, .n_debug_roots = debug_root ? 1 : 0, .deadline_ms = deadline_ms};
    struct seep_err err;
    struct resolve *r = resolve_start(&o, &err);
    assert_non_null(r);
    return r;
}

// One pc of one file.
static inline void help_ask(struct resolve *r, const struct resolve_module *m, uint64_t offset, uint32_t flags,
                            struct resolve_frames *out)
{
    struct resolve_pc pc = {.module = 0, .flags = flags, .offset = offset};
    struct seep_err err = {0};
    if (resolve_symbolise(r, m, 1, &pc, 1, out, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(out->n_pcs, 1);
    assert_true(out->spans[0].n >= 1);
}

static inline void help_frame(const struct resolve_frame *f, const char *function, const char *file, uint32_t line)
{
    if (!f->function)
        fail_msg("no name: %s", f->reason);
    assert_string_equal(f->function, function);
    if (file) {
        assert_non_null(f->file);
        const char *slash = strrchr(f->file, '/');
        assert_string_equal(slash ? slash + 1 : f->file, file);
    } else {
        assert_null(f->file);
    }
    assert_int_equal(f->line, line);
}

#endif
