// Who listens where: see net.h.
#include "linux/net.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "linux/text.h"

#define TCP_LISTEN   10
#define UDP_BOUND    7
#define SO_ACCEPTCON 0x10000u // flag of a listening unix socket in /proc/net/unix

static FILE *open_net(int proc_fd, pid_t pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "%d/net/%s", (int)pid, name);
    int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
    FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (fd >= 0 && !f)
        close(fd);
    return f;
}

// The kernel prints an address as 32-bit words in the machine's own order.
static bool parse_address(const char *hex, bool ipv6, char *out, size_t size)
{
    uint32_t words[4] = {0};
    for (int w = 0; w < (ipv6 ? 4 : 1); w++) {
        char part[9] = "";
        memcpy(part, hex + 8 * w, 8);
        words[w] = (uint32_t)strtoul(part, NULL, 16);
    }
    return inet_ntop(ipv6 ? AF_INET6 : AF_INET, words, out, (socklen_t)size) != NULL;
}

// "  sl  local_address rem_address   st tx:rx tr:when retrnsmt uid timeout inode ..."
static bool parse_inet(const char *line, bool ipv6, unsigned wanted_state, struct linux_listener *l)
{
    char address[64];
    unsigned port, state;
    unsigned long long inode;
    if (sscanf(line, " %*d: %63[0-9A-Fa-f]:%4x %*[0-9A-Fa-f]:%*x %2x %*x:%*x %*x:%*x %*x %*u %*u %llu", address, &port,
               &state, &inode) != 4)
        return false;
    if (state != wanted_state || strlen(address) != (ipv6 ? 32 : 8))
        return false;
    l->ipv6 = ipv6;
    l->port = (uint16_t)port;
    l->inode = inode;
    return parse_address(address, ipv6, l->address, sizeof l->address);
}

// "Num RefCount Protocol Flags Type St Inode Path"
static bool parse_unix(const char *line, struct linux_listener *l)
{
    unsigned flags;
    unsigned long long inode;
    int at = 0;
    if (sscanf(line, "%*[^:]: %*x %*x %x %*x %*x %llu %n", &flags, &inode, &at) != 2 || !(flags & SO_ACCEPTCON))
        return false;
    l->inode = inode;
    text_line(l->address, sizeof l->address, at ? line + at : "");
    return true;
}

struct sink {
    struct linux_listener *out;
    size_t max, count, beyond;
};

static int read_table(int proc_fd, pid_t pid, const char *name, enum linux_net_kind kind, bool ipv6, struct sink *sink)
{
    FILE *f = open_net(proc_fd, pid, name);
    if (!f)
        return -1;
    char line[512];
    while (fgets(line, sizeof line, f)) {
        struct linux_listener l = {.kind = kind};
        bool hit = kind == LINUX_NET_UNIX ? parse_unix(line, &l)
                                          : parse_inet(line, ipv6, kind == LINUX_NET_TCP ? TCP_LISTEN : UDP_BOUND, &l);
        if (!hit)
            continue;
        if (sink->count < sink->max)
            sink->out[sink->count++] = l;
        else
            sink->beyond++;
    }
    fclose(f);
    return 0;
}

int linux_listeners(int proc_fd, pid_t pid, struct linux_listener *out, size_t max, size_t *beyond,
                    struct seep_err *err)
{
    struct sink sink = {.out = out, .max = max};
    if (read_table(proc_fd, pid, "tcp", LINUX_NET_TCP, false, &sink) < 0)
        return text_fail(err, errno, pid, "net/tcp");
    read_table(proc_fd, pid, "tcp6", LINUX_NET_TCP, true, &sink); // absent without IPv6
    read_table(proc_fd, pid, "udp", LINUX_NET_UDP, false, &sink);
    read_table(proc_fd, pid, "udp6", LINUX_NET_UDP, true, &sink);
    read_table(proc_fd, pid, "unix", LINUX_NET_UNIX, false, &sink);
    *beyond = sink.beyond;
    return (int)sink.count;
}

int linux_port_in_use(int proc_fd, pid_t pid, uint16_t port, struct seep_err *err)
{
    struct linux_listener found[1024];
    struct sink sink = {.out = found, .max = 1024};
    if (read_table(proc_fd, pid, "tcp", LINUX_NET_TCP, false, &sink) < 0)
        return text_fail(err, errno, pid, "net/tcp");
    read_table(proc_fd, pid, "tcp6", LINUX_NET_TCP, true, &sink);
    for (size_t i = 0; i < sink.count; i++)
        if (found[i].port == port)
            return 1;
    return 0;
}

// --- owners
// ----------------------------------------------------------------------------------------------------------------

// fn returns true to stop.

static bool each_socket(int proc_fd, pid_t pid, bool (*fn)(uint64_t inode, void *arg), void *arg)
{
    char path[64], target[64];
    snprintf(path, sizeof path, "%d/fd", (int)pid);
    int fd = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    bool stop = false;
    for (struct dirent *e; !stop && (e = readdir(dir));) {
        unsigned long long inode;
        ssize_t len = readlinkat(dirfd(dir), e->d_name, target, sizeof target - 1);
        if (len <= 0)
            continue;
        target[len] = '\0';
        if (sscanf(target, "socket:[%llu]", &inode) == 1)
            stop = fn(inode, arg);
    }
    closedir(dir);
    return stop;
}

struct partition {
    struct linux_listener *all;
    size_t count, owned; // the owned ones stand in front
};

static bool mark_owned(uint64_t inode, void *arg)
{
    struct partition *p = arg;
    for (size_t i = p->owned; i < p->count; i++)
        if (p->all[i].inode == inode) {
            struct linux_listener swap = p->all[p->owned];
            p->all[p->owned++] = p->all[i];
            p->all[i] = swap;
            break;
        }
    return p->owned == p->count;
}

size_t linux_listeners_of(int proc_fd, const struct linux_tree *tree, struct linux_listener *out, size_t count)
{
    struct partition p = {.all = out, .count = count};
    for (size_t i = 0; i < tree->count && p.owned < p.count; i++)
        each_socket(proc_fd, tree->nodes[i].pid, mark_owned, &p);
    return p.owned;
}

bool linux_socket_file_left(const char *path)
{
    struct stat st;
    return path[0] == '/' && lstat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

void linux_listener_text(const struct linux_listener *l, char *text, size_t size)
{
    if (l->kind == LINUX_NET_UNIX)
        snprintf(text, size, "unix:%s", l->address);
    else
        snprintf(text, size, l->ipv6 ? "[%s]:%u/%s" : "%s:%u/%s", l->address, l->port,
                 l->kind == LINUX_NET_TCP ? "tcp" : "udp");
}
