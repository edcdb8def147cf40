# layers.awk: the includes of one room against its rules.
#
# usage: awk -f layers.awk room=NAME rules=src/NAME/.may_include FILE …   (paths relative to the source root)
# A rule is a glob of a header as it is written in the include, without quotation marks but with angle brackets; a
# glob of files relative to the room and a colon may stand in front. A star does not match a slash. Headers of the C
# library and of the kernel need no rule.

function glob_to_regex(g)
{
        gsub(/[].\\^$+(){}|[]/, "\\\\&", g)
        gsub(/\?/, "[^/]", g)
        gsub(/\*/, "[^/]*", g)
        return "^" g "$"
}

function read_rules(   line, at)
{
        while ((getline line < rules) > 0) {
                sub(/[ \t]*#.*/, "", line)
                gsub(/^[ \t]+|[ \t]+$/, "", line)
                if (line == "")
                        continue
                at = index(line, ":")
                n_rules++
                rule_file[n_rules] = at ? glob_to_regex(substr(line, 1, at - 1)) : ".*"
                sub(/^[^:]*:[ \t]*/, "", line)
                rule_header[n_rules] = glob_to_regex(line)
        }
        close(rules)
}

function allowed(file, header,   i)
{
        if (header ~ /^</ && (substr(header, 2, length(header) - 2) in libc || header ~ LIBC_DIRS))
                return 1
        for (i = 1; i <= n_rules; i++)
                if (file ~ rule_file[i] && header ~ rule_header[i])
                        return 1
        return 0
}

BEGIN {
        n = split("assert.h complex.h ctype.h errno.h fenv.h float.h inttypes.h iso646.h limits.h locale.h math.h " \
                  "setjmp.h signal.h stdalign.h stdarg.h stdatomic.h stdbool.h stddef.h stdint.h stdio.h stdlib.h " \
                  "stdnoreturn.h string.h tgmath.h threads.h time.h uchar.h wchar.h wctype.h " \
                  "dirent.h dlfcn.h endian.h fcntl.h fnmatch.h getopt.h glob.h grp.h langinfo.h libgen.h netdb.h " \
                  "poll.h pthread.h pwd.h regex.h sched.h search.h semaphore.h spawn.h strings.h syslog.h " \
                  "termios.h unistd.h byteswap.h elf.h err.h fts.h ftw.h malloc.h paths.h sysexits.h", names, " ")
        for (i = 1; i <= n; i++)
                libc[names[i]] = 1
        LIBC_DIRS = "^<(sys|arpa|net|netinet|linux|asm|bits)/[^/]+>$"
}

FNR == 1 {
        if (!n_read++)
                read_rules()
        relative = substr(FILENAME, length("src/" room "/") + 1)
}

/^[ \t]*#[ \t]*include/ {
        header = $0
        sub(/^[ \t]*#[ \t]*include[ \t]*/, "", header)
        if (match(header, /^"[^"]+"/))
                header = substr(header, 2, RLENGTH - 2)
        else if (match(header, /^<[^>]+>/))
                header = substr(header, 1, RLENGTH)
        if (!allowed(relative, header)) {
                printf "%s:%d: %s is not among the rules of %s\n", FILENAME, FNR, header, rules
                bad = 1
        }
}

END {
        exit bad
}
