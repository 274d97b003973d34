// Collecting the runs of one kind from a results directory, for `seep compare --history`.
#ifndef SEEP_CMD_HISTORY_H
#define SEEP_CMD_HISTORY_H

#include "base/err.h"
#include "report/history.h"

// Adds to h, oldest first, the last runs up to the one that `word` names which have its profile and its program; as
// many as h has room for. Runs that have not ended or cannot be read are passed over. -1 with err.
int cmd_collect_history(const char *results, const char *word, struct history *h, struct seep_err *err);

#endif
