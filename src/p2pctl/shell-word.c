/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "p2pctl/shell-word.h"

#include "base/text.h"

static bool is_plain(char c) {
        static const char others[] = "%+,-./:=@_";

        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c & 0x80) || strchr(others, c);
}

char *shell_quote(const char *text) {
        _cleanup_free_ char *escaped = text_escape(text, strlen(text));
        char *word, *p;

        if (!escaped || !streq(escaped, text) || isempty(text) || text[0] == '-')
                return NULL;

        word = p = malloc(2 * strlen(text) + 1);
        if (!word)
                return NULL;
        for (; *text; text++) {
                if (!is_plain(*text))
                        *p++ = '\\';
                *p++ = *text;
        }
        *p = 0;
        return word;
}

char *shell_unquote(const char *word) {
        char *text, *p, quote = 0;

        text = p = malloc(strlen(word) + 1);
        if (!text)
                return NULL;
        for (; *word; word++)
                if (*word == '\\' && quote != '\'' && word[1])
                        *p++ = *++word;
                else if (quote ? *word == quote : *word == '\'' || *word == '"')
                        quote = quote ? 0 : *word;
                else
                        *p++ = *word;
        *p = 0;
        return text;
}
