// Two growths beside a crowd of large buffers of which hardly anything is ever written: one forgotten for good, one in
// a list. The free lists' own words that stay behind in the buffers point into the blocks of both by chance.
#include "why_pace.h"

static char *crowd[512];

__attribute__((noinline)) static void hustle(void)
{
    static unsigned long x = 88172645463325252ul;
    for (int i = 0; i < 120; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        unsigned k = (unsigned)(x % 512);
        free(crowd[k]);
        crowd[k] = malloc(16 + (x >> 20) % 2000);
        memset(crowd[k], 1, 16);
    }
}

struct item {
    struct item *next;
    char text[88];
};

static struct item *items_head;

__attribute__((noinline)) static struct item *item_new(void)
{
    struct item *i = malloc(sizeof *i);
    memset(i, 3, sizeof *i);
    i->next = items_head;
    return i;
}

__attribute__((noinline)) static char *draft_new(void)
{
    return memset(malloc(200), 7, 200);
}

__attribute__((noinline)) static void step(unsigned n)
{
    (void)n;
    char *volatile draft = draft_new();
    draft = NULL;
    (void)draft;
    items_head = item_new();
    hustle();
}

int main(void)
{
    return why_pace(step, 100);
}
