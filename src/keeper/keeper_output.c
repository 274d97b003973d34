// What the target prints: real pipes, a log with a bounded head, a ring for the tail, a copy to the caller if wanted.
//
// The first log_head_bytes go to target.log, what follows to the ring in target.tail, which is merged into target.log
// when the last writer is gone. Nothing here may block the target: the pipe is always drained, and what cannot be
// written (full disk, slow terminal) is dropped and counted. Bytes are kept raw; only a terminal gets them escaped.
#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIPE_BYTES (1 << 20)
#define LIVES_KEPT 4 // tails of so many lives of a target that is started again
#define TAIL_START ((off_t)sizeof(struct keeper_tail_header))

static char chunk[262144];
static int log_fd = -1, tail_fd = -1;
static uint64_t head_bytes, unmarked_loss_bytes;
static struct keeper_tail_header tail;

// Our own description of the caller's descriptor, so that O_NONBLOCK does not change his. A regular file never blocks,
// and must be shared instead: with a position of our own we and the caller would write over each other.
static void open_tee(struct keeper_stream *s, int caller_fd)
{
    char path[32];
    struct stat st;
    if (fstat(caller_fd, &st) < 0)
        return;
    s->tee_is_socket = S_ISSOCK(st.st_mode);
    s->tee_is_tty = isatty(caller_fd);
    snprintf(path, sizeof path, "/proc/self/fd/%d", caller_fd);
    s->tee_fd = s->tee_is_socket || S_ISREG(st.st_mode)
                    ? fcntl(caller_fd, F_DUPFD_CLOEXEC, 10)
                    : open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

// Each life of the target leaves its tail in the log. When those add up, all but the head is given up.
static void cut_log(const struct keeper *k)
{
    static const char note[] = "\n[seep: the output of earlier lives is not kept]\n";
    struct stat st;
    uint64_t keep = k->cfg->log_head_bytes;
    if (fstat(log_fd, &st) < 0 || (uint64_t)st.st_size <= keep + LIVES_KEPT * k->cfg->log_tail_bytes)
        return;
    if (ftruncate(log_fd, (off_t)keep) == 0)
        (void)!write(log_fd, note, sizeof note - 1);
}

int keeper_output_open(struct keeper *k, int child_fds[2])
{
    child_fds[0] = child_fds[1] = -1;
    if (k->cfg->output == KEEPER_OUTPUT_INHERIT)
        return 0;
    for (int i = 0; i < 2; i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) < 0)
            return errno;
        fcntl(ends[0], F_SETPIPE_SZ, PIPE_BYTES); // only speed: a user beyond his quota keeps the usual size
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
        k->streams[i].fd = ends[0];
        child_fds[i] = ends[1];
        if (k->cfg->output == KEEPER_OUTPUT_TEE)
            open_tee(&k->streams[i], 1 + i);
    }
    int flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC;
    bool again = k->stats.reaped > 0; // a target that is started once more goes on in the same log
    log_fd = openat(k->run_dir_fd, KEEPER_LOG_NAME, flags | O_APPEND | (again ? 0 : O_TRUNC), 0600);
    if (again)
        cut_log(k);
    tail = (struct keeper_tail_header){.magic = KEEPER_TAIL_MAGIC,
                                       .version = KEEPER_VERSION,
                                       .size_bytes = sizeof tail,
                                       .capacity_bytes = k->cfg->log_tail_bytes};
    return 0;
}

static void lose(struct keeper *k, size_t len)
{
    k->stats.log_lost_bytes += len;
    k->stats.warnings |= KEEPER_WARN_LOG_LOST;
    unmarked_loss_bytes += len;
}

// A hole in the log is said in the log, at its place.
static bool mark_loss(int fd)
{
    char line[96];
    if (!unmarked_loss_bytes)
        return true;
    int len = snprintf(line, sizeof line, "\n[seep: %llu bytes lost here, the disk refused them]\n",
                       (unsigned long long)unmarked_loss_bytes);
    if (write(fd, line, (size_t)len) != len)
        return false;
    unmarked_loss_bytes = 0;
    return true;
}

static void write_head(struct keeper *k, const char *data, size_t len)
{
    ssize_t put = log_fd >= 0 && mark_loss(log_fd) ? write(log_fd, data, len) : -1;
    size_t kept = put > 0 ? (size_t)put : 0;
    head_bytes += len;
    if (kept < len)
        lose(k, len - kept);
}

// The header follows the bytes it speaks of, so that a reader of an unmerged tail never sees more than there is.
static void write_tail(struct keeper *k, const char *data, size_t len)
{
    if (tail_fd < 0)
        tail_fd = openat(k->run_dir_fd, KEEPER_TAIL_NAME, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    while (len && tail.capacity_bytes) {
        uint64_t at = tail.written_bytes % tail.capacity_bytes;
        size_t part = len < tail.capacity_bytes - at ? len : (size_t)(tail.capacity_bytes - at);
        if (pwrite(tail_fd, data, part, TAIL_START + (off_t)at) != (ssize_t)part)
            break;
        tail.written_bytes += part;
        data += part;
        len -= part;
    }
    if (len)
        lose(k, len);
    uint64_t over = tail.written_bytes > tail.capacity_bytes ? tail.written_bytes - tail.capacity_bytes : 0;
    tail.dropped_bytes = k->stats.out_dropped_bytes = over;
    (void)!pwrite(tail_fd, &tail, sizeof tail, 0);
}

// For terminals: everything that could drive one becomes \xNN. Newline, tab and return pass; so does well-formed UTF-8,
// but not the C1 controls (c2 80..9f) nor the bidirectional ones (e2 80 8e..8f, e2 80 aa..ae, e2 81 a6..a9). Lead bytes
// that may begin one of those are held back until it is known, across chunks too.
struct escape {
    uint8_t held[2], held_count;
    uint8_t need; // continuation bytes still to come
};
_Static_assert(sizeof(struct escape) == sizeof((struct keeper_stream *)0)->escape, "room in keeper.h");

static bool drives_terminal(const struct escape *e, uint8_t c)
{
    if (c < 0x80)
        return (c < 0x20 && c != '\n' && c != '\t' && c != '\r') || c == 0x7f;
    if (e->held_count == 1 && e->held[0] == 0xc2)
        return c < 0xa0;
    if (e->held_count == 2 && e->held[1] == 0x80)
        return c == 0x8e || c == 0x8f || (c >= 0xaa && c <= 0xae);
    if (e->held_count == 2)
        return c >= 0xa6 && c <= 0xa9;
    return c < 0xc0 && !e->need; // a stray continuation byte: C1 on an 8-bit terminal
}

static size_t show(char *out, uint8_t c, bool escaped)
{
    static const char hex[] = "0123456789abcdef";
    if (!escaped) {
        out[0] = (char)c;
        return 1;
    }
    memcpy(out, (char[]){'\\', 'x', hex[c >> 4], hex[c & 15]}, 4);
    return 4;
}

// out has room for 4 * len + 8 bytes.
static size_t escape(struct escape *e, const uint8_t *in, size_t len, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = in[i];
        bool second = e->held_count == 1 && e->held[0] == 0xe2 && (c == 0x80 || c == 0x81);
        bool bad = !second && drives_terminal(e, c);
        if (!second) {
            for (uint8_t h = 0; h < e->held_count; h++)
                n += show(out + n, e->held[h], bad);
            e->held_count = 0;
        }
        if (c >= 0xc0)
            e->need = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
        else
            e->need = c >= 0x80 && e->need ? e->need - 1 : 0;
        if (second || c == 0xc2 || c == 0xe2)
            e->held[e->held_count++] = c;
        else
            n += show(out + n, c, bad);
    }
    return n;
}

static void copy_out(struct keeper *k, struct keeper_stream *s, const char *data, size_t len)
{
    static char shown[4 * sizeof chunk + 16];
    if (s->tee_is_tty) {
        len = escape((struct escape *)s->escape, (const uint8_t *)data, len, shown);
        data = shown;
    }
    ssize_t put =
        s->tee_is_socket ? send(s->tee_fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL) : write(s->tee_fd, data, len);
    if (put == (ssize_t)len)
        return;
    k->stats.tee_dropped_bytes += len - (put > 0 ? (size_t)put : 0);
    k->stats.warnings |= KEEPER_WARN_TEE_DROPPED;
    if (put < 0 && errno != EAGAIN && errno != EINTR) { // the terminal is gone, the reader has closed
        close(s->tee_fd);
        s->tee_fd = -1;
    }
}

static void keep(struct keeper *k, const char *data, size_t len)
{
    uint64_t room = head_bytes < k->cfg->log_head_bytes ? k->cfg->log_head_bytes - head_bytes : 0;
    size_t first = len < room ? len : (size_t)room;
    if (first)
        write_head(k, data, first);
    if (len > first)
        write_tail(k, data + first, len - first);
}

// At most `rounds` buffers a call, so that a flood does not starve the control socket.
void keeper_output_read(struct keeper *k, struct keeper_stream *s, unsigned rounds)
{
    while (s->fd >= 0 && rounds--) {
        ssize_t got = read(s->fd, chunk, sizeof chunk);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got <= 0) {
            close(s->fd);
            s->fd = -1;
            return;
        }
        k->stats.out_bytes += (size_t)got;
        k->stats_changed = true;
        keep(k, chunk, (size_t)got);
        if (s->tee_fd >= 0)
            copy_out(k, s, chunk, (size_t)got);
    }
}

static bool append_range(uint64_t from, uint64_t to)
{
    while (from < to) {
        uint64_t at = from % tail.capacity_bytes, left = tail.capacity_bytes - at;
        size_t part = to - from < left ? (size_t)(to - from) : (size_t)left;
        part = part < sizeof chunk ? part : sizeof chunk;
        if (pread(tail_fd, chunk, part, TAIL_START + (off_t)at) != (ssize_t)part ||
            write(log_fd, chunk, part) != (ssize_t)part)
            return false;
        from += part;
    }
    return true;
}

// On failure (full disk) the log is cut back and the tail file stays beside it: nothing is lost, see link_log.c.
static bool merge_tail(void)
{
    off_t before = lseek(log_fd, 0, SEEK_END);
    char line[96];
    int len = snprintf(line, sizeof line, "\n[seep: %llu bytes not kept between head and tail]\n",
                       (unsigned long long)tail.dropped_bytes);
    bool ok = !tail.dropped_bytes || write(log_fd, line, (size_t)len) == len;
    ok = ok && append_range(tail.dropped_bytes, tail.written_bytes);
    if (!ok && before >= 0)
        (void)!ftruncate(log_fd, before);
    return ok;
}

// Nobody lives who could still write, so what is in the pipes is the end. A descriptor passed to a stranger could be
// written for ever: rounds bound that.
void keeper_output_finish(struct keeper *k)
{
    for (int i = 0; i < 2; i++) {
        keeper_output_read(k, &k->streams[i], 16);
        if (k->streams[i].fd >= 0)
            close(k->streams[i].fd);
        k->streams[i].fd = -1;
    }
    if (log_fd >= 0) {
        mark_loss(log_fd);
        if (tail_fd >= 0 && merge_tail())
            unlinkat(k->run_dir_fd, KEEPER_TAIL_NAME, 0);
        close(log_fd);
    }
    if (tail_fd >= 0)
        close(tail_fd);
    log_fd = tail_fd = -1;
}
