/* cmd_list.c: the protocols there are. */
#include "base/buf.h"
#include "bench/commands.h"
#include "bench/published.h"
#include "proto/json.h"
#include <stdio.h>

static void list_json(void)
{
        const struct protocol *p;
        for (size_t i = 0; (p = protocol_at(i)); i++) {
                struct buf b;
                buf_init(&b, 1 << 16);
                buf_puts(&b, "{\"protocol\":");
                json_put_string(&b, p->name);
                json_put_key(&b, "id");
                json_put_string(&b, p->id);
                json_put_key(&b, "scenario");
                json_put_string(&b, scenario_name(p->scenario));
                json_put_key(&b, "tasks");
                buf_put_u64(&b, p->cut.tasks);
                json_put_key(&b, "title");
                json_put_string(&b, p->title);
                json_put_key(&b, "published");
                struct buf line;
                buf_init(&line, 4096);
                published_line(p, &line);
                json_put_string_n(&b, line.data ? line.data : "", line.len);
                buf_deinit(&line);
                buf_puts(&b, "}");
                puts(b.data);
                buf_deinit(&b);
        }
}

int cmd_list(const struct options *o)
{
        const struct protocol *p;
        if (o->json) {
                list_json();
                return EXIT_DONE;
        }
        for (size_t i = 0; (p = protocol_at(i)); i++) {
                printf("%-26s %-7s %-7s %s\n", p->name, p->id, scenario_name(p->scenario), p->title);
                struct buf line;
                buf_init(&line, 4096);
                published_line(p, &line);
                if (line.len > 0)
                        printf("%-26s         published %%: %s\n", "", line.data);
                buf_deinit(&line);
        }
        return EXIT_DONE;
}
