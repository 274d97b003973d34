// Calls the assembler of zoo_asm.S from C with and without frame pointers.
#include "zoo.h"

void *asm_rules(size_t), *asm_rbx_frame(size_t), *asm_expression(size_t), *asm_rbp_elsewhere(size_t);
void *asm_bare(size_t), *asm_bare_pointer(size_t), *asm_bare_scratch(size_t), *asm_bare_twice(size_t);
void *asm_bare_pointed(size_t), *asm_bare_twice_pointed(size_t);

enum {
    RULES = 3301,
    RBX,
    EXPRESSION,
    ELSEWHERE,
    BARE,
    POINTER,
    SCRATCH,
    TWICE,
    POINTED_BARE,
    POINTED_POINTER,
    POINTED_TWICE
};

static ZOO_NOINLINE void plain(void *(*f)(size_t), size_t size)
{
    zoo_kept = f(size);
}

// A walker that believes rbp in the assembler would take this frame's for the assembler's, and leave it out.
static ZOO_NOINLINE __attribute__((optimize("no-omit-frame-pointer"))) void pointed(void *(*f)(size_t), size_t size)
{
    zoo_kept = f(size);
}

static ZOO_NOINLINE void once_round(void)
{
    plain(asm_rules, RULES);
    plain(asm_rbx_frame, RBX);
    plain(asm_expression, EXPRESSION);
    plain(asm_rbp_elsewhere, ELSEWHERE);
    plain(asm_bare, BARE);
    plain(asm_bare_pointer, POINTER);
    plain(asm_bare_scratch, SCRATCH);
    plain(asm_bare_twice, TWICE);
    pointed(asm_bare_pointed, POINTED_BARE);
    pointed(asm_bare_pointer, POINTED_POINTER);
    pointed(asm_bare_twice_pointed, POINTED_TWICE);
    zoo_kept = NULL;
}

int main(void)
{
    zoo_says(RULES, "exact", "asm_rules;plain;once_round;zoo_live~;main");
    zoo_says(RBX, "exact", "asm_rbx_frame;plain;once_round;zoo_live~;main");
    zoo_says(EXPRESSION, "exact", "asm_expression;plain;once_round;zoo_live~;main");
    zoo_says(ELSEWHERE, "exact", "asm_rbp_elsewhere;plain;once_round;zoo_live~;main");
    zoo_says(BARE, "cut", "asm_bare");
    zoo_says(POINTER, "exact", "asm_bare_pointer;plain;once_round;zoo_live~;main");
    zoo_says(SCRATCH, "cut", "asm_bare_scratch");
    zoo_says(TWICE, "cut", "asm_bare_below");
    zoo_says(POINTED_BARE, "cut", "asm_bare_pointed");
    zoo_says(POINTED_POINTER, "exact", "asm_bare_pointer;pointed;once_round;zoo_live~;main");
    zoo_says(POINTED_TWICE, "cut", "asm_bare_below_pointed");
    zoo_live(once_round);
}
