// A comparison in the formats of CI systems: each is the format's own writer over the sheet of the comparison.
#include "report/sheet.h"

static const char *root_of(const struct report_style *style)
{
    return style == NULL ? NULL : style->root;
}

static int write_sheet(const struct compare *c, const struct report_style *style,
                       int (*write)(const struct sheet *, struct seep_buf *, struct seep_err *), struct seep_buf *out,
                       struct seep_err *err)
{
    struct sheet s;
    if (sheet_of_compare(c, root_of(style), &s, err))
        return -1;
    int failed = write(&s, out, err);
    sheet_free(&s);
    return failed;
}

int compare_junit(const struct compare *c, const struct report_style *style, struct seep_buf *out, struct seep_err *err)
{
    return write_sheet(c, style, sheet_junit, out, err);
}

int compare_sarif(const struct compare *c, const struct report_style *style, struct seep_buf *out, struct seep_err *err)
{
    return write_sheet(c, style, sheet_sarif, out, err);
}

int compare_github(const struct compare *c, const struct report_style *style, struct seep_buf *out,
                   struct seep_err *err)
{
    return write_sheet(c, style, sheet_github, out, err);
}

int compare_tap(const struct compare *c, const struct report_style *style, struct seep_buf *out, struct seep_err *err)
{
    return write_sheet(c, style, sheet_tap, out, err);
}

int report_sarif_since(const struct compare *c, const struct report_style *style, struct seep_buf *out,
                       struct seep_err *err)
{
    struct sheet s;
    if (sheet_of_report_since(c, root_of(style), &s, err))
        return -1;
    int failed = sheet_sarif(&s, out, err);
    sheet_free(&s);
    return failed;
}
