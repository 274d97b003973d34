// /tmp/perf-PID.map: "START SIZE name" a line in hexadecimal, written by just-in-time compilers. Hostile text.
#ifndef SEEP_RESOLVE_PERF_MAP_H
#define SEEP_RESOLVE_PERF_MAP_H

#include <stddef.h>
#include <stdint.h>

struct perf_map;

// Reads up to PROTO_PERF_MAP_MAX_BYTES from fd (borrowed). Bad lines are skipped. NULL: nothing can be read.
struct perf_map *perf_map_read(int fd);
void perf_map_free(struct perf_map *m);

// The newest entry (last in the file: compilers reuse addresses) that covers addr, or NULL. Length in *len, no NUL.
const char *perf_map_find(const struct perf_map *m, uint64_t addr, size_t *len);

#endif
