/* options.c: argv into struct options, from one table of flags.
 *
 * Flags may stand anywhere. A command is the longest entry of the command table that the first words spell. */
#include "cli/cli.h"

#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum flag_type { TYPE_BOOL, TYPE_TEXT, TYPE_U64, TYPE_OPTIONAL };

struct flag {
        const char *name;
        uint32_t bit;
        enum flag_type type;
        size_t offset, offset_set; /* offset_set: TYPE_OPTIONAL's own bool */
        const char *arg, *help;
};

#define AT(member) offsetof(struct options, member)

static const struct flag flags[] = {
    {"--socket", FLAG_GLOBAL, TYPE_TEXT, AT(socket), 0, "PATH", "UNIX socket of the daemon"},
    {"--url", FLAG_GLOBAL, TYPE_TEXT, AT(url), 0, "URL", "http://HOST:PORT of the daemon"},
    {"--json", FLAG_GLOBAL, TYPE_BOOL, AT(json), 0, NULL, "print JSON"},
    {"--help", FLAG_GLOBAL, TYPE_BOOL, AT(help), 0, NULL, "print this help"},
    {"--version", FLAG_GLOBAL, TYPE_BOOL, AT(version), 0, NULL, "print the version"},
    {"--wait", FLAG_WAIT, TYPE_BOOL, AT(wait), 0, NULL, "follow the job to its end"},
    {"--task", FLAG_TASK, TYPE_TEXT, AT(task), 0, "NAME", "task of the rows"},
    {"--classes", FLAG_CLASSES, TYPE_TEXT, AT(classes), 0, "A,B,…", "classes of the next task"},
    {"--only", FLAG_ONLY, TYPE_TEXT, AT(only), 0, "A,B,…", "take only rows with these labels"},
    {"--source", FLAG_SOURCE, TYPE_TEXT, AT(source), 0, "NAME", "who the labels come from"},
    {"--label-column", FLAG_LABEL_COLUMN, TYPE_TEXT, AT(label_column), 0, "NAME",
        "csv column of the label (default: label), or its place in a file without header line (default: the last)"},
    {"--labels", FLAG_LABELS, TYPE_OPTIONAL, AT(labels_file), AT(labels), "[=FILE]",
        "compare with the labels of the csv file, or of an idx label file"},
    {"--reason", FLAG_REASON, TYPE_TEXT, AT(reason), 0, "TEXT", "why, at most 200 bytes; kept with what is done"},
    {"--limit", FLAG_LIMIT, TYPE_U64, AT(limit), 0, "N", "at most N rows"},
    {"--skip", FLAG_SKIP, TYPE_U64, AT(skip), 0, "N", "pass over the first N rows"},
    {"--batch", FLAG_BATCH, TYPE_U64, AT(batch), 0, "N", "rows per request (default 64)"},
    {"--dry-run", FLAG_DRY_RUN, TYPE_BOOL, AT(dry_run), 0, NULL, "train and judge, but change nothing that serves"},
    {"--reject", FLAG_REJECT, TYPE_BOOL, AT(reject), 0, NULL, "erase the event instead of learning from it"},
    {"--rebuild", FLAG_REBUILD, TYPE_BOOL, AT(rebuild), 0, NULL, "by training the version again"},
};

static const struct flag *flag_find(const char *arg, size_t *ret_len)
{
        size_t n = strcspn(arg, "=");

        for (size_t i = 0; i < ARRAY_LEN(flags); i++)
                if (strlen(flags[i].name) == n && strncmp(flags[i].name, arg, n) == 0) {
                        *ret_len = n;
                        return &flags[i];
                }
        return NULL;
}

static int flag_set(struct options *o, const struct flag *f, const char *value, struct err *e)
{
        char *base = (char *)o;

        switch (f->type) {
        case TYPE_BOOL:
                *(bool *)(base + f->offset) = true;
                return 0;
        case TYPE_OPTIONAL:
                *(bool *)(base + f->offset_set) = true;
                *(const char **)(base + f->offset) = value;
                return 0;
        case TYPE_TEXT:
                *(const char **)(base + f->offset) = value;
                return 0;
        case TYPE_U64:
                if (!slice_u64(slice_of(value), (uint64_t *)(base + f->offset)))
                        return err_field(e, -EINVAL, f->name, "%s takes a whole number, not '%s'", f->name, value);
                return 0;
        }
        return -EINVAL;
}

/* The longest command the first words spell; *ret_words how many they are. */
static const struct command *command_find(const char *const *words, size_t n, size_t *ret_words)
{
        for (size_t take = n < 2 ? n : 2; take >= 1; take--) {
                char name[64];
                int len =
                    snprintf(name, sizeof(name), take == 2 ? "%s %s" : "%s", words[0], take == 2 ? words[1] : "");

                if (len < 0 || (size_t)len >= sizeof(name))
                        continue;
                for (size_t i = 0; i < n_commands; i++)
                        if (strcmp(commands[i].name, name) == 0) {
                                *ret_words = take;
                                return &commands[i];
                        }
        }
        return NULL;
}

/* "task rollover" is a command of the noun "task". */
static bool is_of(const struct command *c, const char *noun)
{
        size_t n = strlen(noun);

        return strncmp(c->name, noun, n) == 0 && c->name[n] == ' ';
}

static bool is_noun(const char *word)
{
        for (size_t i = 0; i < n_commands; i++)
                if (is_of(&commands[i], word))
                        return true;
        return false;
}

static int take_command(
    struct options *o, const char *const *words, size_t n, uint32_t used, const struct command **ret, struct err *e)
{
        size_t n_words = 0;
        const struct command *c = n == 0 ? NULL : command_find(words, n, &n_words);

        *ret = c;
        if (!c) {
                if (n > 0 && is_noun(words[0]))
                        o->noun = words[0];
                if (o->help || o->version)
                        return 0;
                if (n == 0)
                        return err_set(e, -EINVAL, "a command is missing; see ewcctl --help");
                return err_set(e, -EINVAL, "no command '%s%s%s'; see ewcctl --help", words[0], n > 1 ? " " : "",
                    n > 1 ? words[1] : "");
        }
        if (o->help || o->version)
                return 0;
        for (size_t i = 0; i < ARRAY_LEN(flags); i++)
                if ((used & flags[i].bit) && flags[i].bit != FLAG_GLOBAL && !(c->flags & flags[i].bit))
                        return err_field(
                            e, -EINVAL, flags[i].name, "%s is not an option of '%s'", flags[i].name, c->name);
        n -= n_words;
        if (n < c->min_pos || n > c->max_pos)
                return err_set(e, -EINVAL, "usage: ewcctl %s %s", c->name, c->args);
        for (size_t i = 0; i < n; i++)
                o->pos[i] = words[n_words + i];
        o->n_pos = n;
        return 0;
}

int options_parse(int argc, char **argv, struct options *ret, const struct command **ret_command, struct err *e)
{
        const char *words[2 + CLI_MAX_POS];
        size_t n_words = 0, len;
        uint32_t used = 0;
        struct options o = {.batch = 64};

        for (int i = 1; i < argc; i++) {
                const struct flag *f;
                const char *value = NULL;
                int r;

                if (strncmp(argv[i], "--", 2) != 0) {
                        if (n_words == ARRAY_LEN(words))
                                return err_set(e, -EINVAL, "too many arguments: '%s'", argv[i]);
                        words[n_words++] = argv[i];
                        continue;
                }
                f = flag_find(argv[i], &len);
                if (!f)
                        return err_field(e, -EINVAL, argv[i], "no option '%s'; see ewcctl --help", argv[i]);
                if (argv[i][len] == '=')
                        value = argv[i] + len + 1;
                else if ((f->type == TYPE_TEXT || f->type == TYPE_U64) && ++i < argc)
                        value = argv[i];
                if ((f->type == TYPE_TEXT || f->type == TYPE_U64) && !value)
                        return err_field(e, -EINVAL, f->name, "%s needs a value: %s %s", f->name, f->name, f->arg);
                r = flag_set(&o, f, value, e);
                if (r < 0)
                        return r;
                used |= f->bit;
        }
        int r = take_command(&o, words, n_words, used, ret_command, e);
        if (r == 0)
                *ret = o;
        return r;
}

bool options_json(int argc, char **argv)
{
        for (int i = 1; i < argc; i++)
                if (strcmp(argv[i], "--json") == 0)
                        return true;
        return false;
}

static void flags_print(uint32_t accepted)
{
        for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
                char left[40];

                if (!(accepted & flags[i].bit))
                        continue;
                snprintf(left, sizeof(left), "%s%s%s", flags[i].name,
                    flags[i].arg && flags[i].arg[0] != '[' ? " " : "", flags[i].arg ? flags[i].arg : "");
                printf("  %-24s %s\n", left, flags[i].help);
        }
}

static void commands_print(const char *noun)
{
        for (size_t i = 0; i < n_commands; i++) {
                char left[64];

                if (noun && !is_of(&commands[i], noun))
                        continue;
                snprintf(left, sizeof(left), "%s %s", commands[i].name, commands[i].args);
                printf("  %-44s %s\n", left, commands[i].help);
        }
}

void usage_print(const struct command *c, const char *noun)
{
        if (c) {
                printf("usage: ewcctl %s %s\n%s\n\noptions:\n", c->name, c->args, c->help);
                flags_print(c->flags | FLAG_GLOBAL);
                return;
        }
        if (noun) {
                printf("usage: ewcctl %s COMMAND [ARGUMENTS] [OPTIONS]\n\ncommands:\n", noun);
                commands_print(noun);
                printf("\nThe options of one: ewcctl %s COMMAND --help\n", noun);
                return;
        }
        printf("usage: ewcctl COMMAND [ARGUMENTS] [OPTIONS]\n\ncommands:\n");
        commands_print(NULL);
        printf("\noptions of every command:\n");
        flags_print(FLAG_GLOBAL);
        printf("\nThe daemon is found by --socket, --url, $EWCD_SOCKET, /run/ewcd/ewcd.sock, in that order.\n"
               "exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 conflict, 5 gate rejected, 6 unreachable, 7 "
               "degraded\n");
}
