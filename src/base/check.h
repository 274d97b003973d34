// Checks for our own mistakes, always on. Input from target, disk, network or user can never reach one: that is an
// error (base/err.h), not a check.
#ifndef SEEP_BASE_CHECK_H
#define SEEP_BASE_CHECK_H

// Prints file, line, function and the condition to standard error with write(2) and aborts.
_Noreturn void seep_check_failed(const char *file, int line, const char *func, const char *cond);

#define SEEP_CHECK(cond) ((cond) ? (void)0 : seep_check_failed(__FILE__, __LINE__, __func__, #cond))

// Every long-lived struct carries a magic as its first member, checked where the pointer crosses a module boundary.
#define SEEP_CHECK_OBJ(ptr, wanted) SEEP_CHECK((ptr) != NULL && (ptr)->magic == (wanted))

#endif
