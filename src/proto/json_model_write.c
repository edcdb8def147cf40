/* json_model_write.c: models as JSON: the canonical text kept in the store, and the metadata people and programs see.
 *
 * The stored text has scale, offset and rates as doubles: a reader that goes through double then finds the same
 * float32. */
#include "base/buf.h"
#include "proto/json.h"
#include "proto/json_model.h"
#include "proto/json_oip.h"
#include "proto/layer_keys.h"

static void put_floats(struct buf *b, const float *v, size_t n, bool exact)
{
        if (n != 1)
                buf_putc(b, '[');
        for (size_t i = 0; i < n; i++) {
                if (i > 0)
                        buf_putc(b, ',');
                if (exact)
                        json_put_number(b, (double)v[i]);
                else
                        json_put_float(b, v[i]);
        }
        if (n != 1)
                buf_putc(b, ']');
}

static void put_shape(struct buf *b, const struct model_spec *s)
{
        for (size_t i = 0; i < s->rank; i++) {
                if (i > 0)
                        buf_putc(b, ',');
                buf_put_u64(b, s->shape[i]);
        }
}

static void put_input(struct buf *b, const struct model_spec *s, bool exact)
{
        json_put_key(b, "input");
        buf_puts(b, "{\"name\":");
        json_put_string(b, s->input_name);
        json_put_key(b, "shape");
        buf_putc(b, '[');
        put_shape(b, s);
        buf_putc(b, ']');
        json_put_key(b, "scale");
        put_floats(b, s->scale, s->n_scale, exact);
        json_put_key(b, "offset");
        put_floats(b, s->offset, s->n_offset, exact);
        buf_putc(b, '}');
}

static void put_layer(struct buf *b, const struct ewc_layer *l, bool exact)
{
        const struct layer_key *k;
        size_t next = 0;
        buf_puts(b, "{\"type\":");
        json_put_text(b, ewc_layer_type_name(l->type));
        while ((k = layer_key_next(l->type, &next))) {
                const void *at = (const char *)l + k->offset;
                json_put_key(b, k->key);
                switch (k->kind) {
                case LAYER_KEY_UINT:
                        buf_put_u64(b, *(const uint32_t *)at);
                        break;
                case LAYER_KEY_ACTIVATION:
                        json_put_text(b, ewc_activation_name(*(const enum ewc_activation *)at));
                        break;
                case LAYER_KEY_RATE:
                        put_floats(b, at, 1, exact);
                        break;
                }
        }
        buf_putc(b, '}');
}

static void put_net(struct buf *b, const struct model_spec *s, bool exact)
{
        json_put_key(b, "scenario");
        json_put_text(b, scenario_name(s->scenario));
        json_put_key(b, "loss");
        json_put_text(b, ewc_loss_name(s->net.loss));
        json_put_key(b, "layers");
        buf_putc(b, '[');
        for (size_t i = 0; i < s->net.n_layers; i++) {
                if (i > 0)
                        buf_putc(b, ',');
                put_layer(b, &s->net.layers[i], exact);
        }
        buf_putc(b, ']');
}

void json_spec_write(struct buf *b, const struct model_spec *s)
{
        buf_puts(b, "{\"name\":");
        json_put_string(b, s->name);
        put_input(b, s, true);
        put_net(b, s, true);
        buf_putc(b, '}');
}

void json_model_view_write(struct buf *b, const struct model_view *v)
{
        const struct model_spec *s = v->spec;
        bool listed = v->n_versions > 0 || !v->champion;
        json_metadata_begin(b, s, listed ? v->n_versions : 1, listed ? v->versions : &v->champion);
        put_input(b, s, false);
        json_put_key(b, "classes");
        buf_putc(b, '[');
        for (size_t i = 0; i < s->n_classes; i++) {
                if (i > 0)
                        buf_putc(b, ',');
                json_put_string(b, s->classes[i]);
        }
        buf_putc(b, ']');
        put_net(b, s, false);
        json_put_key(b, "learning");
        json_learning_write(b, v->learning);
        json_put_key(b, "ewcd_champion");
        json_put_version(b, v->champion);
        json_put_key(b, "ewcd_model_digest");
        if (v->digest)
                buf_printf(b, "\"sha256:%s\"", v->digest);
        else
                buf_puts(b, "null");
        json_put_key(b, "parameters");
        buf_put_u64(b, v->n_params);
        json_put_key(b, "open_task");
        json_put_text(b, v->open_task);
        buf_putc(b, '}');
}

void json_model_list_write(struct buf *b, size_t n, const char *const *names)
{
        buf_puts(b, "{\"models\":[");
        for (size_t i = 0; i < n; i++) {
                if (i > 0)
                        buf_putc(b, ',');
                json_put_string(b, names[i]);
        }
        buf_puts(b, "]}");
}
