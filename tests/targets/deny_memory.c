// flags: -shared -fPIC
// libs: -ldl
// Preloaded into a supervisor: refuses /proc/PID/mem, as Yama does to who is no ancestor of that process.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>

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
