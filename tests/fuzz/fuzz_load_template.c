// Run-time texts: compiled or refused, and rendered with values that come from replies.
#include "fuzz.h"
#include "load/template.h"
#include "profile/runtext.h"

enum { VARIABLES = 4, OUT_MAX = 4096 };

// The text up to the first NUL; what follows is the value of every variable.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = calloc(1, size + 2);
    FUZZ_NEED(text != NULL);
    memcpy(text, data, size);
    size_t len = strlen(text);
    const struct load_text value = {text + len + 1, len < size ? size - len - 1 : 0};
    const struct load_text values[VARIABLES] = {value, value, value, {NULL, 0}};
    for (int place = TEMPLATE_BODY; place <= TEMPLATE_HEADER; place++) {
        struct template_names names = {0};
        struct template *t;
        struct seep_err err = {0};
        struct seep_buf out;
        struct load_rng rng = {1};
        buf_init(&out, OUT_MAX);
        if (template_open(text, (enum template_place)place, &names, NULL, &t, &err) == 0) {
            const struct template_scope scope = {.user = values, .user_id = 1, .iteration = 1, .rng = &rng};
            const char *name = NULL;
            enum template_end end = TEMPLATE_UNSET;
            if (names.n <= VARIABLES)
                end = template_render(t, &scope, &out, &name);
            FUZZ_NEED(end == TEMPLATE_DONE || names.n > VARIABLES || name != NULL || template_constant(t));
            FUZZ_NEED(out.len <= OUT_MAX);
            // What a reply gave can neither end the request line nor a header.
            bool ours = len > 0 && (memchr(text, '\n', len) || strchr(text, ' ') || strstr(text, "${hex:"));
            for (size_t i = 0; end == TEMPLATE_DONE && !ours && place != TEMPLATE_BODY && i < out.len; i++)
                FUZZ_NEED(out.data[i] != '\n' && (place != TEMPLATE_URL || out.data[i] != ' '));
            template_close(t);
        } else {
            FUZZ_NEED(err.text[0] != '\0');
        }
        buf_free(&out);
        template_names_free(&names);
    }
    free(text);
    return 0;
}

size_t fuzz_seed(unsigned i, uint8_t *out)
{
    static const struct fuzz_seed_bytes texts[] = {
        FUZZ_SEED("/items/${user:a}?q=${user:b|url}&n=${gen:int(1,100)}\0a b\r\nX: y"),
        FUZZ_SEED("{\"u\":\"${user:name|json}\",\"id\":${user:id}}\0\"\\\x01"),
        FUZZ_SEED("Bearer ${user:token}$${user:x}${hex:00ff}${nothing}\0t\xc3\xa9"),
        FUZZ_SEED("${gen:pick(a,b,c)}${gen:uuid}${gen:now_ms}${gen:text(9)}${gen:iteration}"),
        FUZZ_SEED("$$$${gen:$${${user:}${data:a.b}${env:HOME}"),
    };
    return fuzz_seed_of(texts, sizeof texts / sizeof *texts, i, out);
}
