// A profile whose steps have every kind of check, and whose first step takes values in every way.
#ifndef SEEP_TESTS_CHECK_ALL_H
#define SEEP_TESTS_CHECK_ALL_H

static const char check_all[] =
    "version: 1\n"
    "load:\n"
    "  users: 1\n"
    "  variables: {who: x}\n"
    "  scenarios:\n"
    "    - name: all\n"
    "      steps:\n"
    "        - request: http://127.0.0.1:1/\n"
    "          extract:\n"
    "            j: \"$.items[*]\"\n"
    "            h: {header: Vary}\n"
    "            c: {cookie: SID}\n"
    "            r: {regex: \"id=([0-9]+)\"}\n"
    "            b: {between: [\"<b>\", \"</b>\"]}\n"
    "        - {request: \"http://127.0.0.1:1/\", expect: {headers: {Cache-Control: {has: [no-store, "
    "\"max-age>=60\"]}}}}\n"
    "        - {request: \"http://127.0.0.1:1/\", expect: {headers: {Vary: {equals: \"${user:who}\", matches: "
    "\"^O\"}}}}\n"
    "        - {request: \"http://127.0.0.1:1/\", expect: {json: {$.n: {is: \"> 1\"}, $.items: {length: \"> 0\"}}}}\n"
    "        - {request: \"http://127.0.0.1:1/\", expect: {json: {$.t: {equals: \"${user:who}\", matches: x}}}}\n"
    "        - {request: \"http://127.0.0.1:1/\", expect: {body: {contains: id, lacks: \"${user:who}\", matches: "
    "\"[0-9]\"}}}\n"
    "        - {request: \"http://127.0.0.1:1/\", expect: {status: any, under: 1s, headers: {X: {present: false}}}}\n";

#endif
