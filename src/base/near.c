// Edit distance for "did you mean": see near.h. Method: Damerau-Levenshtein restricted to adjacent swaps, three rows.
#include "base/near.h"

#include <ctype.h>
#include <string.h>

enum { WORD_MAX = 64 };

static int least(int a, int b)
{
    return a < b ? a : b;
}

static int same(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

int near_distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b);
    if (la > WORD_MAX || lb > WORD_MAX)
        return 1000;
    int rows[3][WORD_MAX + 1];
    for (size_t j = 0; j <= lb; j++)
        rows[0][j] = (int)j;
    for (size_t i = 1; i <= la; i++) {
        int *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = (int)i;
        for (size_t j = 1; j <= lb; j++) {
            int wrong = !same(a[i - 1], b[j - 1]);
            row[j] = least(least(above[j] + 1, row[j - 1] + 1), above[j - 1] + wrong);
            if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
                row[j] = least(row[j], two_above[j - 2] + 1);
        }
    }
    return rows[la % 3][lb];
}

const char *near_find(const char *word, const char *(*candidate)(size_t i, const void *ctx), const void *ctx)
{
    int allowed = (int)strlen(word) / 3;
    int best = (allowed < 1 ? 1 : allowed) + 1;
    const char *found = NULL, *name;
    for (size_t i = 0; (name = candidate(i, ctx)) != NULL; i++) {
        int d = near_distance(word, name);
        if (d < best) {
            best = d;
            found = name;
        }
    }
    return found;
}
