// Base64 (RFC 4648, section 4): with padding, without line breaks.
#ifndef SEEP_BASE_BASE64_H
#define SEEP_BASE_BASE64_H

#include "base/buf.h"

void base64_add(struct seep_buf *out, const void *data, size_t len);

#endif
