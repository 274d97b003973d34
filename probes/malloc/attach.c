// How a process gets its region, and how the probe stays off.
//
// At the first hooked call (or in the constructor) the probe asks the keeper over an abstract socket named in the
// environment; the answer carries a sealed memfd, which is mapped and closed: no descriptor is held, so a program may
// close them all. A forked child finds its control page wiped, which reads FRESH, and asks anew. Everything is bounded,
// and a process whose siblings already waited in vain does not even try.
#include "malloc/probe.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define ATTACH_LIMIT_NS  500000000ull  // of a forked child, which may be one of thousands
#define IMAGE_LIMIT_NS   1000000000ull // of a program that starts: on a busy machine all its attribution hangs on this
#define RLIMIT_AS_NUMBER 9

extern char **environ;

struct probe_page *probe_page;
struct probe_region probe_region;
__thread struct probe_tls probe_tls;
uint32_t probe_flags;

static char socket_hex[SEEP_SOCKET_HEX_MAX + 1];
static uint32_t filters_of_seep; // seccomp filters that seep itself lives under
static uint32_t waited_in_vain;  // nobody answered this program: its forked children do not ask again
static uint32_t init_state;      // 0 not looked yet, 1 being looked, 2 known

static const char *find_setting(void)
{
    for (char **e = environ; e && *e; e++)
        if (!strncmp(*e, SEEP_ENV_PROBE "=", sizeof SEEP_ENV_PROBE))
            return *e + sizeof SEEP_ENV_PROBE;
    return NULL;
}

static const char *parse_number(const char *s, uint32_t *out)
{
    for (*out = 0; *s >= '0' && *s <= '9'; s++)
        *out = *out * 10 + (uint32_t)(*s - '0');
    return s;
}

// <hex>:<flags>[:<filters>], numbers decimal. -1 for anything else.
static int parse_setting(const char *s)
{
    size_t n = 0;
    for (; (s[n] >= '0' && s[n] <= '9') || (s[n] >= 'a' && s[n] <= 'f'); n++) {
        if (n == SEEP_SOCKET_HEX_MAX)
            return -1;
        socket_hex[n] = s[n];
    }
    socket_hex[n] = 0;
    if (n == 0 || s[n] != ':')
        return -1;
    s = parse_number(s + n + 1, &probe_flags);
    if (*s == ':')
        s = parse_number(s + 1, &filters_of_seep);
    return *s ? -1 : 0;
}

// The control page: private, wiped on fork. Without MADV_WIPEONFORK (Linux 4.14) there is no safe way; stay off.
static struct probe_page *make_page(void)
{
    long p = sys6(SYS_mmap, 0, 4096, 3, 0x22, -1, 0);
    if (sys_failed(p))
        return NULL;
    if (sys_failed(sys3(SYS_madvise, p, 4096, 18))) {
        sys3(SYS_munmap, p, 4096, 0);
        return NULL;
    }
    return (struct probe_page *)p;
}

static void init_process(void)
{
    uint32_t none = 0;
    if (!environ || !__atomic_compare_exchange_n(&init_state, &none, 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        return;
    const char *setting = find_setting();
    if (setting && parse_setting(setting) == 0) {
        probe_modules_init();
        probe_known_init();
        probe_allocator_init();
        probe_inherit_init();
        store_release(&probe_page, make_page());
    }
    store_release(&init_state, 2);
}

static int wait_for(int fd, short events, uint64_t until_ns)
{
    struct {
        int fd;
        short events, revents;
    } p = {fd, events, 0};
    for (;;) {
        uint64_t now = sys_now_ns();
        if (now >= until_ns)
            return -1;
        struct sys_timespec left = {0, (long)(until_ns - now)};
        long n = sys6(SYS_ppoll, (long)&p, 1, (long)&left, 0, 0, 0);
        if (n == 1)
            return 0;
        if (n != -4) // EINTR
            return -1;
    }
}

static int connect_keeper(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    size_t n = strlen(socket_hex), head = sizeof SEEP_SOCKET_PREFIX - 1;
    memcpy(a.sun_path + 1, SEEP_SOCKET_PREFIX, head);
    memcpy(a.sun_path + 1 + head, socket_hex, n);
    long fd = sys3(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (sys_failed(fd))
        return -1;
    long len = (long)(offsetof(struct sockaddr_un, sun_path) + 1 + head + n);
    if (sys_failed(sys3(SYS_connect, fd, (long)&a, len))) {
        sys3(SYS_close, fd, 0, 0);
        return -1;
    }
    return (int)fd;
}

static uint64_t address_space_limit(void)
{
    uint64_t limit[2] = {UINT64_MAX, UINT64_MAX};
    sys6(SYS_prlimit64, 0, RLIMIT_AS_NUMBER, 0, (long)limit, 0, 0);
    return limit[0];
}

static int send_hello(int fd, unsigned reason)
{
    struct seep_hello h = {.magic = SEEP_WIRE_MAGIC, .version = SEEP_WIRE_VERSION, .reason = reason};
    h.pid = (uint32_t)sys3(SYS_getpid, 0, 0, 0);
    h.parent_pid = (uint32_t)sys3(SYS_getppid, 0, 0, 0);
    h.as_limit_bytes = address_space_limit();
    return sys6(SYS_sendto, fd, (long)&h, sizeof h, MSG_NOSIGNAL | MSG_DONTWAIT, 0, 0) == sizeof h ? 0 : -1;
}

// The descriptor in the reply, -1 for none. Surplus descriptors cannot come: the buffer holds one.
static int receive_reply(int fd, struct seep_hello_reply *reply)
{
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = {reply, sizeof *reply};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    memset(&control, 0, sizeof control);
    long n = sys3(SYS_recvmsg, fd, (long)&m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    int got = -1;
    if (m.msg_controllen >= sizeof(struct cmsghdr) && control.head.cmsg_level == SOL_SOCKET &&
        control.head.cmsg_type == SCM_RIGHTS && control.head.cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(&got, CMSG_DATA(&control.head), sizeof got);
    if (n == sizeof *reply && reply->magic == SEEP_WIRE_MAGIC && reply->version == SEEP_WIRE_VERSION &&
        reply->answer == SEEP_ANSWER_REGION)
        return got;
    if (got >= 0)
        sys3(SYS_close, got, 0, 0);
    return -1;
}

// From marks to pool pointers and offsets stand in the same order on both sides.
#define SECTIONS ((offsetof(struct probe_region, pool) - offsetof(struct probe_region, marks)) / 8 + 1)
_Static_assert(offsetof(struct seep_layout, pool_offset) - offsetof(struct seep_layout, marks_offset) ==
                       (SECTIONS - 1) * 8 &&
                   offsetof(struct seep_layout, live_dir_offset) - offsetof(struct seep_layout, marks_offset) ==
                       offsetof(struct probe_region, live_dir) - offsetof(struct probe_region, marks),
               "a pointer for each section");

static void set_pointers(struct probe_region *r, uint8_t *base)
{
    const uint64_t *offset = &r->layout.marks_offset;
    char *to = (char *)&r->marks;
    r->header = (struct seep_header *)base;
    r->control = (struct seep_control *)(base + r->layout.control_offset);
    r->threads = (struct seep_thread_slot *)(base + r->layout.threads_offset);
    for (unsigned i = 0; i < SECTIONS; i++) {
        uint8_t *section = base + offset[i];
        memcpy(to + i * sizeof section, &section, sizeof section);
    }
}

// Maps the memfd (or as much of it as a tight address space allows) and leaves the hello in the header.
static int map_region(int fd, const struct seep_hello_reply *reply, unsigned reason)
{
    struct probe_region r = {.serial = probe_region.serial + 1};
    if (seep_layout_compute(reply->region_bytes, &r.layout) < 0)
        return -1;
    uint64_t limit = address_space_limit(), bytes = reply->region_bytes;
    if (limit != UINT64_MAX && bytes > limit / 8)
        bytes = limit / 8 / SEEP_CHUNK_BYTES * SEEP_CHUNK_BYTES;
    if (bytes < r.layout.pool_offset + 16ull * SEEP_CHUNK_BYTES)
        return -1;
    long p = sys6(SYS_mmap, 0, (long)bytes, 3, 1, fd, 0);
    if (sys_failed(p))
        return -1;
    set_pointers(&r, (uint8_t *)p);
    r.mapped_bytes = bytes;
    r.pid = (uint32_t)sys3(SYS_getpid, 0, 0, 0);
    struct seep_header *h = r.header;
    if (h->magic != SEEP_WIRE_MAGIC || h->version != SEEP_WIRE_VERSION ||
        h->layout_check != seep_layout_check(&r.layout) || probe_stacks_init(&r) < 0) {
        sys3(SYS_munmap, p, (long)bytes, 0);
        return -1;
    }
    h->pid = r.pid;
    h->forked = reason == SEEP_HELLO_FORKED;
    h->attach_time_ns = sys_now_ns();
    h->map_address = (uint64_t)p;
    h->map_bytes = bytes;
    h->flags |= probe_seccomp ? SEEP_HDR_SECCOMP : 0;
    h->flags |= probe_flags & PROBE_FLAG_NO_FIND_OBJECT ? SEEP_HDR_NO_FIND_OBJECT : 0;
    h->flags |= probe_real.new_start && probe_real.new_start == probe_real.allocator_start ? SEEP_HDR_NEW_HOOKED : 0;
    sys3(SYS_readlink, (long)"/proc/self/exe", (long)h->exe_path, sizeof h->exe_path - 1);
    struct probe_region old = probe_region;
    if (h->forked)
        probe_inherit(&r, &old);
    r.free_filter = h->flags & SEEP_HDR_EXACT_SEEN ? NULL : r.filter;
    store_release(&h->state, SEEP_PROBE_ON);
    probe_region = r;
    if (h->forked && !probe_tls.busy) // busy: a handler forked, and what it interrupted may still look there
        sys3(SYS_munmap, (long)old.header, (long)old.mapped_bytes, 0);
    struct probe_object self; // copied stacks begin in our own frames: whoever unwinds them needs to know this object
    if (probe_object_find((uintptr_t)&map_region, &self) == 0)
        probe_module_index(&probe_region, &self);
    return 0;
}

// 0 with the region in place; -1: off for good in this process.
static int attach_now(unsigned reason)
{
    struct seep_header *parent = probe_region.header;
    if (probe_seccomp || waited_in_vain || (parent && load_relaxed(&parent->child_timeouts) >= 3))
        return -1;
    if (reason == SEEP_HELLO_IMAGE && (probe_is_locked_in(filters_of_seep) || probe_is_sanitized()))
        return -1;
    uint64_t until = sys_now_ns() + (reason == SEEP_HELLO_IMAGE ? IMAGE_LIMIT_NS : ATTACH_LIMIT_NS);
    struct seep_hello_reply reply;
    int fd = connect_keeper(), region = -1, ret = -1;
    if (fd < 0)
        return -1;
    if (send_hello(fd, reason) == 0) {
        if (wait_for(fd, 1, until) == 0)
            region = receive_reply(fd, &reply);
        else if (parent)
            add_relaxed(&parent->child_timeouts, 1);
        else
            waited_in_vain = 1;
    }
    sys3(SYS_close, fd, 0, 0);
    if (region >= 0) {
        ret = map_region(region, &reply, reason);
        sys3(SYS_close, region, 0, 0);
    }
    return ret;
}

struct probe_region *probe_attach(void)
{
    if (unlikely(load_acquire(&init_state) == 0)) {
        if (!load_acquire(&probe_real.free))
            return NULL;
        init_process();
    }
    struct probe_page *page = load_acquire(&probe_page);
    uint32_t fresh = PROBE_FRESH;
    if (!page || load_relaxed(&page->phase) != PROBE_FRESH ||
        !__atomic_compare_exchange_n(&page->phase, &fresh, PROBE_ATTACHING, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        return NULL;
    unsigned reason = probe_region.header ? SEEP_HELLO_FORKED : SEEP_HELLO_IMAGE;
    int ok = attach_now(reason) == 0;
    if (ok) {
        probe_tls.busy = 0; // what the parent was at when it forked is no business of ours
        probe_tls.word = 0; // and its slot lies in another region
    }
    probe_inherit_done();
    store_release(&page->phase, ok ? PROBE_ON : PROBE_OFF);
    return ok ? &probe_region : NULL;
}

void probe_turn_off(uint32_t reason)
{
    struct probe_page *page = probe_page;
    store_relaxed(&probe_region.header->off_reason, reason);
    store_release(&probe_region.header->state, SEEP_PROBE_OFF);
    store_release(&page->phase, PROBE_OFF);
}

// st_nlink of a process's task directory: its threads and two. With one thread, and that one here, nobody can be within
// the probe.
static int is_alone(void)
{
    struct stat st = {.st_nlink = 0};
    return !probe_tls.busy && !probe_no_syscalls &&
           !sys_failed(sys6(SYS_newfstatat, AT_FDCWD, (long)"/proc/self/task", (long)&st, 0, 0, 0)) && st.st_nlink == 3;
}

int probe_leave_alone(uint32_t reason)
{
    if (!is_alone())
        return -1;
    struct seep_header *h = probe_region.header;
    probe_turn_off(reason);
    probe_region.header = NULL;
    waited_in_vain = 1; // its children stay off as well
    sys3(SYS_munmap, (long)h, (long)probe_region.mapped_bytes, 0);
    return 0;
}

__attribute__((constructor)) static void start(void)
{
    probe_need_real();
    probe_get();
}
