// Executables, mappings, control groups, listeners, the host.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <elf.h>
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "fake_tree.h"
#include "linux/cgroup.h"
#include "linux/exe.h"
#include "linux/host.h"
#include "linux/mem.h"
#include "linux/net.h"

static struct seep_err err;

// --- executables
// -----------------------------------------------------------------------------------------------------------

static void known_programs(void **state)
{
    (void)state;
    struct linux_exe x;
    char text[300], path[LINUX_EXE_PATH_MAX];
    assert_int_equal(linux_exe_find("ls", NULL, NULL, path, &err), 0);
    assert_int_equal(linux_exe_read(path, true, &x, &err), 0);
    assert_int_equal(x.kind, LINUX_EXE_ELF);
    assert_true(x.native && x.dynamic && x.build_id_len == 20 && x.libc == LINUX_LIBC_GLIBC);
    assert_int_equal(linux_exe_attribute(&x, "ls", 0, text, sizeof text), LINUX_ATTRIBUTE_YES);
    assert_string_equal(text, "allocations of ls can be attributed to call stacks.");
    x.setuid = true;
    assert_int_equal(linux_exe_attribute(&x, "ls", 1000, text, sizeof text), LINUX_ATTRIBUTE_SECURE);
    assert_int_equal(linux_exe_attribute(&x, "ls", 0, text, sizeof text), LINUX_ATTRIBUTE_YES);
    x.owner = 1000;
    assert_int_equal(linux_exe_attribute(&x, "ls", 0, text, sizeof text), LINUX_ATTRIBUTE_SECURE);
    assert_int_equal(linux_exe_attribute(&x, "ls", 1000, text, sizeof text), LINUX_ATTRIBUTE_YES);
    x.dynamic = false;
    assert_int_equal(linux_exe_attribute(&x, "ls", 0, text, sizeof text), LINUX_ATTRIBUTE_STATIC);
    x.asan = true;
    assert_int_equal(linux_exe_attribute(&x, "ls", 0, text, sizeof text), LINUX_ATTRIBUTE_SANITIZER);
    x.machine = EM_RISCV;
    x.native = false;
    assert_int_equal(linux_exe_attribute(&x, "ls", 0, text, sizeof text), LINUX_ATTRIBUTE_FOREIGN);
}

// Who only asks by weak symbols whether an allocator is there must be able to find that it is not.
static void allocators_called(void **state)
{
    (void)state;
    static const char linked[] = SEEP_BUILD_DIR "/targets/tally_tcmalloc";
    struct linux_exe x;
    assert_int_equal(linux_exe_read(SEEP_BUILD_DIR "/targets/tally_all", false, &x, &err), 0);
    assert_int_equal(x.kind, LINUX_EXE_ELF);
    assert_false(x.calls_jemalloc || x.calls_tcmalloc || x.calls_mimalloc || x.calls_je);
    assert_int_equal(linux_exe_read(SEEP_BUILD_DIR "/targets/harm_others", false, &x, &err), 0);
    assert_false(x.calls_jemalloc || x.calls_tcmalloc || x.calls_mimalloc || x.calls_je);
    assert_int_equal(linux_exe_read(SEEP_BUILD_DIR "/targets/tally_wrapped", false, &x, &err), 0);
    assert_true(x.defines_malloc && x.calls_libc_malloc);
    if (access(linked, X_OK) != 0)
        return;
    assert_int_equal(linux_exe_read(linked, false, &x, &err), 0);
    assert_true(x.calls_tcmalloc && !x.calls_jemalloc && !x.calls_mimalloc && !x.calls_je);
}

static void write_bytes(struct fake *f, const char *name, const void *data, size_t len, mode_t mode)
{
    int fd = openat(f->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
    assert_true(fd >= 0 && write(fd, data, len) == (ssize_t)len && fchmod(fd, mode) == 0);
    close(fd);
}

static void scripts_and_refusals(void **state)
{
    (void)state;
    struct fake f;
    struct linux_exe x;
    char path[LINUX_EXE_PATH_MAX], text[300];
    fake_open(&f);
    write_bytes(&f, "script", "#! /usr/bin/env  python3 -u\r\nprint()\n", 37, 0700);
    write_bytes(&f, "plain", "hello", 5, 0600);
    assert_int_equal(linux_exe_find("./script", f.dir, NULL, path, &err), 0);
    assert_int_equal(linux_exe_read(path, false, &x, &err), 0);
    assert_int_equal(x.kind, LINUX_EXE_SCRIPT);
    assert_string_equal(x.interpreter, "/usr/bin/env");
    assert_string_equal(x.script_argument, "python3 -u");
    assert_int_equal(linux_exe_attribute(&x, "script", 0, text, sizeof text), LINUX_ATTRIBUTE_UNKNOWN);
    static const struct {
        const char *name, *says;
        int sys_errno;
    } bad[] = {{"./plain", "chmod +x", EACCES}, {"./none", "no such file", ENOENT}, {"./", "directory", EISDIR}};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(linux_exe_find(bad[i].name, f.dir, NULL, path, &err), -1);
        assert_int_equal(err.code, SEEP_E_TARGET);
        assert_int_equal(err.sys_errno, bad[i].sys_errno);
        assert_non_null(strstr(err.text, bad[i].says));
    }
    assert_int_equal(linux_exe_find("script", NULL, f.dir, path, &err), 0); // by PATH
    assert_int_equal(linux_exe_find("no-such-program-here", NULL, "/bin::/usr/bin", path, &err), -1);
    assert_non_null(strstr(err.text, "PATH"));
    assert_int_equal(linux_exe_find("", NULL, NULL, path, &err), -1);
    fake_close(&f);
}

// Cuts and flips a real program in many ways; nothing may fault, hang or grow without bound.
static void damaged_elf_is_harmless(void **state)
{
    (void)state;
    struct fake f;
    struct linux_exe x;
    unsigned seed = 7;
    static char image[400000];
    int fd = open("/bin/true", O_RDONLY | O_CLOEXEC);
    ssize_t len = read(fd, image, sizeof image);
    assert_true(len > 10000);
    close(fd);
    fake_open(&f);
    char path[128];
    snprintf(path, sizeof path, "%s/x", f.dir);
    for (int round = 0; round < 400; round++) {
        static char copy[sizeof image];
        memcpy(copy, image, (size_t)len);
        size_t cut = round % 4 ? (size_t)len : (size_t)rand_r(&seed) % (size_t)len;
        for (int n = 0; n < 1 + round % 8; n++) {
            size_t where = round % 2 ? (size_t)rand_r(&seed) % 1024 : (size_t)rand_r(&seed) % (size_t)len;
            copy[where] = (char)(round % 3 ? rand_r(&seed) : 0xff);
        }
        write_bytes(&f, "x", copy, cut, 0600);
        assert_int_equal(linux_exe_read(path, false, &x, &err), 0);
        assert_true(x.build_id_len <= sizeof x.build_id);
    }
    fake_close(&f);
}

static void checksums(void **state)
{
    (void)state;
    struct fake f;
    uint8_t sum[32];
    char hex[65];
    assert_int_equal(linux_sha256("abc", 3, sum, &err), 0); // FIPS 180-2, example 1
    linux_hex(sum, 32, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    fake_open(&f);
    fake_file(&f, "abc", "abc");
    int fd = openat(f.fd, "abc", O_RDONLY);
    assert_int_equal(linux_sha256_fd(fd, sum, &err), 0);
    linux_hex(sum, 32, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    close(fd);
    fake_close(&f);
}

static void ourselves_as_a_target(void **state)
{
    (void)state;
    struct linux_exe x;
    char path[LINUX_EXE_PATH_MAX], name[16];
    int proc = linux_proc_open(&err);
    assert_int_equal(linux_exe_of(proc, getpid(), false, &x, path, &err), 0);
    assert_non_null(strstr(path, "test_linux_machine"));
    assert_int_equal(linux_allocator_of(proc, getpid(), name, path, &err), 0);
    assert_true(!strcmp(name, "glibc") || !strcmp(name, "asan"));
    assert_int_equal(linux_mapped(proc, getpid(), "libcmocka", &err), 1);
    assert_int_equal(linux_mapped(proc, getpid(), "no-such-library", &err), 0);
    close(proc);
}

// --- memory
// ------------------------------------------------------------------------------------------------------------------

static void *wait_for_lock(void *lock)
{
    pthread_mutex_lock(lock);
    pthread_mutex_unlock(lock);
    return NULL;
}

static void ranges_and_parts(void **state)
{
    (void)state;
    enum { PAGES = 100, TOUCHED = 37 };
    int64_t resident;
    struct linux_map_sum before[LINUX_MAP_PARTS], after[LINUX_MAP_PARTS];
    int proc = linux_proc_open(&err);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *p = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(p != MAP_FAILED && madvise(p, PAGES * page, MADV_NOHUGEPAGE) == 0);
    for (int i = 0; i < TOUCHED; i++)
        p[(size_t)i * 2 * page] = 1;
    assert_int_equal(linux_range_resident(proc, getpid(), (uintptr_t)p, PAGES * page, &resident, &err), 0);
    assert_int_equal(resident, (int64_t)(TOUCHED * page));
    munmap(p, PAGES * page);

    assert_int_equal(linux_maps_split(proc, getpid(), before, &err), 0);
    assert_true(before[LINUX_MAP_STACK].mappings == 1 && before[LINUX_MAP_FILE].rss_bytes > 0);
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_t threads[4];
    pthread_mutex_lock(&lock);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, wait_for_lock, &lock), 0);
    int fd = memfd_create("shared", MFD_CLOEXEC);
    assert_int_equal(ftruncate(fd, 1 << 20), 0);
    char *s = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    memset(s, 1, 1 << 20);
    assert_int_equal(linux_maps_split(proc, getpid(), after, &err), 0);
    assert_int_equal(after[LINUX_MAP_THREAD_STACK].mappings - before[LINUX_MAP_THREAD_STACK].mappings, 4);
    assert_int_equal(after[LINUX_MAP_SHMEM].rss_bytes - before[LINUX_MAP_SHMEM].rss_bytes, 1 << 20);
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    munmap(s, 1 << 20);
    close(fd);
    close(proc);
}

// --- control groups
// ------------------------------------------------------------------------------------------------------------

static void no_cgroups_at_all(void **state)
{
    (void)state;
    struct fake f;
    struct linux_cgroup cg;
    struct linux_cgroup_memory m;
    fake_open(&f);
    assert_int_equal(linux_cgroup_create(f.dir, "", "seep-x", &cg, &err), 0);
    assert_int_equal(cg.kind, LINUX_CGROUP_NONE);
    assert_true(cg.why_not[0] && !cg.ours);
    assert_int_equal(linux_cgroup_memory_read(&cg, &m, &err), -1);
    assert_int_equal(m.current_bytes, SEEP_UNKNOWN);
    assert_int_equal(linux_cgroup_remove(&cg, &err), 0);
    assert_int_equal(linux_cgroup_create(f.dir, "", "../x", &cg, &err), -1);
    fake_close(&f);
}

// A plain directory is no cgroup: what we made must be taken away again and nothing claimed.
static void directories_that_only_look_like_cgroups(void **state)
{
    (void)state;
    struct fake f;
    struct linux_cgroup cg;
    static const char self[] = "9:name=systemd:/\n4:cpu,memory:/job\n3:freezer:/../up\n0::/own\n";
    fake_open(&f);
    fake_file(&f, "memory/job/cgroup.procs", "");
    fake_file(&f, "freezer/cgroup.procs", "");
    assert_int_equal(linux_cgroup_create(f.dir, self, "seep-x", &cg, &err), 0);
    assert_int_equal(cg.kind, LINUX_CGROUP_NONE);
    assert_int_equal(faccessat(f.fd, "memory/job/seep-x", F_OK, 0), -1);
    fake_file(&f, "cgroup.controllers", "memory pids\n");
    fake_file(&f, "own/cgroup.procs", "");
    assert_int_equal(linux_cgroup_create(f.dir, self, "seep-x", &cg, &err), 0);
    assert_int_equal(cg.kind, LINUX_CGROUP_NONE);
    assert_int_equal(faccessat(f.fd, "own/seep-x", F_OK, 0), -1);
    fake_close(&f);
}

static void counters_of_both_versions(void **state)
{
    (void)state;
    struct fake f;
    struct linux_cgroup cg = {.kind = LINUX_CGROUP_V2, .dir_count = 1};
    struct linux_cgroup_memory m;
    fake_open(&f);
    snprintf(cg.dirs[0], sizeof cg.dirs[0], "%s", f.dir);
    snprintf(cg.memory_dir, sizeof cg.memory_dir, "%s", f.dir);
    snprintf(cg.oom_file, sizeof cg.oom_file, "%s/memory.events", f.dir);
    fake_file(&f, "cgroup.procs", "1\n2\n");
    fake_file(&f, "memory.usage_in_bytes", "5000\n");
    fake_file(&f, "memory.limit_in_bytes", "9223372036854771712\n");
    fake_file(&f, "memory.stat", "cache 10\nrss 20\n");
    assert_int_equal(linux_cgroup_memory_read(&cg, &m, &err), 0);
    assert_int_equal(m.current_bytes, 5000);
    assert_int_equal(m.limit_bytes, SEEP_UNKNOWN);
    assert_int_equal(m.anon_bytes, 20);
    assert_int_equal(m.processes, 2);
    assert_int_equal(m.oom_kills, SEEP_UNKNOWN);
    fake_file(&f, "memory.current", "7000\n");
    fake_file(&f, "memory.max", "max\n");
    fake_file(&f, "memory.stat", "anon 30\nfile 40\nkernel 50\n");
    fake_file(&f, "memory.events", "low 0\nhigh 0\nmax 3\noom 2\noom_kill 1\noom_group_kill 0\n");
    assert_int_equal(linux_cgroup_memory_read(&cg, &m, &err), 0);
    assert_int_equal(m.current_bytes, 7000);
    assert_int_equal(m.limit_bytes, SEEP_UNKNOWN);
    assert_int_equal(m.anon_bytes, 30);
    assert_int_equal(m.kernel_bytes, 50);
    assert_int_equal(m.oom_kills, 1);
    assert_int_equal(m.events_max, 3);
    fake_close(&f);
}

// What the keeper does with it.
static void write_knob(const char *dir, const struct linux_cgroup_knob *knob)
{
    char path[LINUX_PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", dir, knob->file);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, knob->value, strlen(knob->value)), strlen(knob->value));
    close(fd);
}

static void a_real_group(void **state)
{
    (void)state;
    struct linux_cgroup_knob knob;
    struct linux_cgroup cg, clash;
    struct linux_cgroup_memory m;
    char name[64];
    snprintf(name, sizeof name, "seep-test-%d", (int)getpid());
    assert_int_equal(linux_cgroup_create(NULL, NULL, name, &cg, &err), 0);
    if (cg.kind == LINUX_CGROUP_NONE) {
        print_message("skipped: %s\n", cg.why_not);
        skip();
    }
    assert_true(cg.dir_count > 0 && cg.ours);
    assert_int_equal(linux_cgroup_create(NULL, NULL, name, &clash, &err), 0); // the name is taken: never shared
    assert_true(clash.kind == LINUX_CGROUP_NONE && !clash.ours);
    assert_non_null(strstr(clash.why_not, name));
    if (cg.memory_dir[0]) {
        assert_int_equal(linux_cgroup_memory_read(&cg, &m, &err), 0);
        assert_int_equal(m.processes, 0);
        assert_int_equal(linux_cgroup_memory_knob(&cg, 64 << 20, &knob, &err), 0);
        write_knob(cg.memory_dir, &knob);
        assert_int_equal(linux_cgroup_memory_read(&cg, &m, &err), 0);
        assert_int_equal(m.limit_bytes, 64 << 20);
    }
    assert_int_equal(linux_cgroup_remove(&cg, &err), 0);
    assert_int_equal(access(cg.dirs[0], F_OK), -1);
}

// --- listeners
// -------------------------------------------------------------------------------------------------------------------

static void ports_and_owners(void **state)
{
    (void)state;
    static struct linux_listener all[4096];
    static struct linux_tree tree;
    size_t beyond;
    char text[160];
    int proc = linux_proc_open(&err), fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    assert_true(bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 1) == 0);
    getsockname(fd, (struct sockaddr *)&at, &len);
    uint16_t port = ntohs(at.sin_port);
    assert_int_equal(linux_port_in_use(proc, getpid(), port, &err), 1);
    int count = linux_listeners(proc, getpid(), all, 4096, &beyond, &err);
    assert_true(count > 0);
    tree.count = 1;
    tree.nodes[0].pid = getpid();
    size_t mine = linux_listeners_of(proc, &tree, all, (size_t)count);
    assert_int_equal(mine, 1);
    assert_int_equal(all[0].port, port);
    char want[64];
    snprintf(want, sizeof want, "127.0.0.1:%u/tcp", port);
    linux_listener_text(&all[0], text, sizeof text);
    assert_string_equal(text, want);
    close(fd);
    assert_int_equal(linux_port_in_use(proc, getpid(), port, &err), 0);
    close(proc);
}

static void socket_files(void **state)
{
    (void)state;
    struct fake f;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    static struct linux_listener all[4096];
    size_t beyond;
    bool found = false;
    int proc = linux_proc_open(&err), fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fake_open(&f);
    snprintf(at.sun_path, sizeof at.sun_path, "%s/sock", f.dir);
    assert_true(bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 1) == 0);
    int count = linux_listeners(proc, getpid(), all, 4096, &beyond, &err);
    for (int i = 0; i < count; i++)
        found |= all[i].kind == LINUX_NET_UNIX && !strcmp(all[i].address, at.sun_path);
    assert_true(found);
    close(fd);
    assert_true(linux_socket_file_left(at.sun_path));
    unlink(at.sun_path);
    assert_false(linux_socket_file_left(at.sun_path));
    fake_close(&f);
    close(proc);
}

static void the_host(void **state)
{
    (void)state;
    struct fake f;
    struct linux_host h;
    fake_open(&f);
    linux_host_read(f.fd, &h);
    assert_string_equal(h.distro, "");
    assert_int_equal(h.memory_bytes, SEEP_UNKNOWN);
    assert_int_equal(h.ptrace_scope, -1);
    fake_file(&f, "etc/os-release", "NAME=x\nPRETTY_NAME=\"Some Linux 1 (x)\"\n");
    fake_file(&f, "proc/meminfo", "MemTotal:  1000 kB\nSwapTotal: 0 kB\n");
    fake_file(&f, "sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
    fake_file(&f, "proc/sys/kernel/random/boot_id", "00112233-4455-6677-8899-aabbccddeeff\n");
    linux_host_read(f.fd, &h);
    assert_string_equal(h.distro, "Some Linux 1 (x)");
    assert_string_equal(h.thp, "madvise");
    assert_int_equal(h.memory_bytes, 1024000);
    assert_string_equal(h.boot_id, "00112233-4455-6677-8899-aabbccddeeff");
    fake_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_programs),
        cmocka_unit_test(allocators_called),
        cmocka_unit_test(scripts_and_refusals),
        cmocka_unit_test(damaged_elf_is_harmless),
        cmocka_unit_test(checksums),
        cmocka_unit_test(ourselves_as_a_target),
        cmocka_unit_test(ranges_and_parts),
        cmocka_unit_test(no_cgroups_at_all),
        cmocka_unit_test(directories_that_only_look_like_cgroups),
        cmocka_unit_test(counters_of_both_versions),
        cmocka_unit_test(a_real_group),
        cmocka_unit_test(ports_and_owners),
        cmocka_unit_test(socket_files),
        cmocka_unit_test(the_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
