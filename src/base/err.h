/* err.h: one error value, filled where it happens and prefixed on the way up.
 *
 * Functions return 0 (done), a positive outcome their header documents (the caller handles it), or a negative code
 * (broken: forward it). Whoever returns non-zero has filled *e; every function accepts e == NULL. Thread-safe: the
 * value belongs to the caller. */
#pragma once

enum { ERR_MSG_MAX = 400, ERR_FIELD_MAX = 96 };

struct err {
        int code;                  /* what the function returned */
        char field[ERR_FIELD_MAX]; /* JSON pointer, config key or flag that is wrong; "" if none */
        char msg[ERR_MSG_MAX];     /* what is wrong and what to do, one sentence, no trailing dot */
};

#define ERR_NULL                                                                                                     \
        {                                                                                                            \
                0                                                                                                    \
        }

/* All return code, so that a caller can write: return err_set(e, -EINVAL, "…"); */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int err_field(struct err *e, int code, const char *field, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* "<fmt>: <old message>". A positive outcome nobody promised to handle becomes -EPROTO. */
int err_wrap(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

int err_oom(struct err *e); /* -ENOMEM */
int err_errno(struct err *e, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 3, 4))); /* -errnum, "<fmt>: <strerror>" */
