// The cheapest place for a breakpoint: see tap_code.h.
//
// A breakpoint in the middle of an instruction would destroy the program, so this is no disassembler but a list of the
// few forms that begin an allocator's functions. What is not in the list ends the search, and the entry is taken.
#include "run/tap_code.h"

#include <stdbool.h>

enum { RSP = 4 };

struct insn {
    const uint8_t *code;
    size_t n, len;
    bool rex_r, rex_b, known;
    unsigned reg, rm; // of the ModRM byte, with their REX bits
    bool rm_is_register;
};

// ModRM with SIB and displacement; immediate bytes follow.
static void take_modrm(struct insn *i, size_t immediate)
{
    if (i->len >= i->n)
        return;
    uint8_t modrm = i->code[i->len++];
    unsigned mod = modrm >> 6, rm = modrm & 7;
    i->reg = (modrm >> 3 & 7) | (i->rex_r ? 8u : 0);
    i->rm = rm | (i->rex_b ? 8u : 0);
    i->rm_is_register = mod == 3;
    size_t displacement = mod == 1 ? 1 : mod == 2 ? 4 : 0;
    if (mod != 3 && rm == 4) {
        if (i->len >= i->n)
            return;
        uint8_t sib = i->code[i->len++];
        if (mod == 0 && (sib & 7) == 5)
            displacement = 4;
    } else if (mod == 0 && rm == 5) {
        displacement = 4;
    }
    i->len += displacement + immediate;
    i->known = i->len <= i->n;
}

// Does it leave the wanted registers and the stack pointer alone? writes: the register number, or -1.
static bool harmless(int writes, unsigned keep)
{
    return writes != RSP && (writes < 0 || writes > 7 || !(keep >> writes & 1));
}

// One instruction without a branch: its length, or 0 when it is not in the list or spoils something.
static size_t plain_length(const uint8_t *code, size_t n, unsigned keep)
{
    static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
    struct insn i = {.code = code, .n = n};
    if (n >= sizeof endbr64 && code[0] == endbr64[0] && code[1] == endbr64[1] && code[2] == endbr64[2] &&
        code[3] == endbr64[3])
        return sizeof endbr64;
    if (i.len < n && code[i.len] == 0x64) // %fs: thread-local data
        i.len++;
    if (i.len < n && (code[i.len] & 0xf0) == 0x40) {
        i.rex_r = code[i.len] & 4;
        i.rex_b = code[i.len] & 1;
        i.len++;
    }
    if (i.len >= n)
        return 0;
    int writes = -1;
    uint8_t op = code[i.len++];
    switch (op) {
    case 0x85: // test
    case 0x39: // cmp r/m, r
    case 0x3b: // cmp r, r/m
        take_modrm(&i, 0);
        break;
    case 0x03: // add, and, sub, xor, or, mov, lea: to a register
    case 0x23:
    case 0x2b:
    case 0x33:
    case 0x0b:
    case 0x8b:
    case 0x8d:
        take_modrm(&i, 0);
        writes = (int)i.reg;
        break;
    case 0x01: // the same from a register; to memory is not in the list
    case 0x21:
    case 0x29:
    case 0x31:
    case 0x09:
    case 0x89:
        take_modrm(&i, 0);
        writes = (int)i.rm;
        i.known &= i.rm_is_register;
        break;
    case 0x80: // cmp with an immediate, any operand; other operations on registers only
    case 0x83:
    case 0x81:
        take_modrm(&i, op == 0x81 ? 4 : 1);
        if ((i.reg & 7) != 7) {
            writes = (int)i.rm;
            i.known &= i.rm_is_register && op != 0x80;
        }
        break;
    case 0xc1: // shifts
        take_modrm(&i, 1);
        writes = (int)i.rm;
        i.known &= i.rm_is_register && (i.reg & 7) >= 4;
        break;
    case 0x25: // and eax, imm32
        i.len += 4;
        i.known = i.len <= n;
        writes = 0;
        break;
    default:
        return 0;
    }
    return i.known && harmless(writes, keep) ? i.len : 0;
}

// push, jcc, jmp, call, nop: what the kernel emulates.
static bool emulated(const uint8_t *c, size_t n)
{
    if (n >= 1 && ((c[0] & 0xf8) == 0x50 || (c[0] & 0xf0) == 0x70 || c[0] == 0xeb || c[0] == 0xe9 || c[0] == 0xe8 ||
                   c[0] == 0x90))
        return true;
    return n >= 2 && ((c[0] == 0x41 && (c[1] & 0xf8) == 0x50) || (c[0] == 0x0f && (c[1] & 0xf0) == 0x80));
}

size_t tap_code_skip(const uint8_t *code, size_t n, unsigned keep)
{
    size_t at = 0;
    while (at < n) {
        if (emulated(code + at, n - at))
            return at;
        size_t len = plain_length(code + at, n - at, keep);
        if (len == 0)
            return 0;
        at += len;
    }
    return 0;
}
