/* paced.c: serve.sh's client with a clock of its own: requests come at a fixed rate whether or not answers do.
 *   paced [-r RATE] [-c CLIENTS] [-d SECONDS] [-t] PORT PATH BODY_FILE TYPE [JSON_BYTES]
 *
 * Latency counts from when a request was due, not from when a connection was free for it, so a server that stands
 * still is seen by all who would have come meanwhile (wrk waits with it). RATE 0: as fast as answers come, latency
 * from the send. -t asks for Server-Timing and gives the means of its four parts. One thread, sleeping in epoll;
 * the first half second is not counted. JSON_BYTES: Inference-Header-Content-Length.
 *
 * Prints: RESULT answers/s p50 p99 failed p99_from_send [queue input infer output], times in microseconds. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CLIENTS = 1024, ANSWER = 65536, PARTS = 4, SUB = 256, RANGES = 40 };

static const uint64_t ns_per_s = 1000000000, warm_ns = 500000000, patience_ns = 5000000000;

struct client {
        int fd;
        uint64_t due, sent;
        size_t n;
        char in[ANSWER];
};

/* Log-linear: within a factor of two SUB steps, so a percentile is good to half a percent. */
struct histogram {
        uint64_t count, at[RANGES][SUB];
};

static struct {
        uint16_t port;
        uint64_t rate, seconds, n_clients;
        bool timing;
        char *request;
        size_t request_n;
        int epoll;
        struct client *all, *idle[MAX_CLIENTS];
        size_t n_idle;
        uint64_t start, counted, failed;
        double parts[PARTS];
        uint64_t n_parts;
} p = {.n_clients = 4, .seconds = 4};

static struct histogram from_due, from_send;

static uint64_t now_ns(void)
{
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * ns_per_s + (uint64_t)t.tv_nsec;
}

static void note(struct histogram *h, uint64_t ns)
{
        int range = 0;
        while (ns >> range >= UINT64_C(2) * SUB)
                range++;
        uint64_t step = ns >> range;
        h->at[range][step < SUB ? 0 : step - SUB]++;
        h->count++;
}

static double percentile_us(const struct histogram *h, double q)
{
        uint64_t want = (uint64_t)(q * (double)h->count), seen = 0;
        for (int r = 0; r < RANGES; r++) {
                for (uint64_t s = 0; s < SUB; s++) {
                        if ((seen += h->at[r][s]) > want)
                                return (double)((SUB + s) << r) / 1e3;
                }
        }
        return 0;
}

static void die(const char *what)
{
        perror(what);
        exit(1);
}

static void open_client(struct client *c)
{
        struct sockaddr_in a = {
            .sin_family = AF_INET, .sin_port = htons(p.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int on = 1;
        c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&a, sizeof(a)) < 0)
                die("connect");
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (epoll_ctl(p.epoll, EPOLL_CTL_ADD, c->fd, &(struct epoll_event){.events = EPOLLIN, .data.ptr = c}) < 0)
                die("epoll_ctl");
        c->n = 0;
        p.idle[p.n_idle++] = c;
}

static void again(struct client *c)
{
        p.failed++;
        close(c->fd);
        open_client(c);
}

static void ask(uint64_t due)
{
        struct client *c = p.idle[--p.n_idle];
        size_t sent = 0;
        c->sent = now_ns();
        c->due = due ? due : c->sent;
        while (sent < p.request_n) {
                ssize_t n = send(c->fd, p.request + sent, p.request_n - sent, MSG_NOSIGNAL);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0) {
                        again(c);
                        return;
                }
                sent += (size_t)n;
        }
}

static void note_parts(const char *head)
{
        static const char *const names[PARTS] = {"queue", "input", "infer", "output"};
        const char *at = strstr(head, "Server-Timing:");
        for (int i = 0; at && i < PARTS; i++) {
                char key[24];
                snprintf(key, sizeof(key), "%s;dur=", names[i]);
                const char *v = strstr(at, key);
                if (v)
                        p.parts[i] += strtod(v + strlen(key), NULL) * 1e3;
        }
        p.n_parts += at != NULL;
}

static void answered(struct client *c, bool good)
{
        uint64_t now = now_ns();
        if (now >= p.start + warm_ns && good) {
                p.counted++;
                note(&from_due, now - c->due);
                note(&from_send, now - c->sent);
                if (p.timing)
                        note_parts(c->in);
        }
        p.failed += !good;
        if (strstr(c->in, "\r\nConnection: close")) {
                close(c->fd); /* as wrk does; a connection's requests are numbered */
                open_client(c);
                return;
        }
        c->n = 0;
        p.idle[p.n_idle++] = c;
}

static void on_input(struct client *c)
{
        ssize_t n = recv(c->fd, c->in + c->n, ANSWER - 1 - c->n, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n <= 0) {
                bool idle = false;
                for (size_t i = 0; i < p.n_idle; i++) {
                        if (p.idle[i] == c) {
                                p.idle[i] = p.idle[--p.n_idle];
                                idle = true;
                                break;
                        }
                }
                p.failed -= idle; /* closed between two requests: nothing was lost */
                again(c);
                return;
        }
        c->n += (size_t)n;
        c->in[c->n] = '\0';
        const char *end = strstr(c->in, "\r\n\r\n"), *length = strcasestr(c->in, "\r\nContent-Length:");
        if (end && length && c->n >= (size_t)(end + 4 - c->in) + strtoul(length + 17, NULL, 10))
                answered(c, strncmp(c->in, "HTTP/1.1 200", 12) == 0);
}

/* Until all that was due before the end has its answer, or has waited too long for it. */
static void run(void)
{
        uint64_t end = p.start + warm_ns + p.seconds * ns_per_s,
                 n_due = p.rate ? (end - p.start) * p.rate / ns_per_s : 0;
        uint64_t asked = 0;
        for (;;) {
                uint64_t now = now_ns(), next = end;
                while (p.n_idle > 0 && (p.rate ? asked < n_due : now < end)) {
                        next = p.rate ? p.start + asked * ns_per_s / p.rate : 0;
                        if (next > now)
                                break;
                        ask(next);
                        asked++;
                        now = now_ns();
                }
                bool all_asked = p.rate ? asked == n_due : now >= end;
                if ((all_asked && p.n_idle == p.n_clients) || now >= end + patience_ns)
                        break;
                if (p.n_idle == 0 || all_asked || next <= now)
                        next = now + ns_per_s / 10;
                struct epoll_event got[64];
                struct timespec wait = {.tv_sec = 0, .tv_nsec = (long)((next - now) % ns_per_s)};
                int n = epoll_pwait2(p.epoll, got, 64, &wait, NULL);
                for (int i = 0; i < n; i++)
                        on_input(got[i].data.ptr);
        }
        p.failed += (p.rate ? n_due - asked : 0) + (p.n_clients - p.n_idle);
}

static void read_request(char **argv, int argc)
{
        static char body[1 << 20], head[1024];
        FILE *f = fopen(argv[2], "rb");
        if (!f)
                die(argv[2]);
        size_t n = fread(body, 1, sizeof(body), f);
        fclose(f);
        int h = snprintf(head, sizeof(head),
            "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s%s%s%s\r\n", argv[1],
            argv[3], n, argc > 4 ? "Inference-Header-Content-Length: " : "", argc > 4 ? argv[4] : "",
            argc > 4 ? "\r\n" : "", p.timing ? "Ewcd-Timing: 1\r\n" : "");
        if (h < 0 || (size_t)h >= sizeof(head) || !(p.request = malloc((size_t)h + n)))
                die("request");
        memcpy(p.request, head, (size_t)h);
        memcpy(p.request + h, body, n);
        p.request_n = (size_t)h + n;
}

int main(int argc, char **argv)
{
        int opt;
        while ((opt = getopt(argc, argv, "r:c:d:t")) != -1) {
                switch (opt) {
                case 'r':
                        p.rate = strtoul(optarg, NULL, 10);
                        break;
                case 'c':
                        p.n_clients = strtoul(optarg, NULL, 10);
                        break;
                case 'd':
                        p.seconds = strtoul(optarg, NULL, 10);
                        break;
                case 't':
                        p.timing = true;
                        break;
                default:
                        return 2;
                }
        }
        argc -= optind;
        argv += optind;
        if (argc < 4 || p.n_clients == 0 || p.n_clients > MAX_CLIENTS || p.seconds == 0)
                return 2;
        p.port = (uint16_t)strtoul(argv[0], NULL, 10);
        read_request(argv, argc);
        prctl(PR_SET_TIMERSLACK, 1UL);
        p.epoll = epoll_create1(EPOLL_CLOEXEC);
        p.all = calloc(p.n_clients, sizeof(*p.all));
        if (p.epoll < 0 || !p.all)
                die("start");
        for (size_t i = 0; i < p.n_clients; i++)
                open_client(&p.all[i]);
        p.start = now_ns();
        run();
        printf("RESULT %.0f %.1f %.1f %llu %.1f", (double)p.counted / (double)p.seconds,
            percentile_us(&from_due, 0.5), percentile_us(&from_due, 0.99), (unsigned long long)p.failed,
            percentile_us(&from_send, 0.99));
        for (int i = 0; i < PARTS && p.n_parts > 0; i++)
                printf(" %.2f", p.parts[i] / (double)p.n_parts);
        putchar('\n');
        return 0;
}
