// Seals: a sealed sign-off holds the SHA-256 of itself, and is held against what it was made of at any later time.
//
// The seal proves that a document and the evidence it names still belong together. It does not prove who made it: who
// changes a document can seal it again. Only a signature (ssh-keygen -Y, namespace "seep") does that.
#ifndef SEEP_PROOF_SEAL_H
#define SEEP_PROOF_SEAL_H

#include "base/buf.h"
#include "base/err.h"
#include <jansson.h>
#include <stdbool.h>

// The SHA-256, in hexadecimal, of the document without its member "seal" in canonical form: members sorted, no blanks,
// UTF-8 as it is. In Python: json.dumps(d, sort_keys=True, separators=(",", ":"), ensure_ascii=False). -1 with err when
// doc is no object or memory ran out.
int seal_of(json_t *doc, char hash[65], struct seep_err *err);

enum seal_answer {
    SEAL_RIGHT,
    SEAL_DIFFERS, // something is not as it was
    SEAL_OPEN,    // something cannot be compared any more
};

struct seal_options {
    const char *results_dir; // where the runs are now; NULL: where the document says
    const char *signers;     // an allowed_signers file; NULL: whose a signature is is not asked
    const char *signer;      // the identity that must have signed
};

// Holds the sealed document `path` against its seal, its checklist, its targets, its runs, and FILE.sig where there is
// one. What was found is written to `out`, a line each. -1 with SEEP_E_USAGE when the file is no sign-off at all.
int seal_verify(const char *path, const struct seal_options *options, enum seal_answer *answer, struct seep_buf *out,
                struct seep_err *err);

// Signs the file with ssh-keygen -Y: makes PATH.sig. key: a private key's file, or a public one whose private half an
// agent holds.
int seal_sign(const char *path, const char *key, struct seep_err *err);

#endif
