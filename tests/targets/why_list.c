// A list that only grows, under a global variable.
#include "why_pace.h"

struct entry {
    struct entry *next;
    char filling[192];
};

struct entry *history_head;

__attribute__((noinline)) static struct entry *entry_new(void)
{
    struct entry *e = calloc(1, sizeof *e);
    e->filling[0] = 1;
    return e;
}

__attribute__((noinline)) static void step(unsigned n)
{
    struct entry *e = entry_new();
    (void)n;
    e->next = history_head;
    history_head = e;
}

int main(void)
{
    return why_pace(step, 400);
}
