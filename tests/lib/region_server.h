// A keeper in miniature for tests and benches of the probe: listens on an abstract socket and hands out regions from a
// thread of its own. One per program.
#ifndef TESTS_REGION_SERVER_H
#define TESTS_REGION_SERVER_H

#include <stddef.h>
#include <stdint.h>

#define REGION_SERVER_MAX 64

struct region_server {
    char setting[96];      // the value for SEEP_PROBE
    uint64_t region_bytes; // of each region
    uint64_t mean_bytes;   // 0 exact
    unsigned most;         // regions handed out before the answer is "none"
    int fd[REGION_SERVER_MAX];
    int pid[REGION_SERVER_MAX]; // who got it, by its credentials
    unsigned regions;           // read with region_server_count
    unsigned refused;
    int mute; // accept and never answer
    int listen_fd, stop_fd;
    unsigned long thread;
};

// Fill region_bytes, mean_bytes and most first (0: 64 MiB, exact, all). flags: of the probe. Aborts on failure.
void region_server_start(struct region_server *s, unsigned flags);
unsigned region_server_count(struct region_server *s);
void region_server_stop(struct region_server *s);

// Makes one region without any socket (for tests of the reader). Returns the sealed memfd.
int region_make(uint64_t bytes, uint64_t committed, uint64_t mean_bytes);

// Runs a program under the probe and waits for its end, at most limit_s seconds (then SIGKILL). env_extra: NULL-ended
// list of further settings or NULL. output: receives standard output, NULL to discard. Returns the wait status.
int region_run(struct region_server *s, char *const argv[], char *const *env_extra, char *output, size_t output_size,
               unsigned limit_s);
// Starts it with a pipe on standard output; *out_fd is ours to read. Returns the pid.
int region_spawn(struct region_server *s, char *const argv[], char *const *env_extra, int *out_fd);

#endif
