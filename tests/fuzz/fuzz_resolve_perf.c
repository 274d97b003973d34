// Perf maps, as just-in-time compilers and anybody else may write them into /tmp.
#include "fuzz.h"
#include "resolve/perf_map.h"

#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    FUZZ_NEED(fd >= 0 && (size == 0 || write(fd, data, size) == (ssize_t)size));
    struct perf_map *m = perf_map_read(fd);
    close(fd);
    if (m == NULL)
        return 0;
    size_t names = 0;
    for (uint64_t addr = 0; addr < 0x400; addr += 0x10) {
        size_t len = 0;
        const char *name = perf_map_find(m, addr << (addr % 5 * 8), &len);
        for (size_t i = 0; name != NULL && i < len; i++)
            names += name[i] != '\n';
        FUZZ_NEED(name == NULL || (len > 0 && len <= size));
    }
    FUZZ_NEED(names <= size * 64);
    perf_map_free(m);
    return 0;
}

size_t fuzz_seed(unsigned i, uint8_t *out)
{
    static const char *const texts[] = {
        "10 20 first\n40 8 LazyCompile:~f file.js:1\n10 10 newer name with blanks\n",
        "0x100 0x40 hex\nffffffffffffffff 1 last\n0 ffffffffffffffff everything\n\n x\n20 0 empty\n",
    };
    return i < sizeof texts / sizeof *texts ? fuzz_seed_text(texts[i], out) : 0;
}
