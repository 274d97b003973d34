// Demangling through libiberty, with ceilings: see demangle.h.
#include "resolve/demangle.h"

#include <libiberty/demangle.h>
#include <stdint.h>
#include <string.h>

enum { RAW_MAX = 16384 };

struct sink {
    char *out;
    size_t len, size;
    bool cut;
};

// libiberty prints in pieces. Substitutions let a short name expand exponentially; what exceeds the buffer is dropped
// here without being stored, and the time is bounded by the CPU timer of the request.
static void collect(const char *piece, size_t len, void *opaque)
{
    struct sink *s = opaque;
    size_t room = s->size - 1 - s->len;
    if (len > room) {
        s->cut = true;
        len = room;
    }
    memcpy(s->out + s->len, piece, len);
    s->len += len;
}

bool demangle_name(const char *raw, char *out, size_t size)
{
    struct sink s = {.out = out, .size = size};
    size_t raw_len = strnlen(raw, RAW_MAX);
    // Symbol versions ("malloc@@GLIBC_2.2.5") are no part of the mangled name.
    bool mangled = raw_len < RAW_MAX && raw[0] == '_' && (raw[1] == 'Z' || raw[1] == 'R');
    // Rust's older names are C++ names with a hash at the end: its own demangler first, it refuses all others.
    if (mangled && rust_demangle_callback(raw, DMGL_NO_OPTS, collect, &s) && s.len > 0) {
        out[s.len] = '\0';
        return s.cut;
    }
    s = (struct sink){.out = out, .size = size};
    if (mangled && raw[1] == 'Z' && cplus_demangle_v3_callback(raw, DMGL_ANSI, collect, &s) && s.len > 0) {
        out[s.len] = '\0';
        return s.cut;
    }
    s = (struct sink){.out = out, .size = size};
    collect(raw, raw_len, &s);
    out[s.len] = '\0';
    return s.cut || raw_len == RAW_MAX;
}
