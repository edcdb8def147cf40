/* ewc.c: texts of errors, look-up of names, the finite check.
 *
 * Names live in tables of {value, text} beside the code they describe; the texts are arrays, not pointers, so the
 * tables need no relocation and the library has no writable data at all. */
#include "ewc/internal.h"

#include <string.h>

const char *ewc_strerror(int error)
{
        switch (error) {
        case EWC_OK:
                return "success";
        case EWC_E_INVAL:
                return "argument out of range";
        case EWC_E_DIM:
                return "shapes do not fit";
        case EWC_E_NONFINITE:
                return "value is not finite";
        case EWC_E_NOMEM:
                return "out of memory";
        case EWC_E_LABEL:
                return "label is not an active output";
        default:
                return "unknown error";
        }
}

const char *ewc_name_find(const struct ewc_name *table, size_t n, int value)
{
        for (size_t i = 0; i < n; i++) {
                if (table[i].value == value)
                        return table[i].name;
        }
        return NULL;
}

int ewc_name_parse(const struct ewc_name *table, size_t n, const char *name, int *ret)
{
        for (size_t i = 0; name && i < n; i++) {
                if (strcmp(table[i].name, name) == 0) {
                        *ret = table[i].value;
                        return 0;
                }
        }
        return EWC_E_INVAL;
}

/* An integer maximum over the bits without the sign: it vectorises, where a chain of isfinite() does not. */
EWC_CLONES bool ewc_finite_all(size_t n, const float *x)
{
        uint32_t top = 0;

        for (size_t i = 0; i < n; i++) {
                uint32_t bits;

                memcpy(&bits, &x[i], sizeof(bits));
                bits &= 0x7fffffffU;
                top = bits > top ? bits : top;
        }
        return top < 0x7f800000U;
}

/* As above; a negative value has the highest bit, and the addition takes it from -0. */
EWC_CLONES bool ewc_weights_all(size_t n, const float *x)
{
        uint32_t top = 0;

        for (size_t i = 0; i < n; i++) {
                float v = x[i] + 0.0f;
                uint32_t bits;

                memcpy(&bits, &v, sizeof(bits));
                top = bits > top ? bits : top;
        }
        return top < 0x7f800000U;
}

/* x * 0 is 0 or NaN: a sum of them in eight lanes vectorises on every machine. */
EWC_CLONES bool ewc_finite_sums(size_t n, const double *x)
{
        double lane[8] = {0}, sum = 0;
        size_t i = 0;

        for (; i + 8 <= n; i += 8) {
                for (size_t k = 0; k < 8; k++)
                        lane[k] += x[i + k] * 0.0;
        }
        for (size_t k = 0; i + k < n; k++)
                lane[k] += x[i + k] * 0.0;
        for (size_t k = 0; k < 8; k++)
                sum += lane[k];
        return sum == 0;
}
