// Tables from anywhere: what is taken, what is refused with which line, and that neither depends on how the bytes
// arrive.
#include "csv/series.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
// cmocka.h needs the headers above it
#include <cmocka.h>

#define T "timestamp_s,rss_bytes\n"

static int read_text(const void *text, size_t len, size_t step, const char *const *wanted, size_t n_wanted,
                     struct csv_series *s, struct seep_err *err)
{
    memset(s, 0, sizeof *s);
    struct csv_reader *r = csv_open_memory("s.csv", text, len, step, err);
    if (!r)
        return -1;
    int failed = csv_series_read(r, wanted, n_wanted, s, err);
    csv_close(r);
    return failed;
}

static int read_some(const char *text, size_t step, struct csv_series *s, struct seep_err *err)
{
    return read_text(text, strlen(text), step, NULL, 0, s, err);
}

static void every_bad_table(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "s.csv:1: the file is empty"},
        {"\n\n", "s.csv:1: the file is empty"},
        {"\xef\xbb\xbf", "s.csv:1: the file is empty"},
        {T, "s.csv:2: there are no rows"},
        {T "\n  \n", "there are no rows"},
        {T "0,1\n", "s.csv:2: there is only one row"},
        {"0,4096\n1,4096\n", "s.csv:1: there is no header"},
        {"timestamp_s;rss_bytes\n0;1\n", "s.csv:1: the columns are separated by ';'"},
        {"timestamp_s\trss_bytes\n0\t1\n", "s.csv:1: the columns are separated by tabs"},
        {"time,rss_bytes\n0,1\n", "there is no column 'timestamp_s'"},
        {"timestamp,rss_bytes\n0,1\n", "did you mean 'timestamp'? (columns: timestamp, rss_bytes)"},
        {"timestamp_s,heap\n0,1\n", "s.csv:1: there is neither 'rss_bytes' nor 'allocated_bytes'"},
        {"timestamp_s,rss_bytes,rss_bytes\n0,1,1\n", "the column 'rss_bytes' is there twice, as the 2. and the 3."},
        {"timestamp_s,timestamp_s,rss_bytes\n0,1,1\n", "'timestamp_s' is there twice"},
        {T "0,1\n1,nan\n", "s.csv:3: rss_bytes is 'nan', which is not a number; leave the cell empty"},
        {T "0,1\n1,NaN\n", "s.csv:3: rss_bytes is 'NaN'"},
        {T "0,1\n1,inf\n", "s.csv:3: rss_bytes is 'inf'"},
        {T "0,1\n1,-inf\n", "s.csv:3: rss_bytes is '-inf'"},
        {T "0,1\nnan,2\n", "s.csv:3: timestamp_s is 'nan'"},
        {T "0,1\n,2\n", "s.csv:3: timestamp_s is empty"},
        {T "0,1\n1,0x10\n", "not a number"},
        {T "0,1\n1,1e\n", "not a number"},
        {T "0,1\n1,.\n", "not a number"},
        {T "0,1\n1,1 2\n", "not a number"},
        {T "0,1\n1,\"1,5\"\n", "s.csv:3: rss_bytes is '1,5', which is not a number"},
        {T "0,1\n1,-1\n", "s.csv:3: rss_bytes is -1: an amount cannot be negative"},
        {T "0,1\n1,1e400\n", "s.csv:3: rss_bytes is '1e400': more than 2^63"},
        {T "0,1\n1,1e19\n", "more than 2^63"},
        {T "0,1\n1e300,1\n", "timestamp_s is '1e300': more than 2^63"},
        {T "1,1\n2,1\n2,1\n", "s.csv:4: the time 2 s does not come after 2 s in line 3"},
        {T "1,1\n2,1\n1.5,1\n", "s.csv:4: the time 1.5 s does not come after 2 s in line 3"},
        {T "0,1\n1\n", "s.csv:3: 1 cell where the header has 2"},
        {T "0,1\n1,2,3\n", "s.csv:3: 3 cells where the header has 2"},
        {T "0,1\n1,\"2\n", "s.csv:3: a quote is opened here and never closed"},
        {T "0,1\n1,\"2\"x\n", "s.csv:3: text behind a closing quote"},
        {T "0,1\n1,2\"3\n", "s.csv:3: a quote in the middle of a cell"},
        {T "0,1\r\n\r\n1,x\r\n", "s.csv:4: rss_bytes is 'x'"},
        {"timestamp_s,\"two\nlines\",rss_bytes\n0,,1\n1,,x\n", "s.csv:4: rss_bytes is 'x'"},
        {"timestamp_s,excluded_s,rss_bytes\n0,0,1\n1,,1\n", "s.csv:3: excluded_s is empty"},
        {"timestamp_s,excluded_s,rss_bytes\n0,3,1\n9,2,1\n", "s.csv:3: excluded_s falls from 3 to 2"},
        {"timestamp_s,excluded_s,rss_bytes\n0,0,1\n9,9,1\n",
         "does not come after 0 s in line 2, less what is excluded"},
        {"\x1f\x8b\x08rest", "s.csv:1: this is gzip data; use `zcat"},
        {"\xff\xfet\x01", "s.csv:1: this is UTF-16"},
        {"SQLite format 3", "seep report RUN -f csv"},
        {"PK\x03\x04", "spreadsheet"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        for (size_t step = 1; step < 100; step *= 3) {
            struct csv_series s;
            struct seep_err err = {0};
            assert_int_equal(read_some(bad[i].text, step, &s, &err), -1);
            if (!strstr(err.text, bad[i].says))
                fail_msg("'%s' says '%s', not '%s'", bad[i].text, err.text, bad[i].says);
            assert_int_equal(err.code, SEEP_E_USAGE);
            assert_null(s.t_s);
            assert_null(s.column);
        }
    }
}

static void a_nul_byte_is_no_text(void **state)
{
    (void)state;
    static const char text[] = T "0,1\n1,\0"
                                 "2\n2,3\n";
    struct csv_series s;
    struct seep_err err = {0};
    assert_int_equal(read_text(text, sizeof text - 1, 7, NULL, 0, &s, &err), -1);
    assert_non_null(strstr(err.text, "s.csv:3: a NUL byte"));
}

static void what_is_taken(void **state)
{
    (void)state;
    static const char *const same[] = {
        T "0,4096\n0.5,8192\n1.25e1,12288\n",
        T "0,4096\r\n0.5,8192\r\n1.25e1,12288",
        T "0,4096\r0.5,8192\r1.25e1,12288\r",
        "\xef\xbb\xbf" T "0,4096\n\n0.5,8192\r\n \n12.5,1.2288e4\n",
        "\"timestamp_s\",\"rss_bytes\"\n\"0\",\"4096\"\n\".5\",\"8192\"\n\"+12.5\",\"12288.\"\n",
        " timestamp_s , rss_bytes \n 0 , 4096 \n\t0.5, 8192\n12.500000000000000000000000000000,12288\n",
        "note,rss_bytes,timestamp_s\n\"a \"\"b\"\",\nc\",4096,0\n,8192,0.5\nx y,12288,12.5\n",
        "timestamp_s,excluded_s,rss_bytes\n0,0,4096\n7.5,7,8192\n20,7.5,12288\n",
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        for (size_t step = 1; step < 100; step += 1 + step / 2) {
            struct csv_series s;
            struct seep_err err = {0};
            if (read_some(same[i], step, &s, &err))
                fail_msg("'%s': %s", same[i], err.text);
            assert_int_equal(s.n, 3);
            assert_int_equal(s.n_columns, 1);
            assert_true(s.t_s[0] == 0 && s.t_s[1] == .5 && s.t_s[2] == 12.5);
            assert_true(s.column[0].y[0] == 4096 && s.column[0].y[1] == 8192 && s.column[0].y[2] == 12288);
            assert_true(s.column[0].in_pages && s.column[0].n_missing == 0);
            assert_true(s.longest_gap_s == 12);
            csv_series_free(&s);
        }
    }
}

static void empty_cells_are_unknown(void **state)
{
    (void)state;
    static const char *const wanted[] = {"a", "b", "a"};
    static const char text[] = "a,timestamp_s,b\n1,0,\n,1,\n3.5,2,\n";
    struct csv_series s;
    struct seep_err err = {0};
    assert_int_equal(read_text(text, strlen(text), 3, wanted, 3, &s, &err), 0);
    assert_int_equal(s.n_columns, 2); // one that is asked for twice is there once
    assert_string_equal(s.column[0].name, "a");
    assert_int_equal(s.column[0].n_missing, 1);
    assert_true(isnan(s.column[0].y[1]) && s.column[0].y[2] == 3.5 && !s.column[0].in_pages);
    assert_int_equal(s.column[1].n_missing, 3);
    csv_series_free(&s);
    const char *missing = "rss";
    assert_int_equal(read_text(text, strlen(text), 3, &missing, 1, &s, &err), -1);
    assert_non_null(strstr(err.text, "there is no column 'rss' (columns: a, timestamp_s, b)"));
}

static void units_of_names_are_taken(void **state)
{
    (void)state;
    static const char text[] = "timestamp_s,allocated_KiB,fd,rss_mb,rss_GiB,rss_gb2\n0,4,7,412.6,1,1\n1,8,,412,1e0,1\n";
    static const char *const wanted[] = {"fd", "rss_GiB", "rss_gb2"};
    struct csv_series s;
    struct seep_err err = {0};
    assert_int_equal(read_some(text, 7, &s, &err), 0);
    assert_int_equal(s.n_columns, 2); // the first of those that are rss, and allocated
    assert_string_equal(s.column[0].name, "rss_mb");
    assert_string_equal(s.column[1].name, "allocated_KiB");
    assert_true(fabs(s.column[0].y[0] - 412.6e6) < 1 && s.column[0].y[1] == 412e6 && !s.column[0].in_pages);
    assert_true(fabs(s.column[0].step_bytes - 1e5) < 1e-6 && s.column[1].step_bytes == 1024);
    assert_true(s.column[1].y[0] == 4096 && s.column[1].y[1] == 8192 && s.column[1].in_pages);
    csv_series_free(&s);
    assert_int_equal(read_text(text, strlen(text), 7, wanted, 3, &s, &err), 0);
    assert_true(s.column[0].unit_bytes == 0 && s.column[0].y[0] == 7 && s.column[0].step_bytes == 0);
    assert_true(s.column[1].y[1] == 1024. * 1024 * 1024 && s.column[2].unit_bytes == 0);
    csv_series_free(&s);
    assert_true(csv_name_is("rss_bytes", "rss") && !csv_name_is("rss", "rss") && !csv_name_is("_kb", "rss"));
    assert_true(!csv_name_is("rss_file_kb", "rss") && csv_name_is("allocated_MIB", "allocated"));
}

static void mixed_line_ends_are_told(void **state)
{
    (void)state;
    struct csv_series s;
    struct seep_err err = {0};
    assert_int_equal(read_some(T "0,1\n1,1\r\n2,1\n", 5, &s, &err), 0);
    assert_int_equal(s.mixed_line, 3);
    csv_series_free(&s);
    assert_int_equal(read_some("timestamp_s,rss_bytes\r\n0,1\r\n1,1", 5, &s, &err), 0);
    assert_int_equal(s.mixed_line, 0);
    csv_series_free(&s);
}

static void numbers_are_correctly_rounded(void **state)
{
    (void)state;
    static const char *const texts[] = {"0.1",
                                        "1763706739.123456",
                                        "9007199254740993",
                                        "9223372036854775807",
                                        "0.00000000000000000000000000012345678901234567890",
                                        "4.9406564584124654e-324",
                                        "1e-400",
                                        "123456789012345678901234567890e-20",
                                        "5e22",
                                        "000000000000000000000000000000012.50",
                                        "86399.999999999993",
                                        "-0.3"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct csv_cell cell = {texts[i], strlen(texts[i])};
        double value, want = strtod(texts[i], NULL);
        enum csv_number what = csv_number(&cell, &value);
        if (fabs(want) > 9.3e18) {
            assert_int_equal(what, CSV_TOO_LARGE);
            continue;
        }
        assert_int_equal(what, CSV_NUMBER);
        assert_memory_equal(&value, &want, sizeof value);
    }
    uint64_t x = 88172645463325252u;
    for (int i = 0; i < 200000; i++) { // random digits in random places
        char text[64];
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        snprintf(text, sizeof text, "%.*g", 1 + (int)(x % 17), (double)(x >> 20) * pow(10, (double)(x % 30) - 24));
        struct csv_cell cell = {text, strlen(text)};
        double value = -1, want = strtod(text, NULL);
        if (csv_number(&cell, &value) != CSV_NUMBER || memcmp(&value, &want, sizeof value) != 0)
            fail_msg("%s is read as %.17g", text, value);
    }
}

static void long_lines_and_wide_tables_end(void **state)
{
    (void)state;
    size_t len = 4 * CSV_LINE_MAX;
    char *text = malloc(len);
    struct csv_series s;
    struct seep_err err = {0};
    assert_non_null(text);
    memset(text, 'x', len);
    memcpy(text, T, strlen(T));
    assert_int_equal(read_text(text, len, 4096, NULL, 0, &s, &err), -1);
    assert_non_null(strstr(err.text, "s.csv:2: a line of more than 1048576 bytes"));
    text[strlen(T)] = '"'; // the same in quotes
    assert_int_equal(read_text(text, len, 4096, NULL, 0, &s, &err), -1);
    assert_non_null(strstr(err.text, "s.csv:2: a line of more than 1048576 bytes"));
    memset(text, ',', len);
    assert_int_equal(read_text(text, len, 4096, NULL, 0, &s, &err), -1);
    assert_non_null(strstr(err.text, "s.csv:1: more than 4096 columns"));
    free(text);
}

static void many_rows_in_their_order(void **state)
{
    (void)state;
    enum { ROWS = 300000 };
    char *text = malloc(ROWS * 32 + 64), *p = text;
    struct csv_series s;
    struct seep_err err = {0};
    assert_non_null(text);
    p += sprintf(p, T);
    for (int i = 0; i < ROWS; i++)
        p += sprintf(p, "%d.25,%d\n", i, i * 7);
    assert_int_equal(read_text(text, (size_t)(p - text), 100000, NULL, 0, &s, &err), 0);
    assert_int_equal(s.n, ROWS);
    for (int i = 0; i < ROWS; i++)
        assert_true(s.t_s[i] == i + .25 && s.column[0].y[i] == i * 7);
    csv_series_free(&s);
    free(text);
}

static void files_that_are_none(void **state)
{
    (void)state;
    struct seep_err err = {0};
    assert_null(csv_open("/no/such/file.csv", &err));
    assert_int_equal(err.code, SEEP_E_USAGE);
    assert_non_null(strstr(err.text, "/no/such/file.csv: the file cannot be opened: No such file"));
    assert_null(csv_open("/tmp", &err));
    assert_non_null(strstr(err.text, "/tmp: this is a directory"));
    char path[] = "/tmp/seep-csv.XXXXXX";
    assert_non_null(mkdtemp(path));
    char fifo[64];
    snprintf(fifo, sizeof fifo, "%s/fifo", path);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    pid_t writer = fork();
    if (writer == 0) {
        FILE *f = fopen(fifo, "w");
        fputs(T "0,1\n", f);
        fflush(f);
        usleep(20000);
        fputs("1,2\n", f);
        fclose(f);
        _exit(0);
    }
    struct csv_series s;
    struct csv_reader *r = csv_open(fifo, &err);
    assert_non_null(r);
    assert_int_equal(csv_series_read(r, NULL, 0, &s, &err), 0);
    assert_int_equal(s.n, 2);
    csv_series_free(&s);
    csv_close(r);
    assert_int_equal(waitpid(writer, NULL, 0), writer);
    assert_int_equal(unlink(fifo), 0);
    assert_int_equal(rmdir(path), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bad_table),
        cmocka_unit_test(a_nul_byte_is_no_text),
        cmocka_unit_test(what_is_taken),
        cmocka_unit_test(empty_cells_are_unknown),
        cmocka_unit_test(units_of_names_are_taken),
        cmocka_unit_test(mixed_line_ends_are_told),
        cmocka_unit_test(numbers_are_correctly_rounded),
        cmocka_unit_test(long_lines_and_wide_tables_end),
        cmocka_unit_test(many_rows_in_their_order),
        cmocka_unit_test(files_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
