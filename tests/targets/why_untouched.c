// Allocates large buffers and writes to the beginning of each only, beside a small list that is written to: most of
// what is live is not resident.
#include "why_pace.h"

struct link {
    struct link *next;
    char text[4080];
};

static struct link *head;
static char *volatile kept[4096];

__attribute__((noinline)) static struct link *link_new(void)
{
    struct link *l = malloc(sizeof *l);
    memset(l, 1, sizeof *l);
    l->next = head;
    return l;
}

__attribute__((noinline)) static char *buffer_new(void)
{
    char *b = malloc(1 << 20);
    *b = 1;
    return b;
}

__attribute__((noinline)) static void step(unsigned n)
{
    kept[n % 4096] = buffer_new();
    head = link_new();
}

int main(void)
{
    return why_pace(step, 40);
}
