// Hand-written assembler: with unwind rules of every kind, and without. Each is void *f(size_t).
        .text
#define FUNCTION(name) .globl name; .type name, @function; name:

FUNCTION(asm_rules)
        .cfi_startproc
        push    %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r12, 0
        mov     %rdi, %r12
        call    malloc@PLT
        mov     $0, %r12d
        pop     %r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r12
        ret
        .cfi_endproc
        .size asm_rules, .-asm_rules

// The frame is kept in rbx, the stack pointer is rounded down.
FUNCTION(asm_rbx_frame)
        .cfi_startproc
        push    %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbx, 0
        mov     %rsp, %rbx
        .cfi_def_cfa_register %rbx
        sub     $200, %rsp
        and     $-64, %rsp
        call    malloc@PLT
        mov     %rbx, %rsp
        .cfi_def_cfa_register %rsp
        pop     %rbx
        .cfi_adjust_cfa_offset -8
        ret
        .cfi_endproc
        .size asm_rbx_frame, .-asm_rbx_frame

// Where the frame begins stands in memory: the rule is an expression. CFA = *(rsp + 8).
FUNCTION(asm_expression)
        .cfi_startproc
        sub     $24, %rsp
        .cfi_adjust_cfa_offset 24
        lea     32(%rsp), %rax
        mov     %rax, 8(%rsp)
        .cfi_escape 0x0f, 0x03, 0x77, 0x08, 0x06
        call    malloc@PLT
        .cfi_def_cfa %rsp, 32
        add     $24, %rsp
        .cfi_adjust_cfa_offset -24
        ret
        .cfi_endproc
        .size asm_expression, .-asm_expression

// rbp is used for something else meanwhile, and saved in r13: only the rules know.
FUNCTION(asm_rbp_elsewhere)
        .cfi_startproc
        push    %r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r13, 0
        mov     %rbp, %r13
        .cfi_register %rbp, %r13
        lea     -64(%rsp), %rbp
        call    malloc@PLT
        mov     %r13, %rbp
        .cfi_restore %rbp
        pop     %r13
        .cfi_adjust_cfa_offset -8
        ret
        .cfi_endproc
        .size asm_rbp_elsewhere, .-asm_rbp_elsewhere

// No rules from here on.
// One for each caller: stacks that end here are told apart by it alone.
#define BARE(name) FUNCTION(name) sub $8, %rsp; call malloc@PLT; add $8, %rsp; ret; .size name, .-name
BARE(asm_bare)
BARE(asm_bare_pointed)
BARE(asm_bare_below)
BARE(asm_bare_below_pointed)

FUNCTION(asm_bare_pointer)
        push    %rbp
        mov     %rsp, %rbp
        sub     $48, %rsp
        movq    $0, 8(%rsp)
        movq    $0, 16(%rsp)
        movq    $0, 24(%rsp)
        movq    $0, 32(%rsp)
        movq    $0, 40(%rsp)
        movq    $0, (%rsp)
        call    malloc@PLT
        mov     %rbp, %rsp
        pop     %rbp
        ret
        .size asm_bare_pointer, .-asm_bare_pointer

// rbp points up the stack, but at no frame.
FUNCTION(asm_bare_scratch)
        push    %rbp
        lea     96(%rsp), %rbp
        call    malloc@PLT
        pop     %rbp
        ret
        .size asm_bare_scratch, .-asm_bare_scratch

// Two such frames on top of each other.
#define TWICE(name, inner) FUNCTION(name) sub $8, %rsp; call inner; add $8, %rsp; ret; .size name, .-name
TWICE(asm_bare_twice, asm_bare_below)
TWICE(asm_bare_twice_pointed, asm_bare_below_pointed)
        .section .note.GNU-stack, "", @progbits
