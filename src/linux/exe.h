// What an executable is, and whether its allocations can be attributed to call stacks, known before the run starts.
//
// Trust: the file is of unknown origin. Only the ELF header, program headers, the interpreter's name, notes and the
// dynamic section are read, each bounded and checked against the file's size; a malformed file is "not ELF" or
// SEEP_E_CORRUPT.
#ifndef SEEP_LINUX_EXE_H
#define SEEP_LINUX_EXE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define LINUX_EXE_PATH_MAX 4096

enum linux_exe_kind { LINUX_EXE_ELF, LINUX_EXE_SCRIPT, LINUX_EXE_OTHER };

enum linux_libc { LINUX_LIBC_UNKNOWN, LINUX_LIBC_GLIBC, LINUX_LIBC_MUSL, LINUX_LIBC_NONE };

struct linux_exe {
    enum linux_exe_kind kind;
    uint64_t size_bytes;
    uint8_t sha256[32];
    bool have_sha256;
    uint8_t build_id[64];
    uint8_t build_id_len; // 0: none
    bool is_64, little_endian;
    uint16_t machine; // EM_*
    bool native;      // this kernel and CPU run it directly
    bool dynamic;     // has an interpreter (or, for scripts, unknown: look at the script's interpreter)
    bool pie;
    bool setuid, setgid, has_caps;
    uint32_t owner;                    // user id of the file: who a setuid program becomes
    bool asan, tsan, msan, lsan;       // linked to that sanitizer
    bool jemalloc, tcmalloc, mimalloc; // by DT_NEEDED or defined symbols
    bool defines_malloc;               // the file itself defines malloc: a static allocator, invisible to preloading
    // What it calls of others by these names: an allocator's own, and the C library's other names of malloc. Where it
    // only asks whether they exist (weak symbols) and needs no such library it does not.
    bool calls_jemalloc, calls_tcmalloc, calls_mimalloc, calls_je, calls_libc_malloc;
    const char *embedded; // an allocator whose texts the file holds: linked into it, under whatever names
    enum linux_libc libc;
    char interpreter[256];     // of an ELF file, or the program of a #! line
    char script_argument[128]; // rest of the #! line
};

// Finds what execvp() would run: a name with a slash is itself (relative to cwd, NULL: ours), another is looked for in
// path_env (NULL: "/usr/local/bin:/usr/bin:/bin"). Fills out with a path. SEEP_E_TARGET with a sentence: not found, a
// directory, not executable, with the way out.
int linux_exe_find(const char *name, const char *cwd, const char *path_env, char out[LINUX_EXE_PATH_MAX],
                   struct seep_err *err);

// Reads the file. SHA-256 is computed only when wanted (0.7 ms per MiB without SHA instructions).
int linux_exe_read(const char *path, bool want_sha256, struct linux_exe *out, struct seep_err *err);

// The same for a descriptor opened for reading; path only for sentences.
int linux_exe_read_fd(int fd, const char *path, bool want_sha256, struct linux_exe *out, struct seep_err *err);

// The executable of a running process, by /proc/PID/exe (works when the file was deleted or replaced). path gets the
// link's text.
int linux_exe_of(int proc_fd, pid_t pid, bool want_sha256, struct linux_exe *out, char path[LINUX_EXE_PATH_MAX],
                 struct seep_err *err);

// Are the memory and the stacks of a running process laid out as those of our own? -1 with a sentence without a full
// stop when its program is for another architecture (SEEP_E_UNSUPPORTED) or cannot be read.
int linux_native_of(int proc_fd, pid_t pid, struct seep_err *err);

// Can the probe work in it? LINUX_ATTRIBUTE_YES or the first reason against; text gets a finished sentence in both
// cases.
enum linux_attribute {
    LINUX_ATTRIBUTE_YES,
    LINUX_ATTRIBUTE_STATIC,    // no dynamic loader, so nothing can be preloaded
    LINUX_ATTRIBUTE_SECURE,    // setuid, setgid or file capabilities: the loader ignores LD_PRELOAD
    LINUX_ATTRIBUTE_SANITIZER, // its allocator must stay first
    LINUX_ATTRIBUTE_MUSL,
    LINUX_ATTRIBUTE_FOREIGN,    // another architecture than the probe's
    LINUX_ATTRIBUTE_OWN_MALLOC, // allocator linked into the executable: its calls cannot be seen
    LINUX_ATTRIBUTE_UNKNOWN     // not ELF and no known interpreter
};
// For scripts give the interpreter's struct. run_as: to the owner of a setuid file it gives no rights.
enum linux_attribute linux_exe_attribute(const struct linux_exe *exe, const char *name, uid_t run_as, char *text,
                                         size_t size);

// Which allocator a running process has mapped: "jemalloc", "tcmalloc", "mimalloc", "asan", "glibc", "musl", "unknown".
// path gets its library ("" when built in); returns -1 when maps cannot be read.
int linux_allocator_of(int proc_fd, pid_t pid, char name[16], char path[LINUX_EXE_PATH_MAX], struct seep_err *err);

// Is a library whose path contains `needle` mapped in pid? 1, 0, -1.
int linux_mapped(int proc_fd, pid_t pid, const char *needle, struct seep_err *err);

// SHA-256 of a whole file (from its start) or of bytes.
int linux_sha256_fd(int fd, uint8_t out[32], struct seep_err *err);
int linux_sha256(const void *data, size_t len, uint8_t out[32], struct seep_err *err);

// The same of bytes that come in pieces. NULL when libcrypto could not begin; linux_sha256_end() frees it, also when it
// fails (-1: a piece could not be taken).
struct linux_sha256;
struct linux_sha256 *linux_sha256_begin(void);
void linux_sha256_add(struct linux_sha256 *s, const void *data, size_t len);
int linux_sha256_end(struct linux_sha256 *s, uint8_t out[32], struct seep_err *err);

// Lower-case hexadecimal of len bytes into out (2 * len + 1 bytes).
void linux_hex(const uint8_t *data, size_t len, char *out);

#endif
