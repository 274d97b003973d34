#!/usr/bin/python3
"""The flame graph of report pages, used as a person does: pointing, clicking, searching, by keyboard alone, in the dark.
Usage: flame_graph.py TEST_PROGRAM. 77: no browser here. TEST_PROGRAM is test_report_formats, which leaves its pages."""
import os
import shutil
import subprocess
import sys
import tempfile
import time

from browser import Browser, find_browser

STATUS = "document.querySelector('#flame-status').textContent"
BOXES = "document.querySelectorAll('#flame-view g.fb').length"


def box(name):
    """A selector of the widest box whose label begins so."""
    return '#flame-view g.fb[aria-label^="%s"]' % name


def clean(b, what):
    # Requests: the page itself, nothing else.
    assert not b.complaints, (what, b.complaints)
    assert not b.dialogs, (what, b.dialogs)
    assert len(b.requests) == 1 and b.requests[0].startswith("file://"), (what, b.requests)


def check_pointing(b):
    b.hover(box("session_new"))
    b.wait("!document.querySelector('#flame-tip').hidden")
    tip = b.eval("document.querySelector('#flame-tip').textContent")
    assert tip.startswith("session_new") and "/h" in tip and "1 stack" in tip, tip
    b.click(box("session_new"))
    b.wait("document.querySelector('#flame-path').textContent === 'session_new'")
    assert "zoomed" in b.eval(STATUS)
    # The callers stay above as a way back; a click on one of them goes there.
    b.click(box("dispatch"))
    b.wait("document.querySelector('#flame-path').textContent === 'dispatch'")
    b.click("#flame-reset")
    b.wait("document.querySelector('#flame-reset').disabled")
    assert b.eval("document.querySelector('#flame-path').textContent") == ""


def check_search(b):
    b.click("#flame-search")
    b.type("SESSION")
    b.wait("document.querySelectorAll('#flame-view g.hit').length > 0")
    assert b.eval(STATUS).startswith("Found +") and "100.0 %" in b.eval(STATUS), b.eval(STATUS)
    b.key("Escape")
    b.wait("document.querySelectorAll('#flame-view g.hit').length === 0")
    b.type("no such function anywhere")
    b.wait(STATUS + ".startsWith('Found') && " + STATUS + ".includes('0.0 %')")
    b.key("Escape")


def check_keyboard(b):
    b.eval("document.querySelector('#flame-view g.root').focus()")
    names = []
    for _ in range(4):
        b.key("ArrowDown")
        names.append(b.eval("document.activeElement.getAttribute('aria-label').split(/[,:]/)[0]"))
    assert names == ["main", "dispatch", "handle_0", "session_new"], names
    b.key("Enter", "\r")
    b.wait("document.querySelector('#flame-path').textContent === 'session_new'")
    assert b.eval("document.activeElement.getAttribute('aria-label')").startswith("session_new")
    b.key("ArrowUp")
    assert b.eval("document.activeElement.getAttribute('aria-label')").startswith("handle_0")
    b.key("Escape")
    b.wait("document.querySelector('#flame-path').textContent === ''")
    b.key("/")
    assert b.eval("document.activeElement.id") == "flame-search"


def choose(b, measure):
    b.eval("(() => { const s = document.querySelector('#flame-measure'); s.value = '%s';"
           "s.dispatchEvent(new Event('change')); })()" % measure)


def check_measures(b):
    boxes = {}
    for measure in ("grows", "rose", "fell", "live"):
        choose(b, measure)
        boxes[measure] = b.eval(BOXES)
    choose(b, "fell")
    assert b.eval(STATUS).startswith("-") and boxes["fell"] > 100 and boxes["live"] > 20, boxes
    assert boxes["grows"] == 5, boxes  # all, main, dispatch, handle_0, session_new
    choose(b, "grows")


def check_icicle(b):
    top = "document.querySelector('#flame-view g.root rect').getBoundingClientRect().top"
    down = b.eval(top)
    b.click("#flame-flip")
    b.wait(top + " > %f" % (down + 20))
    b.click("#flame-flip")
    b.wait("Math.abs(%s - %f) < 200" % (top, down))


def check_dark(b):
    colour = "getComputedStyle(document.querySelector('#flame')).backgroundColor"
    seen = []
    for scheme in ("light", "dark"):
        b.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        seen.append(b.eval(colour))
    b.call("Emulation.setEmulatedMedia", features=[])
    assert seen[0] != seen[1], seen


def check_hostile(b, page):
    b.open(page)
    clean(b, page)
    assert b.eval("document.title") == "fail: 20261121-0104-7f3a - seep", b.eval("document.title")
    assert b.eval("document.images.length") == 0
    assert b.eval("document.querySelectorAll('[onerror], [onload], [onclick], iframe, a[href^=javascript]').length") == 0
    choose(b, "live")
    assert b.eval(BOXES) > 1
    b.hover("#flame-view g.fb:last-of-type")
    b.wait("!document.querySelector('#flame-tip').hidden")
    # A second opinion on the corpus: had the page's policy been missing, nothing would have run either.
    assert b.eval("document.querySelectorAll('script').length") <= 5
    clean(b, page)


def main():
    if find_browser() is None:
        print("skipped: there is no chromium here")
        return 77
    with tempfile.TemporaryDirectory(prefix="seep-flame-") as work:
        pages = dict(os.environ, SEEP_TEST_HTML=work + "/day.html", SEEP_TEST_HOSTILE_HTML=work + "/hostile")
        made = subprocess.run([sys.argv[1]], env=pages, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        assert made.returncode == 0, made.stdout.decode(errors="replace")
        assert os.path.getsize(work + "/day.html") < 5 << 20
        with Browser() as b:
            began = time.monotonic()
            b.open(work + "/day.html")
            b.wait(BOXES + " > 0")
            took = time.monotonic() - began
            for check in (check_pointing, check_search, check_keyboard, check_measures, check_icicle, check_dark):
                check(b)
                clean(b, check.__name__)
            hostile = sorted(p for p in os.listdir(work) if p.startswith("hostile."))
            assert len(hostile) >= 20
            for page in hostile:
                check_hostile(b, os.path.join(work, page))
            print("5 000 stacks open and drawn in %.2f s; %d hostile pages" % (took, len(hostile)))
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2 or shutil.which("bash") is None:
        sys.exit(__doc__)
    sys.exit(main())
