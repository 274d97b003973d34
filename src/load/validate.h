// What a load needs besides its profile, looked at before anything starts: tables of data, the environment, files of
// certificates and bodies. The same code as the workers' compiles it all, and the result is thrown away.
#ifndef SEEP_LOAD_VALIDATE_H
#define SEEP_LOAD_VALIDATE_H

#include "profile/profile.h"

// -1: SEEP_E_USAGE with the first thing that is missing or cannot be read (a file, with its line).
int load_validate(const struct profile *p, struct seep_err *err);

#endif
