// See pb.h.
#include "report/pb.h"

enum { WIRE_VARINT = 0, WIRE_BYTES = 2 };

void pb_varint(struct seep_buf *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        buf_char(out, (char)(value | 0x80));
    buf_char(out, (char)value);
}

void pb_uint(struct seep_buf *out, unsigned number, uint64_t value)
{
    if (value == 0)
        return;
    pb_varint(out, (uint64_t)number << 3 | WIRE_VARINT);
    pb_varint(out, value);
}

void pb_int(struct seep_buf *out, unsigned number, int64_t value)
{
    pb_uint(out, number, (uint64_t)value);
}

void pb_bytes(struct seep_buf *out, unsigned number, const void *bytes, size_t len)
{
    pb_varint(out, (uint64_t)number << 3 | WIRE_BYTES);
    pb_varint(out, len);
    if (len > 0)
        buf_add(out, bytes, len);
}
