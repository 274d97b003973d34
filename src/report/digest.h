// The checksum of a run's contents, kept with the run when it ends: whether its database was edited since.
#ifndef SEEP_REPORT_DIGEST_H
#define SEEP_REPORT_DIGEST_H

#include "store/store.h"

enum { REPORT_DIGEST_SIZE = 80 };

// Computes "1:" and the SHA-256, in hexadecimal, of all that the run's files hold (store_each_byte) but for the marks
// that may be put on a run afterwards. -1 with err when it cannot be read.
int report_digest(struct store *st, char out[REPORT_DIGEST_SIZE], struct seep_err *err);

// What became of the contents since the digest was kept.
enum report_intact {
    REPORT_INTACT,     // they are as they were at the end of the run
    REPORT_EDITED,     // they are not
    REPORT_NO_DIGEST,  // none was kept
    REPORT_UNREADABLE, // they cannot be read any more
};
// now (may be NULL) gets the present digest, "" when it cannot be computed.
enum report_intact report_check_digest(struct store *st, char now[REPORT_DIGEST_SIZE]);

#endif
