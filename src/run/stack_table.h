// The run's own numbers for modules and call stacks. They only grow, and keep their meaning over exec, restart and
// resume.
//
// A stack is the same in two processes when it goes through the same offsets of the same files. Numbers of stacks start
// at 0; stack 0 is
// "(other)", the rest of everything that has no stack. At most STACK_TABLE_MAX stacks are told apart, the rest goes to
// 0. One thread adds (the sample job); any thread may read at any time.
#ifndef SEEP_RUN_STACK_TABLE_H
#define SEEP_RUN_STACK_TABLE_H

#include "base/err.h"
#include "store/store.h"
#include <stddef.h>
#include <stdint.h>

#define STACK_TABLE_MAX         (1u << 18)
#define STACK_TABLE_MODULES_MAX 4096
#define STACK_TABLE_FILES_MAX   256 // kept open for naming at the end

struct stack_table;

struct stack_table *stack_table_new(struct seep_err *err); // NULL when memory ran out
void stack_table_free(struct stack_table *t);              // NULL is allowed

// The number of a module plus 1, made when new; 0 when there is no room. Strings are copied. fd: its file open for
// reading, or -1; taken over in any case, kept for stack_table_module_fd() while there are fewer than
// STACK_TABLE_FILES_MAX.
uint32_t stack_table_add_module(struct stack_table *t, const char *path, const char *build_id, uint64_t size, int fd);

// The file kept of a module, by path and build-id; the table's own. -1: none. t: struct stack_table (a callback's
// form).
int stack_table_module_fd(void *t, const char *path, const char *build_id);

// The number of a stack, made when new; 0, "(other)", when there is no room. flags: STACK_* of store.h.
// frames[].module: a module's number plus 1, 0 none; innermost first.
uint32_t stack_table_add(struct stack_table *t, unsigned flags, const struct store_frame *frames, size_t n);

// How many stacks there are, "(other)" included.
size_t stack_table_count(struct stack_table *t);

// By number. What the results point to stays valid until stack_table_free().
struct stack_table_stack {
    unsigned flags;
    const struct store_frame *frames;
    size_t n_frames;
};
struct stack_table_stack stack_table_stack(struct stack_table *t, uint32_t stack);

struct stack_table_module {
    const char *path, *build_id;
    uint64_t size;
    int fd; // its file, or -1; see stack_table_module_fd()
};
struct stack_table_module stack_table_module(struct stack_table *t, size_t module);

#endif
