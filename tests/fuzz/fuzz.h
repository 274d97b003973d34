// What a fuzz harness is: LLVMFuzzerTestOneInput(), which reads any bytes and aborts when a promise is broken.
//
// Built with clang and SEEP_FUZZ=ON it is linked to libFuzzer (tests/fuzz/run). Otherwise replay.c is its main: inputs
// from files, seeds made by the harness, and mutations by a fixed seed, in every run of the tests.
#ifndef SEEP_TESTS_FUZZ_H
#define SEEP_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FUZZ_INPUT_MAX = 256 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Seed number i into out (FUZZ_INPUT_MAX bytes); its length, or 0 when there are no more.
size_t fuzz_seed(unsigned i, uint8_t *out);

#define FUZZ_NEED(what)                                                                                                \
    do {                                                                                                               \
        if (!(what)) {                                                                                                 \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #what);                                  \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

// The input, eaten from the front; past its end everything is zero.
struct fuzz_in {
    const uint8_t *at;
    size_t left;
};

static inline void fuzz_take(struct fuzz_in *in, void *out, size_t n)
{
    size_t have = n < in->left ? n : in->left;
    if (n > have)
        memset((uint8_t *)out + have, 0, n - have);
    if (have > 0)
        memcpy(out, in->at, have);
    in->at += have;
    in->left -= have;
}

static inline uint8_t fuzz_u8(struct fuzz_in *in)
{
    uint8_t v;
    fuzz_take(in, &v, 1);
    return v;
}

static inline uint32_t fuzz_u24(struct fuzz_in *in)
{
    uint8_t v[3];
    fuzz_take(in, v, 3);
    return (uint32_t)v[0] | (uint32_t)v[1] << 8 | (uint32_t)v[2] << 16;
}

static inline size_t fuzz_seed_text(const char *text, uint8_t *out)
{
    size_t n = strlen(text);
    memcpy(out, text, n);
    return n;
}

// Seeds with zeros in them: a list of FUZZ_SEED("..."), and number i of it, for fuzz_seed().
struct fuzz_seed_bytes {
    size_t len;
    const char *bytes;
};

#define FUZZ_SEED(literal)                                                                                             \
    {                                                                                                                  \
        sizeof(literal) - 1, literal                                                                                   \
    }

static inline size_t fuzz_seed_of(const struct fuzz_seed_bytes *list, size_t n, unsigned i, uint8_t *out)
{
    if (i >= n)
        return 0;
    memcpy(out, list[i].bytes, list[i].len);
    return list[i].len;
}

// The first FUZZ_INPUT_MAX bytes of a file after what already stands in out; the new length.
static inline size_t fuzz_seed_file(const char *path, uint8_t *out, size_t used)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        fprintf(stderr, "%s: the seed cannot be read\n", path);
        exit(2);
    }
    used += fread(out + used, 1, FUZZ_INPUT_MAX - used, f);
    fclose(f);
    return used;
}

#endif
