// How the resolver process gives up its rights before it reads the first hostile byte.
#ifndef SEEP_RESOLVE_SANDBOX_H
#define SEEP_RESOLVE_SANDBOX_H

// Ceilings: 1024 descriptors, no core file, no file may grow. The address space is limited by the client, which knows
// the figure. Returns 0 or -1 with errno.
int sandbox_limits(void);

// No new privileges, undumpable, and the system call filter. There is no way back. Returns 0 or -1 with errno.
int sandbox_enter(void);

// libdw opens the file of a split unit itself, by a name out of the program. Nothing can be opened in here: between
// sandbox_offer(fd) and sandbox_offer(-1) the first open() gives a duplicate of fd, whatever the name; what is in it
// libdw and we check. Every other open() fails as before.
void sandbox_offer(int fd);

#endif
