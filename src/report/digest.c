// The checksum of a run's contents: see digest.h. It proves that nobody edited the database in passing; who edits it
// and computes the checksum anew is found by a seal that was made before, and kept elsewhere or signed.
#include "report/digest.h"
#include "linux/exe.h"
#include "report/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECIPE "1:"

// What may be added to a run that has ended.
static const char *const marks[] = {M_DIGEST, M_SEALED, M_BASELINE, M_CONFIRM, NULL};

static void add(void *ctx, const void *data, size_t len)
{
    linux_sha256_add(ctx, data, len);
}

int report_digest(struct store *st, char out[REPORT_DIGEST_SIZE], struct seep_err *err)
{
    uint8_t sum[32];
    char hex[65];
    struct linux_sha256 *s = linux_sha256_begin();
    out[0] = '\0';
    if (s == NULL)
        return seep_fail(err, SEEP_E_SYSTEM, "libcrypto could not begin a SHA-256");
    int failed = store_each_byte(st, marks, add, s, err);
    if (linux_sha256_end(s, sum, failed ? NULL : err) != 0 || failed)
        return -1;
    linux_hex(sum, sizeof sum, hex);
    snprintf(out, REPORT_DIGEST_SIZE, "%s%s", RECIPE, hex);
    return 0;
}

enum report_intact report_check_digest(struct store *st, char now[REPORT_DIGEST_SIZE])
{
    char *kept = NULL, own[REPORT_DIGEST_SIZE];
    char *text = now != NULL ? now : own;
    text[0] = '\0';
    if (store_get_meta(st, M_DIGEST, &kept, NULL) != 0 || report_digest(st, text, NULL) != 0) {
        free(kept);
        return REPORT_UNREADABLE;
    }
    enum report_intact answer = kept == NULL || strncmp(kept, RECIPE, strlen(RECIPE)) != 0 ? REPORT_NO_DIGEST
                                : strcmp(kept, text) == 0                                  ? REPORT_INTACT
                                                                                           : REPORT_EDITED;
    free(kept);
    return answer;
}
