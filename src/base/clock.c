/* clock.c: the system clock, and times as text.
 *
 * The only file that asks the kernel for the time. Dates are proleptic Gregorian in UTC; days are counted in eras of
 * 400 years starting on 1 March, which puts the leap day last and turns the calendar into plain division. Text covers
 * the years 0000 to 9999; a time outside is written as the nearest end. Leap seconds do not exist in this count. */
#include "base/clock.h"
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

enum { DAY_MS = 86400000, ERA_DAYS = 146097, EPOCH_SHIFT = 719468 /* days from 0000-03-01 to 1970-01-01 */ };

static uint64_t system_mono_ns(void *arg)
{
        (void)arg;
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int64_t system_wall_ms(void *arg)
{
        (void)arg;
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

const struct clock clock_system = {system_mono_ns, system_wall_ms, NULL};

static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
        year -= month <= 2;
        int64_t era = (year >= 0 ? year : year - 399) / 400, yoe = year - era * 400;
        int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
        return era * ERA_DAYS + yoe * 365 + yoe / 4 - yoe / 100 + doy - EPOCH_SHIFT;
}

static void date_of(int64_t days, int64_t *ret_year, int64_t *ret_month, int64_t *ret_day)
{
        days += EPOCH_SHIFT;
        int64_t era = (days >= 0 ? days : days - ERA_DAYS + 1) / ERA_DAYS, doe = days - era * ERA_DAYS;
        int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / (ERA_DAYS - 1)) / 365;
        int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
        *ret_day = doy - (153 * mp + 2) / 5 + 1;
        *ret_month = mp < 10 ? mp + 3 : mp - 9;
        *ret_year = yoe + era * 400 + (*ret_month <= 2);
}

static char *put(char *at, int64_t v, int digits, char after)
{
        for (int i = digits; i-- > 0; v /= 10)
                at[i] = (char)('0' + v % 10);
        at[digits] = after;
        return at + digits + 1;
}

void clock_format(int64_t wall_ms, char ret[25])
{
        const int64_t low = days_of(0, 1, 1) * DAY_MS, high = days_of(10000, 1, 1) * DAY_MS - 1;
        int64_t t = wall_ms < low ? low : wall_ms > high ? high : wall_ms;
        int64_t days = (t >= 0 ? t : t - DAY_MS + 1) / DAY_MS, ms = t - days * DAY_MS;
        int64_t year, month, day;
        date_of(days, &year, &month, &day);
        char *at = put(ret, year, 4, '-');
        at = put(at, month, 2, '-');
        at = put(at, day, 2, 'T');
        at = put(at, ms / 3600000, 2, ':');
        at = put(at, ms / 60000 % 60, 2, ':');
        at = put(at, ms / 1000 % 60, 2, '.');
        at = put(at, ms % 1000, 3, 'Z');
        *at = '\0';
}

/* Exactly `digits` digits, in low..high, followed by `after` unless that is NUL. */
static bool take(const char **at, int digits, int64_t low, int64_t high, char after, int64_t *ret)
{
        int64_t v = 0;
        for (int i = 0; i < digits; i++, (*at)++) {
                if (**at < '0' || **at > '9')
                        return false;
                v = v * 10 + (**at - '0');
        }
        if (v < low || v > high || (after && **at != after))
                return false;
        *at += after != '\0';
        *ret = v;
        return true;
}

static int64_t month_days(int64_t year, int64_t month)
{
        return days_of(month == 12 ? year + 1 : year, month % 12 + 1, 1) - days_of(year, month, 1);
}

/* ".", digits; anything finer than a millisecond is dropped. */
static bool take_fraction(const char **at, int64_t *ret_ms)
{
        int64_t scale = 100, ms = 0;
        if (**at != '.')
                return *ret_ms = 0, true;
        ++*at;
        if (**at < '0' || **at > '9')
                return false;
        for (; **at >= '0' && **at <= '9'; ++*at, scale /= 10)
                ms += (**at - '0') * scale;
        *ret_ms = ms;
        return true;
}

static bool take_zone(const char **at, int64_t *ret_ms)
{
        int64_t h, m;
        char sign = **at;
        if (sign == 'Z')
                return ++*at, *ret_ms = 0, true;
        if (sign != '+' && sign != '-')
                return false;
        ++*at;
        if (!take(at, 2, 0, 23, ':', &h) || !take(at, 2, 0, 59, '\0', &m))
                return false;
        *ret_ms = (sign == '+' ? 1 : -1) * (h * 3600000 + m * 60000);
        return true;
}

int clock_parse(const char *text, int64_t *ret_ms)
{
        int64_t year, month, day, h, m, s, ms, zone;
        if (!take(&text, 4, 0, 9999, '-', &year) || !take(&text, 2, 1, 12, '-', &month) ||
            !take(&text, 2, 1, month_days(year, month), 'T', &day) || !take(&text, 2, 0, 23, ':', &h) ||
            !take(&text, 2, 0, 59, ':', &m) || !take(&text, 2, 0, 59, '\0', &s) || !take_fraction(&text, &ms) ||
            !take_zone(&text, &zone) || *text != '\0')
                return -EINVAL;
        *ret_ms = days_of(year, month, day) * DAY_MS + h * 3600000 + m * 60000 + s * 1000 + ms - zone;
        return 0;
}
