/* doc.h: values of an answer by pointers that are put together, as tables read them row by row. */
#pragma once

struct json_doc;

double doc_number(const struct json_doc *d, double fallback, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
const char *doc_text(const struct json_doc *d, const char *fallback, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* A number, or a text (long seeds are), as printed: "-" where there is neither. */
enum { DOC_VALUE = 64 };
const char *doc_value(char ret[DOC_VALUE], const struct json_doc *d, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int doc_truth(const struct json_doc *d, const char *fmt, ...)
    __attribute__((format(printf, 2, 3))); /* 0, 1, or -1: none */
int doc_length(const struct json_doc *d, const char *fmt, ...) __attribute__((format(printf, 2, 3))); /* -1: none */
