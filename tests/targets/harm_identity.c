// Becomes somebody else step by step: not dumpable, no new privileges, a Landlock domain without any right to files,
// another user, another root directory; allocates and forks after each step, and runs a program last.
// usage: harm_identity STEP... with dumpable, nnp, landlock, nobody, chroot DIRECTORY, exec CMD ARG...
#include <errno.h>
#include <grp.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int landlock(void)
{
    struct landlock_ruleset_attr none = {.handled_access_fs =
                                             LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE};
    int fd = (int)syscall(SYS_landlock_create_ruleset, &none, sizeof none, 0);
    if (fd < 0 && (errno == ENOSYS || errno == EOPNOTSUPP))
        return 0; // a kernel without it: nothing to show
    int ret = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? (int)syscall(SYS_landlock_restrict_self, fd, 0) : -1;
    close(fd);
    return ret;
}

static int nobody(void)
{
    return geteuid() != 0 ? 0 : setgroups(0, NULL) == 0 && setgid(65534) == 0 ? setuid(65534) : -1;
}

static void use_the_heap(const char *after)
{
    fflush(stdout);
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        char *volatile p = strdup(after);
        free(p);
        _exit(p ? 7 : 8);
    }
    waitpid(pid, &status, 0);
    void *volatile p = realloc(malloc(1000), 200000);
    free(p);
    printf("after %s: child %d errno %d\n", after, WIFEXITED(status) ? WEXITSTATUS(status) : -1, errno);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    use_the_heap("start");
    for (int i = 1; i < argc; i++) {
        const char *step = argv[i];
        int ret = -1;
        errno = 0;
        if (!strcmp(step, "dumpable"))
            ret = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        else if (!strcmp(step, "nnp"))
            ret = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        else if (!strcmp(step, "landlock"))
            ret = landlock();
        else if (!strcmp(step, "nobody"))
            ret = nobody();
        else if (!strcmp(step, "chroot") && i + 1 < argc)
            ret = chroot(argv[++i]) == 0 ? chdir("/") : -1;
        else if (!strcmp(step, "exec") && i + 1 < argc)
            execvp(argv[i + 1], argv + i + 1);
        printf("%s: %d errno %d\n", step, ret, errno);
        errno = 0;
        use_the_heap(step);
    }
    return 0;
}
