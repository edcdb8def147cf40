/* Fuzz target of the configuration file. */
#include "base/err.h"
#include "daemon/conf.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct conf c;
        struct err e = ERR_NULL;
        if (size > 4096)
                return 0;
        struct fuzz_file f = fuzz_file(data, size);
        conf_defaults(&c);
        if (conf_read(&c, f.path, &e) == 0) {
                fuzz_touch(&c, sizeof(c));
                conf_check(&c, &e);
        } else {
                fuzz_check(e.code < 0 && e.msg[0]);
        }
        close(f.fd);
        return 0;
}
