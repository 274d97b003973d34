// Numbers for byte strings, in the order they were first seen: what a format's tables of names and places are made of.
// Private to src/report.
#ifndef SEEP_REPORT_INTERN_H
#define SEEP_REPORT_INTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct intern_entry {
    const char *bytes; // owned by the table, ended by a NUL that len does not count
    size_t len;
};

struct intern {
    struct intern_entry *entry;
    size_t n, room;
    uint32_t *slot; // number + 1, 0: free
    size_t n_slots;
    bool failed; // memory ran out: every later answer is 0
};

// The number of len bytes at key, counted from 0; *is_new (may be NULL) says whether it was not there before.
uint32_t intern_add(struct intern *t, const void *key, size_t len, bool *is_new);
uint32_t intern_text(struct intern *t, const char *text);
void intern_free(struct intern *t);

#endif
