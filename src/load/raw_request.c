// What stands around the words of a raw request: see raw_request.h.
#include "load/raw_request.h"

void raw_command_begin(struct seep_buf *out, size_t words)
{
    buf_printf(out, "*%zu\r\n", words);
}

void raw_command_word(struct seep_buf *out, const void *word, size_t len)
{
    buf_printf(out, "$%zu\r\n", len);
    buf_add(out, word, len);
    buf_str(out, "\r\n");
}

int raw_prefix_write(uint64_t len, unsigned bytes, bool little, bool counts_all, uint8_t *out)
{
    uint64_t number = len + (counts_all ? bytes : 0);
    if (number < len || (bytes < 8 && number >> (8 * bytes) != 0))
        return -1;
    for (unsigned i = 0; i < bytes; i++)
        out[i] = (uint8_t)(number >> 8 * (little ? i : bytes - 1 - i));
    return 0;
}
