// Histograms in the encoding of HdrHistogram, version 2, so that its tools in any language read ours.
#ifndef SEEP_LOAD_HIST_HDR_H
#define SEEP_LOAD_HIST_HDR_H

#include "load/hist.h"

enum { HIST_HDR_COOKIE = 0x1c849313, HIST_HDR_COMPRESSED_COOKIE = 0x1c849314 };

// Appends the uncompressed V2 form, byte for byte what HdrHistogram's encodeIntoByteBuffer() makes of a histogram with
// lowest value 1, highest 3 600 000 000 and 3 digits: a head of 40 bytes (cookie, length of the payload, normalising
// index offset, digits, lowest, highest, conversion ratio; big-endian) and the counts as ZigZag LEB128 numbers, a
// negative one standing for that many empty buckets. Values are microseconds. The layout of buckets is the same on both
// sides, so nothing is lost but sum, minimum and maximum within their buckets.
void hist_hdr_encode(const struct load_hist *h, struct seep_buf *out);

#endif
