// One error type for the whole house.
//
// Functions return 0 or -1 (or NULL) and fill a struct seep_err. The text is a finished sentence that names the thing
// and says what to do; it can be shown as is. Library code never logs and never exits: only cmd/ and run/ decide.
#ifndef SEEP_BASE_ERR_H
#define SEEP_BASE_ERR_H

#include <stdarg.h>

enum seep_code {
    SEEP_OK = 0,
    SEEP_E_USAGE,       // the command line or a profile is wrong: exit 2
    SEEP_E_SYSTEM,      // a system call failed and seep cannot do its job: exit 6
    SEEP_E_LIMIT,       // a declared ceiling was reached: exit 6
    SEEP_E_CORRUPT,     // data from disk or from the target does not hold together: exit 6
    SEEP_E_TARGET,      // the target could not be started or is gone: exit 4
    SEEP_E_UNSUPPORTED, // this machine or this target cannot do it: exit 3
    SEEP_E_CODES
};

struct seep_err {
    enum seep_code code;
    int sys_errno; // 0 where no system call is to blame
    char text[480];
};

// One row a code: its name, exit status and meaning. Feeds the manual. Indexed by enum seep_code.
struct seep_code_info {
    const char *name;
    int exit_status;
    const char *meaning;
};
extern const struct seep_code_info seep_codes[SEEP_E_CODES];

// Fills err (which may be NULL) and returns -1, so that "return seep_fail(err, ...)" is the way out.
int seep_fail(struct seep_err *err, enum seep_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

// The same for a failed system call: appends ": <strerror(saved_errno)>" and keeps the errno.
int seep_fail_errno(struct seep_err *err, int saved_errno, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
