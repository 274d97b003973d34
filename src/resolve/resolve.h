// Names for program counters, and stacks for copied registers.
//
// Place: off the sampling path. The supervisor and the report ask; a process of its own, the resolver, reads the ELF
// and DWARF files. Trust: ELF files, debug files, perf maps and copied stacks are the target's and may be hostile, so
// nothing of them is parsed on this side: the client only opens files (regular ones, never a FIFO, device or procfs
// file), passes the descriptors, and treats each reply as hostile too (bounds, counts and lengths checked). A resolver
// that crashes or exceeds its deadline is killed and started again; what it could not name is returned as
// "unsymbolised" with the reason. A struct resolve serves one thread at a time.
#ifndef SEEP_RESOLVE_H
#define SEEP_RESOLVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    RESOLVE_BUILD_ID_MAX = 64,  // bytes; GNU ld writes 20, others 8..32
    RESOLVE_DEPTH_MAX = 512,    // frames of one unwound stack
    RESOLVE_INLINE_MAX = 64,    // frames of one program counter
    RESOLVE_NAME_MAX = 1024,    // bytes of a function or raw name, the NUL included; longer ones are cut and marked
    RESOLVE_PATH_MAX = 4096,    // bytes of a file name
    RESOLVE_STACK_MAX = 1 << 20 // bytes of one copied stack
};

struct resolve; // one client with its resolver process, cache and table of modules

struct resolve_options {
    // The program to execute as `<exe> resolver` with the socket as descriptor 3, normally "/proc/self/exe".
    // NULL: fork and run resolve_main() in the child (unit tests, single-threaded callers).
    const char *exe;
    // Directories that hold separate debug files, as /usr/lib/debug does (.build-id/xx/rest.debug, and the binary's own
    // directory below it for debug links). NULL: { "/usr/lib/debug" }. Copied.
    const char *const *debug_roots;
    size_t n_debug_roots;
    bool debuginfod;       // ask the servers of $DEBUGINFOD_URLS; only ever on the user's explicit request
    unsigned deadline_ms;  // of one request; 0: 20 000. A late resolver is killed
    unsigned cpu_limit_s;  // of one request, in CPU time; 0: 15
    uint64_t memory_limit; // address space of the resolver process, bytes; 0: 4 GiB
    uint64_t cache_limit;  // of remembered frames in this process, bytes; 0: 16 MiB. When full it is emptied
};

// Prepares a client. The process itself is started by the first question. opts may be NULL for the defaults with fork.
// Returns NULL with err filled when memory is lacking or an option is wrong. End with resolve_stop().
struct resolve *resolve_start(const struct resolve_options *opts, struct seep_err *err);

// Ends the process, reaps it and frees everything. NULL is allowed. Frames already handed out stay valid.
void resolve_stop(struct resolve *r);

// The hidden verb: serves one client on the socket until it closes, then returns 0. The first thing it does is to give
// up everything it does not need: other descriptors, address space, files, and all system calls but a short list.
// Ends the process with _exit() and an exit status; the return type is for "return resolve_main(3);".
int resolve_main(int socket_fd);

enum resolve_module_kind {
    RESOLVE_ELF = 0,  // a file mapped as code
    RESOLVE_VDSO,     // the kernel's page; no path: read from this process, whose kernel is the same
    RESOLVE_PERF_MAP, // /tmp/perf-PID.map as written by just-in-time compilers; offsets are absolute addresses
    RESOLVE_KERNEL,   // kernel code; never symbolised, only classified
    RESOLVE_ANONYMOUS // code in memory without a file and without a perf map
};

// One file whose code appears in stacks. All strings are the caller's and copied where needed.
struct resolve_module {
    enum resolve_module_kind kind;
    const char *path;      // as the target names it: shown, and used for debug links. May be NULL for RESOLVE_VDSO
    const char *open_path; // where to open it instead (/proc/P/root/..., /proc/P/map_files/...), or NULL: path
    int fd;                // an open descriptor of it, borrowed during the call, or -1: open open_path or path
    uint8_t build_id[RESOLVE_BUILD_ID_MAX];
    size_t
        build_id_len; // expected build-id; 0: unknown. Another build-id in the file gives "file changed", never names
    bool is_program;  // the target's main executable
};

enum resolve_pc_flags {
    RESOLVE_PC_RETURN = 1, // a return address: looked up one byte earlier, so that the call's own line is named
    RESOLVE_PC_FILE_OFFSET =
        2, // offset counts from the file's start (pc - map start + map offset), not from the load bias
};

struct resolve_pc {
    uint32_t module; // index into the modules of the call; UINT32_MAX: in no known module
    uint32_t flags;  // enum resolve_pc_flags
    uint64_t offset; // pc - load bias (the link-time address), or see RESOLVE_PC_FILE_OFFSET and RESOLVE_PERF_MAP
};

enum resolve_frame_flags {
    RESOLVE_F_INLINED = 1u << 0,   // inlined into the next frame of the list
    RESOLVE_F_NO_NAME = 1u << 1,   // no function is known; reason says why, function is NULL
    RESOLVE_F_SYMTAB = 1u << 2,    // the name is the nearest ELF symbol at or before; no debug information covers it
    RESOLVE_F_NAME_CUT = 1u << 3,  // a name was longer than RESOLVE_NAME_MAX and is cut
    RESOLVE_F_CHANGED = 1u << 4,   // the file on disk is not the one that was mapped (build-id)
    RESOLVE_F_TRANSIENT = 1u << 5, // the reason may pass (timeout, crash, file gone); not cached
    // Set by resolve_tidy():
    RESOLVE_F_CUT = 1u << 8,     // a hook or an allocator's entry point: left out of reports
    RESOLVE_F_LIBRARY = 1u << 9, // operator new, the standard library's allocators, system libraries: shown dimmed
};

enum resolve_class { RESOLVE_CLASS_UNKNOWN = 0, RESOLVE_CLASS_PROGRAM, RESOLVE_CLASS_LIBRARY, RESOLVE_CLASS_KERNEL };

// All strings belong to the struct resolve_frames that holds the frame; bytes are as found in the file (not escaped,
// not necessarily UTF-8, never with NUL inside). The column is never known.
struct resolve_frame {
    const char *function; // demangled, without parameters; NULL: unknown
    const char *raw_name; // as in the symbol table or DWARF linkage name; NULL: unknown
    const char *file; // source file as the compiler recorded it, made absolute where the directory is known; or NULL
    uint32_t line;    // 1..; 0: unknown
    const char *module_path; // never NULL; "[vdso]", "[kernel]", "[unknown]" where there is no file
    const char *module_name; // its last component
    uint64_t offset;         // as asked (without the -1 of return addresses); the same for all inlined frames of one pc
    uint32_t flags;          // enum resolve_frame_flags
    enum resolve_class klass;
    const char *reason; // a finished sentence when RESOLVE_F_NO_NAME; else NULL
    uint8_t build_id[RESOLVE_BUILD_ID_MAX];
    uint8_t build_id_len; // of the file that was read, or the expected one
};

struct resolve_span {
    uint32_t first; // index into frames
    uint32_t n;     // at least 1; innermost inlined first
};

struct resolve_frames {
    size_t n_pcs;
    struct resolve_span *spans; // n_pcs, in the order asked
    size_t n_frames;
    struct resolve_frame *frames;
    void *strings; // owner of all strings; private
};

// Names n_pcs program counters. Always gives every pc at least one frame; a file that cannot be opened, is not ELF, has
// changed, or makes the resolver crash or stall costs only its own names. Frees nothing in *out beforehand; the caller
// ends it with resolve_frames_free(). Returns -1 only when memory is lacking or an argument is wrong (then *out is
// empty).
int resolve_symbolise(struct resolve *r, const struct resolve_module *modules, size_t n_modules,
                      const struct resolve_pc *pcs, size_t n_pcs, struct resolve_frames *out, struct seep_err *err);

void resolve_frames_free(struct resolve_frames *frames);

// Counters for the evidence and for tests.
struct resolve_stats {
    uint64_t pcs_asked, pcs_cached, pcs_named;
    uint64_t starts;   // resolver processes started
    uint64_t crashes;  // ended by themselves while a request was open
    uint64_t timeouts; // killed after the deadline
    uint64_t cache_bytes, cache_flushes;
    int pid; // of the present process, or 0
};
void resolve_get_stats(const struct resolve *r, struct resolve_stats *out);

// ---- unwinding copied stacks (x86-64)
// --------------------------------------------------------------------------------

// Registers by their DWARF number: rax rdx rcx rbx rsi rdi rbp rsp r8..r15 rip.
enum {
    RESOLVE_REG_RAX,
    RESOLVE_REG_RDX,
    RESOLVE_REG_RCX,
    RESOLVE_REG_RBX,
    RESOLVE_REG_RSI,
    RESOLVE_REG_RDI,
    RESOLVE_REG_RBP,
    RESOLVE_REG_RSP,
    RESOLVE_REG_R8,
    RESOLVE_REG_R15 = 15,
    RESOLVE_REG_RIP = 16,
    RESOLVE_REGS
};

struct resolve_regs {
    uint64_t value[RESOLVE_REGS];
    uint32_t known; // bit i: value[i] was copied. rsp and rip are required
};

// One mapping of code in the target, at the moment the stack was copied.
struct resolve_map {
    uint64_t start, end;  // addresses, [start, end)
    uint64_t file_offset; // of start in the file (third column of /proc/P/maps)
    uint64_t bias;        // load bias, when bias_known (dlpi_addr); otherwise worked out from file_offset
    uint32_t module;      // index into the modules of the call
    bool bias_known;
};

enum resolve_end {
    RESOLVE_END_OUTERMOST = 0, // the unwind rules say there is no caller: complete
    RESOLVE_END_STACK,         // the copy of the stack ends here
    RESOLVE_END_NO_RULE,       // no unwind rule for this pc
    RESOLVE_END_DEPTH,         // RESOLVE_DEPTH_MAX frames
    RESOLVE_END_BAD,           // the rules or the stack make no sense (no progress, unreadable file)
    RESOLVE_END_FAILED         // the resolver process crashed or stalled
};

struct resolve_unwound {
    size_t n;
    uint64_t pc[RESOLVE_DEPTH_MAX]; // innermost first; pc[0] is the copied rip
    bool exact[RESOLVE_DEPTH_MAX];  // not a return address: frame 0 and frames interrupted by a signal
    // Where the frame began, for callers that recognise a stack they have seen: the stack pointer, and rbp with the
    // address it was saved at (0: still in the register) as they were while pc[i] ran.
    uint64_t sp[RESOLVE_DEPTH_MAX], bp[RESOLVE_DEPTH_MAX], bp_at[RESOLVE_DEPTH_MAX];
    uint64_t bias[RESOLVE_DEPTH_MAX]; // load bias of the file pc[i] lies in; 0: unknown
    enum resolve_end end;
    size_t guessed_from; // first frame found by libunwind's frame pointer guess, not by a rule; n: none
};

// Unwinds one copied stack: regs, and stack_len bytes copied from address stack_base on (stack_base <= rsp).
// Returns 0 with *out filled (out->n >= 1, see out->end for how it ended), -1 for wrong arguments or lack of memory.
int resolve_unwind(struct resolve *r, const struct resolve_module *modules, size_t n_modules,
                   const struct resolve_map *maps, size_t n_maps, const struct resolve_regs *regs, uint64_t stack_base,
                   const void *stack, size_t stack_len, struct resolve_unwound *out, struct seep_err *err);

enum resolve_check {
    RESOLVE_CHECK_MATCH,    // the same return addresses, to the end of the shorter that ended by a declared limit
    RESOLVE_CHECK_MISMATCH, // differ at frame *at
    RESOLVE_CHECK_GAVE_UP   // libunwind has no answer from frame *at on, and agrees before: nothing is proved
};

// The standing cross-check, pure: the walker's program counters against libunwind's for the same copied stack.
// walker_truncated: the walker says itself that it stopped early (its frames must then be a prefix).
enum resolve_check resolve_crosscheck(const uint64_t *walker_pcs, size_t n, bool walker_truncated,
                                      const struct resolve_unwound *authority, size_t *at);

// ---- finding functions and objects by name
// --------------------------------------------------------------------------------------------------

enum { RESOLVE_CODE_BYTES = 64 };

struct resolve_symbol {
    uint64_t vaddr;       // link-time address
    uint64_t file_offset; // where its bytes lie in the file; UINT64_MAX: in no part that is loaded from the file
    uint64_t size;        // 0: unknown
    uint8_t found;        // 0: no such symbol is defined in this file
    uint8_t imported;     // it is among what this file wants from others
    uint8_t is_function;
    uint8_t n_code;                   // how many bytes of code were there
    uint8_t code[RESOLVE_CODE_BYTES]; // the first bytes of it
};

// Looks n names up in the symbol tables of one file, its separate debug file included. Names of up to 63 bytes. Returns
// 0 with out[n] filled, -1 when the file cannot be read (err has the sentence).
int resolve_find(struct resolve *r, const struct resolve_module *module, const char *const *names, size_t n,
                 struct resolve_symbol *out, struct seep_err *err);

// ---- tidying (pure)
// --------------------------------------------------------------------------------------------------

// Marks the frames of one stack, innermost first: hooks of the probe and entry points of allocators at the innermost
// end get RESOLVE_F_CUT; operator new, internals of the standard library's allocators and every frame of class library
// get RESOLVE_F_LIBRARY. Returns the index of the first frame to show (n - 1 at most when n > 0, so a stack never
// vanishes).
size_t resolve_tidy(struct resolve_frame *frames, size_t n);

// The class of a module, from its path and kind.
enum resolve_class resolve_class_of(enum resolve_module_kind kind, const char *path, bool is_program);

// A key for comparing runs and builds: the raw function name without compiler suffixes (.constprop.0, .part.1, .cold),
// or
// "<module name>@<build-id>+0x<offset>" where no name is known. Writes at most size bytes with the NUL, a cut key ends
// in a hash of the whole so that different names stay different. Returns the length written. size must be at least 64.
size_t resolve_frame_key(const struct resolve_frame *frame, char *key, size_t size);

#endif
