// Names that a target may give its functions, files, threads, series and output lines, each meant for somebody who
// takes a name for something else: markup, scripts, terminals, spreadsheets, shells, readers from right to left.
#ifndef SEEP_TESTS_NASTY_NAMES_H
#define SEEP_TESTS_NASTY_NAMES_H

static const char *const nasty_names[] = {
    "<script>alert(1)</script>",
    "</title><img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "]]>--><!--",
    "a\"b'c`d&e",
    "new\nline\r\ttab",
    "\xff\xfe not UTF-8 \xc3",
    "\xe2\x80\xae gnirts desrever",
    ("\033]0;title\007\x9b"
     "31m"), // one name: 31 would be part of the number
    "\033]52;c;ZXZpbA==\033\\",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "@SUM(1)",
    "javascript:alert(1)",
    "${env:HOME} %s%n%s ; rm -rf /",
    "a;b;c 99999",
    "Z\xcd\xa0\xcd\xa1\xcd\xa2\xcd\xa3\xcd\xa4\xcd\xa5\xcd\xa6\xcd\xa7\xcc\xb4\xcc\xb5\xcc\xb6 combining",
    "</textarea><svg/onload=alert(1)>",
    "\xe2\x80\xa8 line separator \xe2\x80\xa9",
    "__proto__",
    "constructor",
};
enum { NASTY_NAMES = sizeof nasty_names / sizeof nasty_names[0] };

#endif
