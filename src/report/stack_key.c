// Keys of stacks: see stack_key.h. The stem of a function is the resolver's (resolve_frame_key), so that what a release
// calls its stacks and what a comparison does never differ.
#include "report/stack_key.h"

#include <string.h>

enum { KEY_MAX = 512 };

// Demanglers write copies of functions as "f(int) [clone .isra.0]": the raw suffix is then inside brackets.
static size_t without_clone(const char *function)
{
    const char *at = strstr(function, " [clone ");
    return at == NULL ? strlen(function) : (size_t)(at - function);
}

static void frame_key(const struct report_frame *f, char key[KEY_MAX])
{
    if (f->function == NULL || f->function[0] == '\0') {
        const char *slash = strrchr(f->module, '/'), *name = slash == NULL ? f->module : slash + 1;
        const char *so = strstr(name, ".so");
        size_t len = so == NULL ? strlen(name) : (size_t)(so - name);
        if (len >= KEY_MAX)
            len = KEY_MAX - 1;
        memcpy(key, name, len);
        key[len] = '\0';
        return;
    }
    char plain[KEY_MAX * 2];
    size_t len = without_clone(f->function);
    if (len >= sizeof plain)
        len = sizeof plain - 1;
    memcpy(plain, f->function, len);
    plain[len] = '\0';
    struct resolve_frame frame = {.function = plain};
    resolve_frame_key(&frame, key, KEY_MAX);
}

void report_stack_key(const struct report_stack *stack, struct seep_buf *out)
{
    char key[2][KEY_MAX] = {"", ""};
    for (size_t i = 0; i < stack->n_frames; i++) {
        char *now = key[i % 2], *before = key[(i + 1) % 2];
        frame_key(&stack->frames[i], now);
        if (i > 0 && strcmp(now, before) == 0)
            continue;
        buf_str(out, now);
        buf_char(out, '\n');
    }
}
