// Secrets in what is shown or stored: command lines, URLs, headers, bodies. See profile.h.
//
// A value is a secret when the name it stands under says so. That finds what people write by habit; it cannot find a
// secret that is called "x", which is why `${env:NAME}` exists.
#include "base/buf.h"
#include "profile/schema.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NAME_MAX_BYTES = 64 };

static const char shown[] = PROFILE_REDACTED;

// Parts of names; "key" and "auth" only as words of their own, or "monkey" and "author" would be secrets.
static const char *const secret_parts[] = {"password",   "passwd",        "passphrase", "pwd",     "secret",
                                           "token",      "credential",    "apikey",     "api_key", "api-key",
                                           "privatekey", "authorization", "cookie",     "bearer",  "sessionid"};
static const char *const secret_words[] = {"key",       "auth", "pass", "pw",  "sig",
                                           "signature", "dsn",  "otp",  "pin", "userpwd"};

static bool is_word_at(const char *name, size_t at, size_t len)
{
    bool begins = at == 0 || !isalpha((unsigned char)name[at - 1]);
    return begins && !isalpha((unsigned char)name[at + len]);
}

bool redact_name(const char *name)
{
    for (size_t i = 0; i < sizeof secret_parts / sizeof *secret_parts; i++)
        if (strcasestr(name, secret_parts[i]))
            return true;
    for (size_t i = 0; i < sizeof secret_words / sizeof *secret_words; i++)
        for (const char *p = name; (p = strcasestr(p, secret_words[i])) != NULL; p++)
            if (is_word_at(name, (size_t)(p - name), strlen(secret_words[i])))
                return true;
    return false;
}

static bool is_name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

// "scheme://user:password@": length up to and with the '@' when p stands behind "://", else 0.
static size_t userinfo_length(const char *p)
{
    size_t len = strcspn(p, "/?#@ \t\r\n\"'<>");
    return len > 0 && p[len] == '@' ? len + 1 : 0;
}

// Where the value begins after a name that ends at p ("=x", ": x", "\":\"x"), or NULL.
static const char *value_after(const char *p)
{
    if (*p == '"' || *p == '\'')
        p++;
    while (*p == ' ')
        p++;
    if (*p != '=' && *p != ':')
        return NULL;
    p++;
    if (p[-1] == ':' && p[0] == '/' && p[1] == '/')
        return NULL;
    while (*p == ' ')
        p++;
    return *p ? p : NULL;
}

// A quoted value ends at its quote; a bare one at white space or the separators of URLs, lists and JSON. After a colon
// ("Authorization: Bearer abc") it goes on to the end of the line.
static size_t value_length(const char *p, bool to_line_end, const char **inner)
{
    *inner = p;
    if (*p == '"' || *p == '\'') {
        char quote = *p++;
        size_t len = 0;
        while (p[len] && p[len] != quote)
            len += p[len] == '\\' && p[len + 1] ? 2 : 1;
        *inner = p;
        return len;
    }
    return strcspn(p, to_line_end ? "\r\n" : " \t\r\n&;,\"'}])");
}

static bool follows_scheme(const char *text, const char *p)
{
    return p - text >= 3 && !strncmp(p - 3, "://", 3);
}

// Copies the name at p, and its value replaced when the name is a secret's. Returns how far it got.
static const char *copy_name(struct seep_buf *out, const char *p)
{
    size_t len = 0;
    while (is_name_char(p[len]))
        len++;
    buf_add(out, p, len);
    char name[NAME_MAX_BYTES];
    const char *value = value_after(p + len), *inner;
    if (len >= sizeof name || !value)
        return p + len;
    memcpy(name, p, len);
    name[len] = 0;
    if (!redact_name(name))
        return p + len;
    bool colon = memchr(p + len, ':', (size_t)(value - p) - len) != NULL;
    bool quoted = p[len] == '"' || p[len] == '\'';
    size_t size = value_length(value, colon && !quoted, &inner);
    if (!size || !strncmp(inner, "${env:", 6))
        return p + len;
    buf_add(out, p + len, (size_t)(inner - p) - len);
    buf_str(out, shown);
    return inner + size;
}

// The text with the secrets in it replaced; malloc'ed.
static char *redact_text(const char *text)
{
    struct seep_buf out;
    buf_init(&out, 2 * PROFILE_DUMP_MAX);
    buf_str(&out, "");
    for (const char *p = text; *p;) {
        size_t user = follows_scheme(text, p) ? userinfo_length(p) : 0;
        if (user) {
            buf_printf(&out, "%s@", shown);
            p += user;
        } else if (is_name_char(*p)) {
            p = copy_name(&out, p);
        } else {
            buf_char(&out, *p++);
        }
    }
    if (!out.failed)
        return out.data;
    buf_free(&out);
    return NULL;
}

char *profile_redact_text(const char *text)
{
    return redact_text(text);
}

// "--password" followed by its value; "-p x" and "-psecret" mean something else in every program and stay.
char *profile_redact_word(const char *before, const char *word)
{
    bool option = before && before[0] == '-' && before[1] == '-' && !strchr(before, '=');
    if (option && word[0] != '-' && redact_name(before + 2) && strncmp(word, "${env:", 6) != 0)
        return strdup(shown);
    return redact_text(word);
}
