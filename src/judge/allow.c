// See allow.h.
#include "judge/allow.h"

#include <fnmatch.h>
#include <string.h>

enum { PART_MAX = 1024 };

bool judge_allow_expired(const char *expires, const char *today)
{
    return expires != NULL && strcmp(today, expires) > 0;
}

static bool matches_one(const char *glob, const char *name)
{
    return name != NULL && fnmatch(glob, name, 0) == 0;
}

static bool matches_frame(const char *glob, const struct judge_allow_frame *f)
{
    return matches_one(glob, f->function) || matches_one(glob, f->file) || matches_one(glob, f->module);
}

// The first part of a pattern, without blanks around it; *rest begins the next one, NULL when there is none.
static bool take_part(const char *pattern, char part[PART_MAX], const char **rest)
{
    const char *end = strstr(pattern, " < ");
    size_t len = end == NULL ? strlen(pattern) : (size_t)(end - pattern);
    *rest = end == NULL ? NULL : end + 3;
    while (len > 0 && pattern[len - 1] == ' ')
        len--;
    for (; len > 0 && *pattern == ' '; len--)
        pattern++;
    if (len == 0 || len >= PART_MAX)
        return false;
    memcpy(part, pattern, len);
    part[len] = '\0';
    return true;
}

bool judge_allow_matches(const char *pattern, const struct judge_allow_frame *frames, size_t n)
{
    char part[PART_MAX];
    size_t at = 0;
    for (const char *rest = pattern; rest != NULL; at++) {
        if (!take_part(rest, part, &rest))
            return false;
        while (at < n && !matches_frame(part, &frames[at]))
            at++;
        if (at == n)
            return false;
    }
    return true;
}
