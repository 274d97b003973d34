// Base64: see base64.h.
#include "base/base64.h"

#include <stdint.h>

void base64_add(struct seep_buf *out, const void *data, size_t len)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *bytes = data;
    for (size_t i = 0; i < len; i += 3) {
        uint32_t three = (uint32_t)bytes[i] << 16;
        if (i + 1 < len)
            three |= (uint32_t)bytes[i + 1] << 8;
        if (i + 2 < len)
            three |= bytes[i + 2];
        buf_char(out, digit[three >> 18]);
        buf_char(out, digit[three >> 12 & 63]);
        buf_char(out, i + 1 < len ? digit[three >> 6 & 63] : '=');
        buf_char(out, i + 2 < len ? digit[three & 63] : '=');
    }
}
