// Regions: handed out, sealed, committed ahead of need, bounded, kept after SIGKILL, released on order.
#include "keeper_rig.h"

#include <sys/mman.h>

#include "seep_region.h"

static void prepare(struct rig *r, const char *mode, const char *count)
{
    rig_prepare(r, "probe_hello", mode);
    r->argv[2] = count;
    r->cfg.probe_path = "/nonexistent/libseep-probe.so"; // the loader warns and goes on; the target plays the probe
    r->cfg.main_region_bytes = 64u << 20;
    r->cfg.child_region_bytes = 8u << 20;
}

static struct keeper_stats stats_of(struct rig *r)
{
    struct keeper_stats s;
    rig_ok(r, keeper_status(&r->link, &s, &r->err));
    return s;
}

static void end(struct rig *r)
{
    int left = -1;
    rig_ok(r, keeper_kill_all(&r->link, &left, &r->err));
    assert_int_equal(left, 0);
    rig_close(r);
}

static void region_survives_sigkill(void **state)
{
    (void)state;
    struct rig r;
    prepare(&r, "once", NULL);
    rig_run(&r);
    rig_until_log(&r, "regions 1 refused 0");
    rig_until(&r, &r.has_started);
    kill(r.started.pid, SIGKILL);
    rig_until(&r, &r.has_empty);
    assert_int_equal(r.region_count, 1);
    assert_int_equal(r.regions[0].pid, r.started.pid);
    assert_true(r.regions[0].main);
    assert_int_equal(r.regions[0].size_bytes, 64u << 20);
    assert_int_equal(r.regions[0].starttime_ticks, r.started.starttime_ticks);
    char *base = mmap(NULL, r.regions[0].size_bytes, PROT_READ, MAP_SHARED, r.region_fds[0], 0);
    assert_true(base != MAP_FAILED);
    assert_int_equal(((struct seep_header *)base)->pid, r.started.pid);
    assert_int_equal(base[r.regions[0].size_bytes - 1], 42);
    munmap(base, r.regions[0].size_bytes);
    assert_int_equal(fcntl(r.region_fds[0], F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    assert_true(stats_of(&r).region_bytes >= 64u << 20);

    rig_ok(&r, keeper_list_regions(&r.link, &r.err)); // comes again
    struct keeper_event ev;
    do
        rig_ok(&r, keeper_next_event(&r.link, &ev, &r.err));
    while (ev.kind != KEEPER_EV_REGION && ev.kind != KEEPER_EV_NONE);
    assert_int_equal(ev.kind, KEEPER_EV_REGION);
    close(ev.fd);
    rig_ok(&r, keeper_release_region(&r.link, r.regions[0].id, &r.err));
    assert_true(stats_of(&r).region_bytes < 64u << 20);
    rig_ok(&r, keeper_release_region(&r.link, r.regions[0].id, &r.err)); // nothing comes of it
    assert_int_equal(stats_of(&r).region_bytes, 0);
    rig_close(&r);
}

// The supervisor's loop releases regions at its ticks: a keeper that stands still must not stop it.
static void releasing_waits_for_nobody(void **state)
{
    (void)state;
    struct rig r;
    prepare(&r, "once", NULL);
    rig_run(&r);
    rig_until_log(&r, "regions 1 refused 0");
    rig_until(&r, &r.has_started);
    kill(r.started.pid, SIGKILL);
    rig_until(&r, &r.has_empty);
    assert_int_equal(kill(r.link.keeper_pid, SIGSTOP), 0);
    unsigned taken = 0;
    while (taken < 100000 && keeper_release_region(&r.link, taken ? UINT32_MAX : r.regions[0].id, &r.err) == 0)
        taken++;
    assert_int_equal(kill(r.link.keeper_pid, SIGCONT), 0);
    assert_true(taken > 0 && taken < 100000);
    assert_int_equal(r.err.code, SEEP_E_LIMIT);     // all that fits was sent, and nobody waited for the rest
    assert_int_equal(stats_of(&r).region_bytes, 0); // what fitted was done once it went on
    rig_close(&r);
}

static void children_get_their_own_up_to_the_ceiling(void **state)
{
    (void)state;
    struct rig r;
    prepare(&r, "children", "100");
    r.cfg.regions_total_bytes = 4ull << 30;
    rig_run(&r);
    rig_until_log(&r, "regions 64 refused 37");
    struct keeper_stats s = stats_of(&r);
    assert_int_equal(s.regions_refused, 37);
    assert_int_equal(s.regions_dropped, 0); // all of them live
    assert_true(s.warnings & KEEPER_WARN_REGION_REFUSED);
    end(&r);
}

static void budget_of_all_regions_holds(void **state)
{
    (void)state;
    struct rig r;
    prepare(&r, "children", "20");
    r.cfg.regions_total_bytes = 40u << 20;
    rig_run(&r);
    rig_until_log(&r, "regions ");
    struct keeper_stats s = stats_of(&r);
    assert_true(s.regions_refused > 0 && s.regions_refused < 21);
    assert_true(s.region_bytes <= 40u << 20);
    end(&r);
}

// A region that began in exact mode by mistake would stay slow for ever: what is born then has to be looked for at each
// free.
static void every_region_samples_from_its_first_moment(void **state)
{
    (void)state;
    struct rig r;
    struct seep_layout l;
    prepare(&r, "children", "2");
    r.cfg.sample_mean_bytes = 512u << 10;
    rig_run(&r);
    rig_until_log(&r, "regions 3 refused 0");
    int left = -1;
    rig_ok(&r, keeper_kill_all(&r.link, &left, &r.err));
    rig_until(&r, &r.has_empty);
    assert_int_equal(r.region_count, 3);
    for (size_t i = 0; i < r.region_count; i++) {
        struct seep_control c;
        assert_int_equal(seep_layout_compute(r.regions[i].size_bytes, &l), 0);
        assert_int_equal(pread(r.region_fds[i], &c, sizeof c, (off_t)l.control_offset), sizeof c);
        assert_int_equal(SEEP_WORD_MEAN(c.word), 512u << 10);
        for (unsigned epoch = 0; epoch < SEEP_EPOCHS; epoch++)
            assert_int_equal(c.mean_of_epoch[epoch], 512u << 10);
    }
    rig_close(&r);
}

static uint64_t first_mapping(pid_t pid)
{
    char path[32];
    unsigned long long at = 0;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%llx", &at), 1);
    fclose(f);
    return at;
}

// A supervisor that came later is no ancestor of the target, and may not open its memory where Yama says so. The keeper
// may, and hands it on, to be read only; not to the first one, which needs none.
static void successors_get_the_memory_to_read(void **state)
{
    (void)state;
    struct rig r;
    char head[4];
    prepare(&r, "once", NULL);
    rig_run(&r);
    rig_until_log(&r, "regions 1 refused 0");
    rig_until(&r, &r.has_started);
    assert_int_equal(r.memory_fd, -1);
    bool child = r.link.keeper_is_child;
    keeper_close(&r.link);
    for (int64_t deadline = rig_now_ms() + RIG_LIMIT_MS; keeper_attach(r.dir_fd, true, &r.link, &r.err) != 0;)
        assert_true(rig_now_ms() < deadline); // the keeper may not have seen the close yet
    r.link.keeper_is_child = child;
    rig_ok(&r, keeper_list_regions(&r.link, &r.err)); // all are queued now
    r.has_started = false;
    rig_until(&r, &r.has_started);
    for (struct keeper_event ev = {.kind = KEEPER_EV_STARTED}; ev.kind != KEEPER_EV_NONE; rig_take(&r, &ev))
        rig_ok(&r, keeper_next_event(&r.link, &ev, &r.err));
    assert_true(r.memory_fd >= 0);
    assert_int_equal(pread(r.memory_fd, head, sizeof head, (off_t)first_mapping(r.started.pid)), sizeof head);
    assert_memory_equal(head, "\177ELF", sizeof head);
    assert_int_equal(fcntl(r.memory_fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    close(r.memory_fd);
    end(&r);
}

static void wrong_version_gets_none(void **state)
{
    (void)state;
    struct rig r;
    prepare(&r, "stranger", NULL);
    rig_run(&r);
    rig_until_log(&r, "regions 0 refused 1");
    struct keeper_stats s = stats_of(&r);
    assert_int_equal(s.hellos_rejected, 1);
    assert_true(s.warnings & KEEPER_WARN_PROBE_REJECTED);
    end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(region_survives_sigkill),
        cmocka_unit_test(releasing_waits_for_nobody),
        cmocka_unit_test(children_get_their_own_up_to_the_ceiling),
        cmocka_unit_test(budget_of_all_regions_holds),
        cmocka_unit_test(every_region_samples_from_its_first_moment),
        cmocka_unit_test(successors_get_the_memory_to_read),
        cmocka_unit_test(wrong_version_gets_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
