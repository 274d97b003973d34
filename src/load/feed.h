// Tables of values for ${data:SOURCE.COLUMN}: CSV files, held in memory while the load runs, and which row comes next.
//
// The files are the user's. They are read whole when the worker starts, so that no exchange waits for a disk; their
// size is bounded. Immutable but for the position of `order: next`.
#ifndef SEEP_LOAD_FEED_H
#define SEEP_LOAD_FEED_H

#include "load/rng.h"
#include "load/text.h"
#include "profile/profile.h"
#include <stdint.h>

enum { FEED_SIZE_MAX = 256 * 1024 * 1024, FEED_ROWS_MAX = 10 * 1000 * 1000 };

struct feeds;

// Reads the tables of a load. `process` of `processes` takes every processes-th row, from the process-th on, where rows
// are given out in turn. -1: a file cannot be read, has no rows, or rows of another length than its first.
int feed_open(const struct profile_load *load, int process, int processes, struct feeds **out, struct seep_err *err);
void feed_close(struct feeds *f); // NULL is allowed

int feed_count(const struct feeds *f); // tables; 0 for NULL
uint32_t feed_rows(const struct feeds *f, int table);

// Places of a table and its column. -1 with a sentence that names what is there.
int feed_find(const struct feeds *f, struct load_text table, struct load_text column, int *table_out, int *column_out,
              struct seep_err *err);

// The row that an iteration of user `user_id` (from 1) gets.
uint32_t feed_take(struct feeds *f, int table, uint64_t user_id, struct load_rng *rng);

struct load_text feed_cell(const struct feeds *f, int table, uint32_t row, int column);

#endif
