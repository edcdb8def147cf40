# lex.awk: C source without comments, code and string literals apart.
#
# usage: awk -f lex.awk code=FILE strings=FILE SOURCE …
# Appends "path:line: text" to each: code has its literals emptied, strings has one line per literal's contents, with
# literals that stand side by side joined, so that a statement spread over lines is searched as one.

function flush_string()
{
        if (joined != "")
                print joined_at ": " joined >> strings
        joined = ""
}

FNR == 1 {
        flush_string()
        in_comment = 0
}

{
        rest = $0
        out = ""
        while (rest != "") {
                if (in_comment) {
                        at = index(rest, "*/")
                        rest = at ? substr(rest, at + 2) : ""
                        in_comment = !at
                } else if (match(rest, /"|'|\/\*|\/\//)) {
                        token = substr(rest, RSTART, RLENGTH)
                        before = substr(rest, 1, RSTART - 1)
                        out = out before
                        rest = substr(rest, RSTART + RLENGTH)
                        if (before ~ /[^ \t]/)
                                flush_string()
                        if (token == "//") {
                                rest = ""
                        } else if (token == "/*") {
                                in_comment = 1
                                out = out " "
                        } else {
                                closing = token == "\"" ? "^([^\"\\\\]|\\\\.)*\"" : "^([^'\\\\]|\\\\.)*'"
                                if (!match(rest, closing))
                                        RLENGTH = length(rest) + 1
                                if (token == "\"") {
                                        if (joined == "")
                                                joined_at = FILENAME ":" FNR
                                        joined = joined substr(rest, 1, RLENGTH - 1)
                                }
                                out = out token token
                                rest = substr(rest, RLENGTH + 1)
                        }
                } else {
                        if (rest ~ /[^ \t]/)
                                flush_string()
                        out = out rest
                        rest = ""
                }
        }
        if (out ~ /[^ \t]/)
                print FILENAME ":" FNR ": " out >> code
}

END {
        flush_string()
}
