// SHA-256 by libcrypto, which is in the process anyway (libcurl brings it) and uses the processor's instructions.
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <unistd.h>

#include "linux/exe.h"

#define BLOCK (256u << 10)

int linux_sha256(const void *data, size_t len, uint8_t out[32], struct seep_err *err)
{
    if (EVP_Digest(data, len, out, NULL, EVP_sha256(), NULL) != 1)
        return seep_fail(err, SEEP_E_SYSTEM, "libcrypto could not compute a SHA-256");
    return 0;
}

static int digest_file(int fd, EVP_MD_CTX *ctx, char *block, struct seep_err *err)
{
    off_t at = 0;
    for (ssize_t got; (got = pread(fd, block, BLOCK, at)) != 0; at += got) {
        if (got < 0)
            return seep_fail_errno(err, errno, "a file cannot be read for its checksum");
        if (EVP_DigestUpdate(ctx, block, (size_t)got) != 1)
            return seep_fail(err, SEEP_E_SYSTEM, "libcrypto could not compute a SHA-256");
    }
    return 0;
}

int linux_sha256_fd(int fd, uint8_t out[32], struct seep_err *err)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    char *block = malloc(BLOCK);
    int rc = -1;
    if (!ctx || !block || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
        seep_fail(err, SEEP_E_SYSTEM, "libcrypto could not begin a SHA-256");
    else if (digest_file(fd, ctx, block, err) == 0)
        rc = EVP_DigestFinal_ex(ctx, out, NULL) == 1
                 ? 0
                 : seep_fail(err, SEEP_E_SYSTEM, "libcrypto could not end a SHA-256");
    free(block);
    EVP_MD_CTX_free(ctx);
    return rc;
}

struct linux_sha256 {
    EVP_MD_CTX *ctx;
    int failed;
};

struct linux_sha256 *linux_sha256_begin(void)
{
    struct linux_sha256 *s = calloc(1, sizeof *s);
    if (s && (s->ctx = EVP_MD_CTX_new()) != NULL && EVP_DigestInit_ex(s->ctx, EVP_sha256(), NULL) == 1)
        return s;
    if (s)
        EVP_MD_CTX_free(s->ctx);
    free(s);
    return NULL;
}

void linux_sha256_add(struct linux_sha256 *s, const void *data, size_t len)
{
    s->failed |= EVP_DigestUpdate(s->ctx, data, len) != 1;
}

int linux_sha256_end(struct linux_sha256 *s, uint8_t out[32], struct seep_err *err)
{
    int failed = EVP_DigestFinal_ex(s->ctx, out, NULL) != 1 || s->failed;
    EVP_MD_CTX_free(s->ctx);
    free(s);
    return failed ? seep_fail(err, SEEP_E_SYSTEM, "libcrypto could not compute a SHA-256") : 0;
}

void linux_hex(const uint8_t *data, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[data[i] >> 4];
        out[2 * i + 1] = digits[data[i] & 15];
    }
    out[2 * len] = '\0';
}
