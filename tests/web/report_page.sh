#!/usr/bin/env bash
# Opens report pages in a headless browser: the title is ours, charts are drawn, the policy is never violated, nothing
# is loaded from elsewhere, and hostile names stay text. Usage: report_page.sh TEST_PROGRAM. 77: no browser here.
set -euo pipefail
browser=$(command -v chromium || command -v chromium-browser || true)
if [ -z "$browser" ]; then
    echo "skipped: there is no chromium here"
    exit 77
fi
dir=$(mktemp -d /tmp/seep-web-XXXXXX)
trap 'rm -rf "$dir"' EXIT
SEEP_TEST_HTML=$dir/day.html SEEP_TEST_HOSTILE_HTML=$dir/hostile "$1" >"$dir/test.log" 2>&1 || {
    cat "$dir/test.log"
    exit 1
}

# open_page FILE: the page after its scripts ran, in page.dom; what the browser complained about, in page.log.
open_page() {
    HOME=$dir timeout 60 "$browser" --headless --no-sandbox --disable-gpu --user-data-dir="$dir/profile" --no-first-run \
        --enable-logging=stderr --virtual-time-budget=5000 --dump-dom "file://$1" >"$dir/page.dom" 2>"$dir/page.log"
    if grep -E 'CONSOLE' "$dir/page.log"; then
        echo "$1: the page complained" >&2
        return 1
    fi
}

open_page "$dir/day.html"
grep -q '<title>fail: 20261121-0104-7f3a - seep</title>' "$dir/page.dom"
# With uPlot each plot holds a canvas; without it the drawn SVG stays.
plots=$(grep -o 'class="plot"' "$dir/page.dom" | wc -l)
drawn=$(grep -oE '<canvas|<svg viewBox="0 0 640' "$dir/page.dom" | wc -l)
[ "$plots" -ge 8 ] && [ "$drawn" -eq "$plots" ] || {
    echo "$drawn charts drawn of $plots" >&2
    exit 1
}

pages=0
for page in "$dir"/hostile.*.html; do
    open_page "$page"
    grep -q '<title>fail: 20261121-0104-7f3a - seep</title>' "$page"
    grep -q '<title>fail: 20261121-0104-7f3a - seep</title>' "$dir/page.dom"
    # Elements the browser made of it: images or handlers could only come from a name.
    if grep -qE '<img|onerror=alert\(1\)>' "$dir/page.dom"; then
        echo "$page: a name became markup" >&2
        exit 1
    fi
    pages=$((pages + 1))
done
[ "$pages" -ge 10 ]
echo "$((pages + 1)) pages opened"
