// Names of C++ functions for a line of text: without what every reader takes for granted.
//
// The demangler spells out each template argument, also those that have a default, and the inline namespaces of the C++
// library; of the name that the programmer wrote little is left in a line then. Formats for machines keep the whole
// name. Trust: any bytes; what looks like no template is copied as it is.
#include "report/short_name.h"

#include <string.h>

struct words {
    char *out;
    size_t n, size;
};

static void put(struct words *w, const char *s, size_t n)
{
    if (n > w->size - 1 - w->n)
        n = w->size - 1 - w->n;
    memcpy(w->out + w->n, s, n);
    w->n += n;
    w->out[w->n] = '\0';
}

static size_t starts(const char *s, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(s, prefix, n) == 0 ? n : 0;
}

// A template argument behind a comma, up to its closing bracket: ", std::allocator<int>" with its inner ones; 0: none.
static size_t defaulted(const char *s)
{
    static const char *const kinds[] = {", std::allocator<", ", std::char_traits<", ", std::less<",
                                        ", std::hash<",      ", std::equal_to<",    ", std::default_delete<"};
    size_t at = 0;
    for (size_t i = 0; at == 0 && i < sizeof kinds / sizeof kinds[0]; i++)
        at = starts(s, kinds[i]);
    if (at == 0)
        return 0;
    for (int depth = 1; s[at] != '\0'; at++) {
        depth += s[at] == '<' ? 1 : s[at] == '>' ? -1 : 0;
        if (depth == 0)
            return at + 1;
    }
    return 0; // cut off: nothing is known of its end
}

// "std::basic_string<char>" as it stands once the defaults are gone; the demangler may leave a blank before '>'.
static size_t plain_string(const char *s)
{
    size_t n = starts(s, "std::basic_string<char>");
    return n > 0 ? n : starts(s, "std::basic_string<char >");
}

const char *report_short_name(const char *name, char *out, size_t size)
{
    struct words w = {out, 0, size};
    char once[1024];
    struct words first = {once, 0, sizeof once};
    out[0] = once[0] = '\0';
    for (const char *s = name; *s != '\0';) {
        size_t skip = defaulted(s), abi = starts(s, "__cxx11::");
        if (skip + abi == 0)
            put(&first, s, 1);
        s += skip + abi > 0 ? skip + abi : 1;
    }
    for (const char *s = once; *s != '\0';) {
        size_t n = plain_string(s);
        bool gap = s[0] == ' ' && s[1] == '>';
        if (n > 0)
            put(&w, "std::string", 11);
        else if (!gap)
            put(&w, s, 1);
        s += n > 0 ? n : 1;
    }
    return out;
}
