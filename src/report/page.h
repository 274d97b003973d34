// The constant parts of the HTML report, embedded when seep is built (assets.cmake). Private to src/report.
#ifndef SEEP_REPORT_PAGE_H
#define SEEP_REPORT_PAGE_H

#include <stddef.h>

// Each ends with a NUL that the length does not count. The two of uPlot are empty in a build without npm.
extern const char report_asset_page_css[];
extern const size_t report_asset_page_css_len;
extern const char report_asset_page_js[];
extern const size_t report_asset_page_js_len;
extern const char report_asset_flame_js[];
extern const size_t report_asset_flame_js_len;
extern const char report_asset_uplot_js[];
extern const size_t report_asset_uplot_js_len;
extern const char report_asset_uplot_css[];
extern const size_t report_asset_uplot_css_len;

#endif
