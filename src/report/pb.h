// Writing protocol buffers: the wire format of protobuf.dev/programming-guides/encoding, as much as pprof needs.
// Private to src/report.
#ifndef SEEP_REPORT_PB_H
#define SEEP_REPORT_PB_H

#include "base/buf.h"

#include <stdint.h>

// Field `number` as a varint; zero is the default and is left out. Signed values travel in two's complement (int64).
void pb_int(struct seep_buf *out, unsigned number, int64_t value);
void pb_uint(struct seep_buf *out, unsigned number, uint64_t value);
// Strings, nested messages and packed arrays alike; an empty one is written.
void pb_bytes(struct seep_buf *out, unsigned number, const void *bytes, size_t len);
// A bare varint, for packed arrays.
void pb_varint(struct seep_buf *out, uint64_t value);

#endif
