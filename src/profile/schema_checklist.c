// The one table of checklist keys: see schema.h and checklist.h. Reading, errors and the reference come from it.
#include "profile/checklist.h"
#include "profile/schema_rows.h"

#define REQ struct checklist_requirement

// A number or size or duration that may be left out.
#define ANY(key, of, field, in, text)                                                                                  \
    {                                                                                                                  \
        .name = key, .type = KEY_NUMBER, .unit = in, .flags = KEY_AUTO, AT(of, field), .def = "auto", .help = text     \
    }
#define TEXT(key, of, field, text)                                                                                     \
    {                                                                                                                  \
        .name = key, .type = KEY_TEXT, AT(of, field), .help = text                                                     \
    }
#define TEXTS(key, of, field, n, text)                                                                                 \
    {                                                                                                                  \
        .name = key, .type = KEY_TEXTS, AT(of, field), COUNT(of, n), .help = text                                      \
    }
#define WITHIN(of, field, most, normal)                                                                                \
    {                                                                                                                  \
        .name = "within", .type = KEY_NUMBER, .unit = UNIT_SECONDS, .flags = KEY_POSITIVE, .max = most, AT(of, field), \
        .def = normal, .help = "longer is a failure: it is ended then"                                                 \
    }
#define EXPECT(of)                                                                                                     \
    TEXT("equals", of, expect.equals, "what the output must be, without blanks at its ends"),                          \
        TEXT("contains", of, expect.contains, "what must stand in the output"),                                        \
        ANY("at_least", of, expect.at_least, UNIT_NONE, "the output is a number, and at least this"),                  \
        ANY("at_most", of, expect.at_most, UNIT_NONE, "the output is a number, and at most this"),                     \
        ANY("rows", of, expect.rows, UNIT_NONE, "the output has so many lines")

#define RUN struct checklist_run
static const struct schema_key run_keys[] = {
    {.name = "profile",
     .type = KEY_TEXT,
     .flags = KEY_REQUIRED,
     AT(RUN, profile),
     .help = "name of the profile the run was made with"},
    TEXTS("target", RUN, target, n_target,
          "the program, as files: the run must have been of exactly these (the top's)"),
    TEXTS("identity", RUN, identity, n_identity, "further files that the run must have had as they are now"),
    {.name = "verdict",
     .type = KEY_CHOICE,
     .choices = "pass|any",
     .def = "pass",
     AT(RUN, verdict),
     .help = "pass, or any: only what else is asked here decides"},
    ANY("within", RUN, within_s, UNIT_SECONDS, "how long ago the run may have ended"),
    ANY("at_least", RUN, at_least_s, UNIT_SECONDS, "measured time, gaps and pauses not counted"),
    ANY("max_gaps", RUN, max_gaps, UNIT_NONE, "most gaps in the measured time"),
    {.name = "runs",
     .type = KEY_INT,
     .min = 1,
     .max = 100,
     .def = "1",
     AT(RUN, runs),
     .help = "so many runs, the newest ones, all of them"},
    {.name = "shutdown",
     .type = KEY_CHOICE,
     .choices = "any|pass",
     .def = "any",
     AT(RUN, shutdown),
     .help = "pass: each of them shut down in order"},
    TEXT("no_regression", RUN, no_regression, "baseline, or a run: nothing became worse against it"),
    {.name = "threshold",
     .type = KEY_NUMBER,
     .unit = UNIT_RATIO,
     .flags = KEY_POSITIVE,
     .max = 10,
     .def = "10%",
     AT(RUN, threshold),
     .help = "what may be lost against it"},
    {.name = "allow",
     .type = KEY_CHOICE,
     .choices = "any|valid",
     .def = "any",
     AT(RUN, allow_valid),
     .help = "valid: no stack on the profile's allow list is past its day, as of today, or over its budget"},
    TEXTS("gates", RUN, gates, n_gates, "gates that must be among the run's, by name, and have passed"),
    TEXTS("judged_by", RUN, judged_by, n_judged_by, "profiles by whose gates the run's samples are judged once more"),
    {.name = "grade",
     .type = KEY_CHOICE,
     .choices = "any|poor|fair|good|excellent",
     .def = "any",
     AT(RUN, grade),
     .help = "least grade by the profile's requirements"},
    END};
#undef RUN

#define COMMAND struct checklist_command
static const struct schema_key command_keys[] = {
    {.name = "run",
     .type = KEY_TEXTS,
     .flags = KEY_REQUIRED,
     AT(COMMAND, argv),
     COUNT(COMMAND, argc),
     .help = "the program and its arguments; no shell"},
    TEXT("cwd", COMMAND, cwd, "directory it runs in (the caller's)"),
    {.name = "env", .type = KEY_PAIRS, AT(COMMAND, env), COUNT(COMMAND, n_env), .help = "set over the caller's"},
    {.name = "exit", .type = KEY_INT, .max = 255, .def = "0", AT(COMMAND, exit), .help = "the status it must end with"},
    WITHIN(COMMAND, within_s, 86400, "60s"),
    EXPECT(COMMAND),
    END};

#define HTTP struct checklist_http
static const struct schema_key http_keys[] = {
    {.name = "url", .type = KEY_TEXT, .flags = KEY_REQUIRED, AT(HTTP, url), .help = "what is fetched by GET"},
    ANY("status", HTTP, status, UNIT_NONE, "the status it is answered with (any of 200 to 399)"),
    TEXTS("contains", HTTP, contains, n_contains, "what must stand in the first MiB of the body"),
    TEXTS("header", HTTP, headers, n_headers, "what must stand in the reply's header, in any case"),
    {.name = "verify", .type = KEY_BOOL, .def = "true", AT(HTTP, verify), .help = "the certificate is checked"},
    WITHIN(HTTP, within_s, 3600, "5s"),
    END};

#define TCP struct checklist_tcp
static const struct schema_key tcp_keys[] = {
    {.name = "address", .type = KEY_TEXT, .flags = KEY_REQUIRED, AT(TCP, address), .help = "HOST:PORT"},
    WITHIN(TCP, within_s, 3600, "5s"),
    END};

#define FILES struct checklist_file
static const struct schema_key file_keys[] = {
    {.name = "path",
     .type = KEY_TEXT,
     .flags = KEY_REQUIRED,
     AT(FILES, path),
     .help = "a file; with * or ? the newest that matches"},
    ANY("max_age", FILES, max_age_s, UNIT_SECONDS, "how long ago it may have been changed last"),
    ANY("min_age", FILES, min_age_s, UNIT_SECONDS, "how long ago it must have been changed last"),
    ANY("min_size", FILES, min_bytes, UNIT_BYTES, "at least so large"),
    ANY("max_size", FILES, max_bytes, UNIT_BYTES, "at most so large"),
    ANY("count", FILES, count, UNIT_NONE, "at least so many files match"),
    TEXT("contains", FILES, contains, "what must stand in its first 64 MiB"),
    TEXT("sha256", FILES, sha256, "its SHA-256, in hexadecimal"),
    {.name = "absent", .type = KEY_BOOL, .def = "false", AT(FILES, absent), .help = "no file matches"},
    END};

#define SQL struct checklist_sql
static const struct schema_key sql_keys[] = {
    TEXT("psql", SQL, psql, "a connection string or URL: asked by psql, read-only"),
    TEXT("sqlite", SQL, sqlite, "a database file: asked by sqlite3, read-only"),
    {.name = "query", .type = KEY_TEXT, .flags = KEY_REQUIRED, AT(SQL, query), .help = "what is asked"},
    WITHIN(SQL, within_s, 3600, "10s"),
    EXPECT(SQL),
    END};

#define MANUAL struct checklist_manual
static const struct schema_key manual_keys[] = {
    TEXT("by", MANUAL, by, "who says so; until then evidence is missing"),
    {.name = "date", .type = KEY_CUSTOM, .ops = &key_date, AT(MANUAL, date), .type_name = "day", .help = "and when"},
    TEXT("note", MANUAL, note, "what was looked at, and where that is written down"),
    {.name = "expires",
     .type = KEY_CUSTOM,
     .ops = &key_date,
     AT(MANUAL, expires),
     .type_name = "day",
     .help = "the last day it counts"},
    ANY("valid", MANUAL, valid_s, UNIT_SECONDS, "how long it counts from its day on"),
    END};

#define KIND(key, of, list, scalar, text)                                                                              \
    {                                                                                                                  \
        .name = key, .type = KEY_MAP, .sub = list, AT(REQ, of), .present = offsetof(REQ, of.present) + 1,              \
        .scalar_key = scalar, .flags = KEY_LIST_AS_MAP, .help = text                                                   \
    }
static const struct schema_key requirement_keys[] = {
    {.name = "name", .type = KEY_TEXT, .flags = KEY_REQUIRED, AT(REQ, name), .help = "what is required, in words"},
    TEXT("id", REQ, id, "a short name for other documents"),
    TEXT("about", REQ, about, "why, or where it comes from"),
    {.name = "run",
     .type = KEY_MAP,
     .sub = run_keys,
     AT(REQ, run),
     .present = offsetof(REQ, run.present) + 1,
     .help = "stored runs of the very program that is released"},
    KIND("command", command, command_keys, "run", "a program that is run now; a list is its words"),
    KIND("http", http, http_keys, "url", "a GET that is answered now"),
    KIND("tcp", tcp, tcp_keys, "address", "a port that accepts now"),
    KIND("file", file, file_keys, "path", "files as they are now"),
    {.name = "sql",
     .type = KEY_MAP,
     .sub = sql_keys,
     AT(REQ, sql),
     .present = offsetof(REQ, sql.present) + 1,
     .help = "a query that is answered now"},
    {.name = "manual",
     .type = KEY_MAP,
     .sub = manual_keys,
     AT(REQ, manual),
     .present = offsetof(REQ, manual.present) + 1,
     .help = "somebody's word"},
    END};

const struct schema_key schema_checklist[] = {
    {.name = "version", .type = KEY_FIXED, .def = "1", .type_name = "1", .help = "format of the file"},
    {.name = "name", .type = KEY_NAME, AT(struct checklist, name), .help = "of the checklist (the file's name)"},
    TEXT("about", struct checklist, about, "one line about it"),
    TEXTS("target", struct checklist, target, n_target, "the program that is released, as files"),
    {.name = "vars",
     .type = KEY_PAIRS,
     AT(struct checklist, vars),
     COUNT(struct checklist, n_vars),
     .help = "texts for ${name} in any other value; ${env:NAME} is read at use and never written down"},
    {.name = "requirements",
     .type = KEY_LIST,
     .sub = requirement_keys,
     .item_size = sizeof(REQ),
     .flags = KEY_REQUIRED,
     AT(struct checklist, requirements),
     COUNT(struct checklist, n_requirements),
     .where = offsetof(REQ, where) + 1,
     .help = "what must hold, each by one of run, command, http, tcp, file, sql, manual"},
    END};
