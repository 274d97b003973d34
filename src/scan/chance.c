// Values that point into blocks by chance, and what tells them from pointers.
//
// Free memory of glibc's malloc is chained through its own first words. What is given out again keeps such words until
// the program writes to them, which many a program never does; and where the free memory lay that they name, other
// blocks lie by now. So they point at these at any place, a multiple of 16 bytes behind their beginning, while the
// pointers of a program lead to their beginning, or to one or two members. One of them is enough to make a lost block
// look reachable, and beside a crowd of half-used buffers each lost block soon has one.
//
// Method. For each suspect the values are counted by where in its blocks they point. What places get alike is chance; a
// place that does not stand out from it holds nothing for sure: its values make undecided, as everything uncertain
// does. The one or two places with most hits, which may be members, do not count for the measure. Where fewer than
// three places can be compared, or chance is not seen at work, every value counts.
#include "scan/internal.h"

#include "base/clock.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PLACE_BYTES  16u
#define LAST         (SCAN_PLACES - 1) // and all that lies behind it
#define ADVANCE_PART 4                 // of the time of the first look
#define PLACES_LEAST 3
#define PLACES_MANY  6   // from here on two may be members
#define SEEN_LEAST   6   // hits by chance
#define SPREAD       1.4 // buffers that were copied have their values more than once

struct scan_chance {
    uint64_t hits[SCAN_SUSPECTS_MAX][SCAN_PLACES];
    uint64_t slots[SCAN_SUSPECTS_MAX][SCAN_PLACES]; // that can be hit
};

static int suspect_of(const struct scan *s, uint32_t stack)
{
    for (uint32_t i = 0; i < s->box->n_suspects; i++)
        if (s->box->suspect[i].stack == stack)
            return (int)i;
    return -1;
}

// Where in its block a value points, if it is one that could be the allocator's; SCAN_PLACES: it is none.
static uint64_t place_of(const struct wire_block *b, uint64_t value)
{
    uint64_t offset = value - b->address, place = offset / PLACE_BYTES;
    if (value % PLACE_BYTES || offset + 8 >= b->bytes)
        return SCAN_PLACES;
    return place < LAST ? place : LAST;
}

static void count_slots(struct scan *s)
{
    for (uint32_t i = 0; i < s->known.n; i++) {
        const struct wire_block *b = &s->known.block[i];
        int which = s->known.flags[i] & SCAN_F_SUSPECT ? suspect_of(s, b->stack) : -1;
        if (which < 0 || b->bytes <= 8)
            continue;
        uint64_t n = (b->bytes - 9) / PLACE_BYTES + 1; // as place_of() has them
        for (uint64_t p = 0; p < LAST && p < n; p++)
            s->chance->slots[which][p]++;
        s->chance->slots[which][LAST] += n > LAST ? n - LAST : 0;
    }
}

static double most_by_chance(double mean)
{
    return SPREAD * mean + 5 * sqrt(mean) + 2;
}

// The place of a member: with most hits of those not taken yet; 0: none.
static size_t member(const uint64_t hits[SCAN_PLACES], size_t taken)
{
    size_t most = 0;
    for (size_t p = 1; p < LAST; p++)
        if (p != taken && hits[p] > (most ? hits[most] : 0))
            most = p;
    return most;
}

void scan_chance_places(const uint64_t hits[SCAN_PLACES], const uint64_t slots[SCAN_PLACES], struct scan_suspect *out)
{
    uint64_t places = 0, all_hits = 0, all_slots = 0;
    out->by_chance = 0;
    out->chance_hits = 0;
    for (size_t p = 1; p < SCAN_PLACES; p++) {
        places += slots[p] > 0;
        all_hits += hits[p];
        all_slots += slots[p];
    }
    size_t first = member(hits, 0), second = first && places >= PLACES_MANY ? member(hits, first) : 0;
    all_hits -= (first ? hits[first] : 0) + (second ? hits[second] : 0);
    all_slots -= (first ? slots[first] : 0) + (second ? slots[second] : 0);
    if (places < PLACES_LEAST || all_hits < SEEN_LEAST || all_slots == 0)
        return;
    double each = (double)all_hits / (double)all_slots, counted = 0; // slots of places whose values count
    for (size_t p = 0; p < SCAN_PLACES; p++)
        if ((double)hits[p] <= most_by_chance(each * (double)slots[p]))
            out->by_chance |= 1ull << p;
        else
            counted += (double)slots[p];
    out->chance_hits = most_by_chance(each * (counted > 0 ? counted : (double)slots[0]));
}

// For the next look, from what this one has counted.
void scan_chance_conclude(struct scan *s)
{
    for (uint32_t i = 0; s->chance && i < s->box->n_suspects; i++)
        scan_chance_places(s->chance->hits[i], s->chance->slots[i], &s->box->suspect[i]);
}

void scan_chance_count(struct scan *s, uint32_t block, uint64_t value)
{
    uint64_t place = SCAN_PLACES;
    if (s->chance && block < s->known.n && s->known.flags[block] & SCAN_F_SUSPECT)
        place = place_of(&s->known.block[block], value);
    int which = place < SCAN_PLACES ? suspect_of(s, s->known.block[block].stack) : -1;
    if (which >= 0)
        s->chance->hits[which][place]++;
}

bool scan_by_chance(const struct scan *s, uint32_t block, uint64_t value)
{
    if (!s->chance || block >= s->known.n || !(s->known.flags[block] & SCAN_F_SUSPECT))
        return false;
    uint64_t place = place_of(&s->known.block[block], value);
    int which = place < SCAN_PLACES ? suspect_of(s, s->known.block[block].stack) : -1;
    return which >= 0 && s->box->suspect[which].by_chance >> place & 1;
}

// A part of the time only: chance is the same everywhere, so what was counted by then will do.
static int count_in_advance(struct scan *s)
{
    int64_t now = clock_mono_ns(), deadline_ns = s->deadline_ns;
    s->deadline_ns = now + (deadline_ns - now) / ADVANCE_PART;
    s->counting = true;
    scan_sweep_heap(s);
    s->counting = false;
    s->deadline_ns = deadline_ns;
    if (s->trouble == SCAN_TIME)
        s->trouble = SCAN_FINE;
    scan_chance_conclude(s);
    memset(s->chance->hits, 0, sizeof s->chance->hits);
    s->swapped_bytes = 0; // it is counted when the heap is read for good
    return s->trouble == SCAN_FINE ? 0 : -1;
}

// The first look has none before it that counted: it goes through the heap once more.
int scan_chance_init(struct scan *s)
{
    if (!s->chunks)
        return 0;
    s->chance = calloc(1, sizeof *s->chance);
    if (!s->chance) {
        s->trouble = SCAN_MEMORY;
        return -1;
    }
    count_slots(s);
    return s->box->looks > 0 ? 0 : count_in_advance(s);
}
