// Operations that the program marked: names and counts. A name that is not complete, or empty, is as good as none: what
// was counted under it is among the others then, so that the sum stays what was marked.
#include "wire/region.h"

#include "base/check.h"

#include <string.h>

_Static_assert(WIRE_MARKS_MAX == SEEP_MARKS && WIRE_MARK_BYTES == SEEP_MARK_NAME_BYTES, "as the wire has them");

static uint64_t count_of(const struct wire *w, uint32_t entry)
{
    const struct seep_mark_counts *row = (const struct seep_mark_counts *)(w->base + w->layout.mark_counts_offset);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < SEEP_THREAD_SLOTS; i++)
        sum += wire_load64(&row[i].of[entry]);
    return sum;
}

static void copy_name(const struct wire *w, uint32_t entry, char name[WIRE_MARK_BYTES])
{
    const struct seep_mark_name *m = (const struct seep_mark_name *)(w->base + w->layout.marks_offset) + entry;
    bool ready = wire_load32(&m->ready) != 0;
    memcpy(name, m->name, WIRE_MARK_BYTES);
    name[WIRE_MARK_BYTES - 1] = '\0';
    if (!ready)
        name[0] = '\0';
}

size_t wire_marks(struct wire *w, struct wire_mark out[WIRE_MARKS_MAX])
{
    SEEP_CHECK_OBJ(w, WIRE_MAGIC);
    const struct seep_mark_name *m = (const struct seep_mark_name *)(w->base + w->layout.marks_offset);
    uint64_t others = count_of(w, 0);
    size_t n = 1;
    for (uint32_t i = 1; i < SEEP_MARKS; i++) {
        if (!wire_load64(&m[i].hash))
            continue;
        copy_name(w, i, out[n].name);
        out[n].count = count_of(w, i);
        if (!out[n].name[0])
            others += out[n].count;
        else if (out[n].count)
            n++;
    }
    memcpy(out[0].name, WIRE_MARK_OTHER, sizeof WIRE_MARK_OTHER);
    out[0].count = others;
    if (!others)
        memmove(out, out + 1, --n * sizeof *out);
    return n;
}
