// The table of formats, and writing a finished run's files.
#include "base/fs.h"
#include "report/compare.h"
#include <stdlib.h>
#include <string.h>

#define MIB ((size_t)1024 * 1024)

const struct report_format report_formats[] = {
    {"text", "report.txt", "the verdict for people, as `seep run` prints it", 4 * MIB, false, report_text},
    {"json", "verdict.json", "the verdict for programs (schema seep.verdict/1)", 64 * MIB, false, report_json},
    {"md", "report.md", "Markdown for a job's summary or a comment, cut at whole rows", MIB, false, report_markdown},
    {"html", "report.html", "one self-contained page with charts and ranked stacks", 64 * MIB, false, report_html},
    {"csv", "series.csv", "the measured series, as `seep analyze` reads them", 1024 * MIB, false, report_csv},
    {"junit", "junit.xml", "JUnit XML, one test case a gate", 16 * MIB, false, report_junit},
    {"sarif", "report.sarif", "SARIF 2.1.0, growing call stacks at their lines", 64 * MIB, false, report_sarif},
    {"github", "annotations.txt", "annotations for GitHub Actions, at most ten of a kind", MIB, false, report_github},
    {"tap", "report.tap", "TAP 14, one test point a gate", 16 * MIB, false, report_tap},
    {"openmetrics", "metrics.txt", "OpenMetrics, the figures at the end of the run", 16 * MIB, false,
     report_openmetrics},
    {"hdr", "latency.hlog", "response times of the load as an HdrHistogram log", 256 * MIB, false, report_hdr},
    {"pprof", "growth.pb.gz", "every call stack with growth, live and allocated bytes, for pprof", 256 * MIB, true,
     report_pprof},
    {"speedscope", "growth.speedscope.json", "growth and live bytes per call stack, for speedscope", 256 * MIB, false,
     report_speedscope},
    {"folded", "growth.folded", "growth per call stack, for flame graphs (bytes an hour)", 64 * MIB, false,
     report_folded},
    {0},
};

const struct report_format *report_find_format(const char *name)
{
    for (const struct report_format *f = report_formats; f->name != NULL; f++)
        if (strcmp(f->name, name) == 0)
            return f;
    return NULL;
}

int report_write(const struct report_format *format, const struct report *r, const struct compare *since,
                 const struct report_style *style, struct seep_buf *out, struct seep_err *err)
{
    if (since != NULL && format->write == report_sarif)
        return report_sarif_since(since, style, out, err);
    return format->write(r, style, out, err);
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
