// Marks the operations of a program, so that seep can tell growth for each of them: "48 B per login".
//
//     #include <seep_mark.h>
//     ...
//     SEEP_MARK("login");             // one login was done
//     SEEP_MARK_N("row", batch_size); // that many rows
//
// There is nothing to link with and nothing to set up. The one symbol is weak: it stands for nothing until `seep run`
// preloads its probe, and a mark is then a load, a comparison and no call; what stands between its parentheses is not
// evaluated. Under the probe it costs some ten nanoseconds, takes no lock, allocates nothing, keeps errno, and may be
// used in any thread, in signal handlers, and after fork(). In statically linked programs it never does anything.
//
// Names are short and few: what is beyond 47 bytes is cut off, and a process has 63 names; further ones count together.
// A name says what was done ("login"), not for whom ("login of alice").
//
// Code in another language asks the dynamic loader for `seep_mark`, void (const char *name, unsigned long count), and
// goes without where there is none: dlsym(RTLD_DEFAULT, "seep_mark").
//
// C99 and later, C++98 and later, GCC and Clang; with other compilers marks are nothing.
#ifndef SEEP_MARK_H
#define SEEP_MARK_H

#if !defined(__GNUC__) && !defined(__clang__)
#define SEEP_MARK_N(name, count) ((void)0)
#else

#ifdef __cplusplus
extern "C" {
#endif

// In code that is not position independent the address of a weak symbol would be decided when the program is linked:
// as nothing. So it comes out of the global offset table, which GCC does when told not to use the PLT.
#if defined(__clang__) && defined(__x86_64__) && !defined(__PIC__)
typedef void seep_mark_fn(const char *name, unsigned long count);
static inline __attribute__((always_inline)) seep_mark_fn *seep_mark_hook(void)
{
    seep_mark_fn *hook;
    __asm__(".weak seep_mark\n\tmovq seep_mark@GOTPCREL(%%rip), %0" : "=r"(hook));
    return hook;
}
#define SEEP_MARK_HOOK seep_mark_hook()
#elif defined(__clang__)
__attribute__((weak, nothrow, visibility("default"))) extern void seep_mark(const char *name, unsigned long count);
#define SEEP_MARK_HOOK (&seep_mark)
#else
__attribute__((weak, noplt, nothrow, visibility("default"))) extern void seep_mark(const char *name,
                                                                                   unsigned long count);
#define SEEP_MARK_HOOK (&seep_mark)
#endif

#ifdef __cplusplus
}
#endif

// That `count` operations called `name` were done.
#define SEEP_MARK_N(name, count) ((void)(SEEP_MARK_HOOK ? (SEEP_MARK_HOOK((name), (count)), 0) : 0))

#endif

// That one was.
#define SEEP_MARK(name) SEEP_MARK_N(name, 1ul)

#endif
