// Mutations for machines without a coverage-guided fuzzer: what is most often wrong in a parser is a length, a count, a
// repeated part or a missing end.
#include "mutate.h"

#include "fuzz.h"

uint64_t mutate_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void put_number(uint8_t *data, size_t size, uint64_t *rng)
{
    static const uint64_t extremes[] = {0,          1,          0x7f,       0x80,      0xff,       0x7fff,    0xffff,
                                        0x7fffffff, 0x80000000, 0xffffffff, INT64_MAX, 1ull << 63, UINT64_MAX};
    size_t width = (size_t)1 << mutate_next(rng) % 4;
    if (size < width)
        return;
    uint64_t v = extremes[mutate_next(rng) % (sizeof extremes / sizeof *extremes)] + mutate_next(rng) % 3 - 1;
    memcpy(data + mutate_next(rng) % (size - width + 1), &v, width);
}

// Copies a part of the input to another place of it: over what stands there, or between.
static size_t repeat_part(uint8_t *data, size_t size, size_t room, uint64_t *rng)
{
    if (size < 2)
        return size;
    size_t from = mutate_next(rng) % size, len = 1 + mutate_next(rng) % (size - from), to = mutate_next(rng) % size;
    if (len > 4096)
        len = 4096;
    uint8_t part[4096];
    memcpy(part, data + from, len);
    if (mutate_next(rng) % 2 == 0 && size + len <= room) {
        memmove(data + to + len, data + to, size - to);
        size += len;
    } else if (len > size - to) {
        len = size - to;
    }
    memcpy(data + to, part, len);
    return size;
}

static size_t erase_part(uint8_t *data, size_t size, uint64_t *rng)
{
    if (size < 2)
        return size;
    size_t from = mutate_next(rng) % size, len = 1 + mutate_next(rng) % (size - from);
    if (len > 64 && mutate_next(rng) % 4 != 0)
        len = 1 + len % 64;
    memmove(data + from, data + from + len, size - from - len);
    return size - len;
}

size_t mutate(uint8_t *data, size_t size, size_t room, uint64_t *rng)
{
    for (unsigned n = 1 + (unsigned)(mutate_next(rng) % 6); n > 0 && size > 0; n--) {
        switch (mutate_next(rng) % 6) {
        case 0:
            data[mutate_next(rng) % size] ^= (uint8_t)(1u << mutate_next(rng) % 8);
            break;
        case 1:
            data[mutate_next(rng) % size] = (uint8_t)mutate_next(rng);
            break;
        case 2:
        case 3:
            put_number(data, size, rng);
            break;
        case 4:
            size = repeat_part(data, size, room, rng);
            break;
        default:
            size = erase_part(data, size, rng);
            break;
        }
    }
    return size;
}
