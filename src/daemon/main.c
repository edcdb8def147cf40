/* main.c: flags and exit statuses of ewcd; everything else is app.c. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/app.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "ewcd: serve neural nets, take feedback, learn from it without forgetting\n"
    "\n"
    "usage: ewcd [--state-dir DIR] [--socket PATH] [--listen HOST:PORT] [--config FILE]\n"
    "\n"
    "  --state-dir DIR     database and job files ($STATE_DIRECTORY, else /var/lib/ewcd)\n"
    "  --socket PATH       UNIX socket ($RUNTIME_DIRECTORY/ewcd.sock, else /run/ewcd/ewcd.sock); - for none\n"
    "  --listen HOST:PORT  TCP address beside the socket; port 0 takes any\n"
    "  --config FILE       configuration; flags come after it\n"
    "  --check-config      read flags and configuration, say what is wrong, end\n"
    "  --print-config      print a configuration file with every key at its default, end\n"
    "  --version, --help\n"
    "\n"
    "exit status: 0 stopped by a signal, 1 failure, 2 flags or configuration,\n"
    "3 the database is newer, not ours, in use or damaged, 4 an address cannot be listened on\n";

enum action { RUN, CHECK, PRINT, HELP, VERSION };

struct flags {
        enum action action;
        const char *config, *state_dir, *socket, *listen;
};

static int parse(struct flags *ret, int argc, char **argv)
{
        enum { STATE_DIR = 1, SOCKET, LISTEN, CONFIG, CHECK_CONFIG, PRINT_CONFIG, SHOW_VERSION, SHOW_HELP };
        static const struct option options[] = {
            {"state-dir", required_argument, NULL, STATE_DIR},
            {"socket", required_argument, NULL, SOCKET},
            {"listen", required_argument, NULL, LISTEN},
            {"config", required_argument, NULL, CONFIG},
            {"check-config", no_argument, NULL, CHECK_CONFIG},
            {"print-config", no_argument, NULL, PRINT_CONFIG},
            {"version", no_argument, NULL, SHOW_VERSION},
            {"help", no_argument, NULL, SHOW_HELP},
            {0},
        };
        int o;
        while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
                switch (o) {
                case STATE_DIR:
                        ret->state_dir = optarg;
                        break;
                case SOCKET:
                        ret->socket = optarg;
                        break;
                case LISTEN:
                        ret->listen = optarg;
                        break;
                case CONFIG:
                        ret->config = optarg;
                        break;
                case CHECK_CONFIG:
                        ret->action = CHECK;
                        break;
                case PRINT_CONFIG:
                        ret->action = PRINT;
                        break;
                case SHOW_VERSION:
                        ret->action = VERSION;
                        break;
                case SHOW_HELP:
                        ret->action = HELP;
                        break;
                default:
                        return -1;
                }
        }
        if (optind < argc) {
                fprintf(stderr, "ewcd: '%s': there are only flags\n", argv[optind]);
                return -1;
        }
        return 0;
}

static int configure(struct conf *c, const struct flags *f, struct err *e)
{
        int r = 0;
        conf_defaults(c);
        if (f->config)
                r = conf_read(c, f->config, e);
        if (r == 0 && f->state_dir)
                r = conf_set(c, "store.dir", f->state_dir, e);
        if (r == 0 && f->socket)
                r = conf_set(c, "listen.socket", f->socket, e);
        if (r == 0 && f->listen)
                r = conf_set(c, "listen.tcp", f->listen, e);
        return r == 0 ? conf_check(c, e) : r;
}

static int print_config(void)
{
        struct buf b;
        buf_init(&b, 1 << 20);
        conf_print(&b);
        bool ok = buf_ok(&b) && fwrite(b.data, 1, b.len, stdout) == b.len && fflush(stdout) == 0;
        buf_deinit(&b);
        return ok ? APP_OK : APP_FAILED;
}

static int check(const struct conf *c)
{
        struct err e = ERR_NULL;
        struct paths p;
        if (listen_check(c, &e) < 0 || paths_find(&p, c, &e) < 0) {
                log_error("%s", e.msg);
                return APP_USAGE;
        }
        printf("state %s\nsocket %s\ntcp %s\nlearner %s\n", p.state, p.socket[0] ? p.socket : "none",
            c->listen_tcp[0] ? c->listen_tcp : "none", p.learner);
        return APP_OK;
}

static int run(const struct conf *c, const char *conf_path)
{
        struct err e = ERR_NULL;
        struct app a;
        if (app_init(&a, c, conf_path, &clock_system, &e) < 0) {
                log_error("%s", e.msg);
                return (int)a.exit;
        }
        if (app_run(&a, &e) < 0)
                log_error("%s", e.msg);
        app_deinit(&a);
        log_info("stopped");
        return (int)a.exit;
}

int main(int argc, char **argv)
{
        struct flags f = {0};
        struct err e = ERR_NULL;
        static struct conf c;
        enum log_level level = LOG_LEVEL_INFO;
        log_init(level, paths_journal());
        if (parse(&f, argc, argv) < 0) {
                fputs(usage, stderr);
                return APP_USAGE;
        }
        if (f.action == HELP)
                return fputs(usage, stdout) < 0 ? APP_FAILED : APP_OK;
        if (f.action == VERSION)
                return puts(APP_PROGRAM) < 0 ? APP_FAILED : APP_OK;
        if (f.action == PRINT)
                return print_config();
        if (configure(&c, &f, &e) < 0) {
                log_error("%s", e.msg);
                return APP_USAGE;
        }
        log_level_parse(c.log_level, &level);
        log_init(level, paths_journal());
        return f.action == CHECK ? check(&c) : run(&c, f.config);
}
