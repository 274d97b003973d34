// Recognising stacks by their return addresses: see tap_stacks.h for the reasoning. Pure; not thread-safe.
#ifndef SEEP_RUN_TAP_TRIE_H
#define SEEP_RUN_TAP_TRIE_H

#include "linux/uprobe.h"
#include "resolve/resolve.h"

struct tap_trie;

struct tap_trie *tap_trie_new(size_t max_nodes); // NULL when memory ran out
void tap_trie_free(struct tap_trie *t);

// The slot + 1 that was stored for this stack; 0: not met yet. root: whatever must be equal too (function, process).
uint32_t tap_trie_find(const struct tap_trie *t, uint64_t root, const struct linux_uprobe_record *r);

// Stores slot for the stack that was unwound as u, of which the first n frames are sure. False: this one cannot be
// recognised again (a signal frame, no room).
bool tap_trie_add(struct tap_trie *t, uint64_t root, const struct linux_uprobe_record *r,
                  const struct resolve_unwound *u, size_t n, uint32_t slot);

void tap_trie_clear(struct tap_trie *t);

#endif
