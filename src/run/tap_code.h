// Where in a function a breakpoint is cheapest, from its first bytes. Pure.
#ifndef SEEP_RUN_TAP_CODE_H
#define SEEP_RUN_TAP_CODE_H

#include <stddef.h>
#include <stdint.h>

// Registers whose content at the function's entry is wanted, by their x86 number.
enum { TAP_CODE_RCX = 1u << 1, TAP_CODE_RDX = 1u << 2, TAP_CODE_RSI = 1u << 6, TAP_CODE_RDI = 1u << 7 };

// How many bytes after the entry the breakpoint may stand: on the first instruction that the kernel carries out itself
// (push, a jump, a call, nop) instead of stepping over a copy of it, which costs a second trap. Every instruction
// before it is one this decoder knows whole, none touches the stack pointer or a register of `keep`, and none can
// branch. 0: the entry itself.
size_t tap_code_skip(const uint8_t *code, size_t n, unsigned keep);

#endif
