/* prediction_id.h: the names of predictions: made by the daemon, told from made-up ones without looking anywhere.
 *
 *   01KAVX3N5W00G7Z2M4Q8RSTVWX-9f1c0a7be2d34455
 *
 * A ULID (48 bits of time, 80 more), and HMAC-SHA256(key, ULID | model's name | digest of theta) cut to 64 bits. Of
 * the 80 bits 16 are the lowest of the version's number, so that one version's digest has to be tried and not all;
 * 64 are random. The key is kept with the store: ids outlive a restart, and those of another database are forged
 * here. One object belongs to one loop. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PREDICTION_ULID = 26, PREDICTION_ID_SIZE = PREDICTION_ULID + 1 + 16 + 1, PREDICTION_KEY = 32 };

struct err;
struct event_source;
struct prediction_ids;

struct prediction_id {
        uint8_t ulid[16];
        uint64_t mac;
};
struct prediction_of { /* whose it is */
        const char *model;
        uint64_t version;   /* version.number */
        const char *digest; /* of theta, hex */
};

int prediction_ids_new(struct prediction_ids **ret, const uint8_t key[PREDICTION_KEY], struct event_source *random,
    struct err *e);                                 /* random is borrowed */
void prediction_ids_free(struct prediction_ids *p); /* accepts NULL */

void prediction_id_make(struct prediction_ids *p, int64_t now_ms, const struct prediction_of *of,
    struct prediction_id *ret, char ret_text[PREDICTION_ID_SIZE]);
bool prediction_id_parse(const char *text, struct prediction_id *ret); /* false: it does not look like one */
uint16_t prediction_id_version(const struct prediction_id *id);        /* the lowest bits of its version's number */
int64_t prediction_id_time(const struct prediction_id *id);            /* when it was made, ms */
bool prediction_id_genuine(struct prediction_ids *p, const struct prediction_id *id, const struct prediction_of *of);
