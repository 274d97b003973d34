// Prints what it was started with: directory, user, limits of descriptors and cores, umask, arguments and the variables
// named in them.
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    char cwd[4096];
    struct rlimit files, core;
    getrlimit(RLIMIT_NOFILE, &files);
    getrlimit(RLIMIT_CORE, &core);
    mode_t mask = umask(0);
    printf("cwd %s\nuid %d gid %d groups %d\n", getcwd(cwd, sizeof cwd) ? cwd : "(gone)", (int)getuid(), (int)getgid(),
           getgroups(0, NULL));
    printf("files %llu core %llu umask %03o\n", (unsigned long long)files.rlim_cur, (unsigned long long)core.rlim_cur,
           (unsigned)mask);
    for (int i = 1; i < argc; i++)
        printf("%s=%s\n", argv[i], getenv(argv[i]) ? getenv(argv[i]) : "(none)");
    return 0;
}
