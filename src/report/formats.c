// The table of formats, and writing a finished run's files.
#include "base/fs.h"
#include "report/report.h"
#include <stdlib.h>
#include <string.h>

#define MIB ((size_t)1024 * 1024)

const struct report_format report_formats[] = {
    {"text", "txt", "the verdict for people, as `seep run` prints it", 4 * MIB, false, report_text},
    {"json", "json", "verdict.json (schema seep.verdict/1)", 64 * MIB, false, report_json},
    {"html", "html", "one self-contained page with charts and ranked stacks", 64 * MIB, false, report_html},
    {"csv", "csv", "the measured series, as `seep analyze` reads them", 1024 * MIB, false, report_csv},
    {"pprof", "pb.gz", "every call stack with growth, live and allocated bytes, for pprof", 256 * MIB, true,
     report_pprof},
    {"speedscope", "speedscope.json", "growth and live bytes per call stack, for speedscope", 256 * MIB, false,
     report_speedscope},
    {"folded", "folded", "growth per call stack, for flame graphs (bytes an hour)", 64 * MIB, false, report_folded},
    {0},
};

const struct report_format *report_find_format(const char *name)
{
    for (const struct report_format *f = report_formats; f->name != NULL; f++)
        if (strcmp(f->name, name) == 0)
            return f;
    return NULL;
}

static int save(const struct report *r, const struct report_format *format, int dir_fd, const char *name, char **text,
                struct seep_err *err)
{
    struct seep_buf out;
    struct report_style style = {0};
    buf_init(&out, format->ceiling_bytes);
    int failed = format->write(r, &style, &out, err) != 0 || buf_check(&out, name, err) != 0;
    if (!failed)
        failed = fs_write_file(dir_fd, name, out.data, out.len, err) != 0;
    if (!failed && text != NULL) {
        *text = out.data; // the buffer's memory goes to the caller
        out.data = NULL;
    }
    buf_free(&out);
    return failed ? -1 : 0;
}

int report_save(const struct report *r, int dir_fd, char **verdict_json, struct seep_err *err)
{
    char *text = NULL;
    if (save(r, report_find_format("json"), dir_fd, "verdict.json", &text, err) != 0)
        return -1;
    if (save(r, report_find_format("html"), dir_fd, "report.html", NULL, err) != 0) {
        free(text);
        return -1;
    }
    if (verdict_json != NULL)
        *verdict_json = text;
    else
        free(text);
    return 0;
}
