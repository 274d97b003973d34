// flags: -shared -fPIC
// libs: -ldl
// Preloaded into a supervisor: refuses /proc/PID/mem and process_vm_readv(), as Yama does to who is no ancestor of that
// process.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/types.h>

struct iovec;
ssize_t process_vm_readv(pid_t pid, const struct iovec *local, unsigned long n, const struct iovec *remote,
                         unsigned long m, unsigned long flags);
ssize_t process_vm_readv(pid_t pid, const struct iovec *local, unsigned long n, const struct iovec *remote,
                         unsigned long m, unsigned long flags)
{
    (void)pid, (void)local, (void)n, (void)remote, (void)m, (void)flags;
    errno = EPERM;
    return -1;
}

int openat(int dir, const char *path, int flags, ...)
{
    static int (*real)(int, const char *, int, ...);
    const char *name = strrchr(path, '/');
    va_list args;
    va_start(args, flags);
    int mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(args, int) : 0;
    va_end(args);
    if (name && !strcmp(name, "/mem")) {
        errno = EACCES;
        return -1;
    }
    if (!real) {
        void *symbol = dlsym(RTLD_NEXT, "openat");
        memcpy(&real, &symbol, sizeof real);
    }
    return real(dir, path, flags, mode);
}
