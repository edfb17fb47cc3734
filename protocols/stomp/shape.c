#include "protocols/stomp/shape.h"

#include "protocols/stomp/destination.h"
#include "protocols/stomp/headers.h"
#include "protocols/stomp/properties.h"
#include "protocols/stomp/subscription.h"

/* Memory kept from one shape to the next; a larger piece is given back first. */
#define KEPT_BYTES_MAX 4096u

static enum sl_err write_head(struct sl_buffer *to, const struct stomp_subscription *sub,
                              const struct message *msg, const char *topic_exchange);

void stomp_shape_deinit(struct stomp_shape *shape)
{
    sl_buffer_deinit(&shape->text);
    *shape = (struct stomp_shape){0};
}

enum sl_err stomp_shape_make(struct stomp_shape *shape, const struct stomp_subscription *sub,
                             const struct message *msg, const char *topic_exchange)
{
    struct sl_bytes key = stomp_shape_key_of(msg);
    struct sl_buffer *to = &shape->text;

    if (to->room > KEPT_BYTES_MAX)
        sl_buffer_deinit(to);
    to->bytes_max = SIZE_MAX / 2; /* properties are bounded, and escapes at most double them */
    sl_buffer_clear(to);
    shape->key_len = 0; /* fits nothing until it is whole */
    SL_TRY(sl_buffer_append(to, key));
    SL_TRY(write_head(to, sub, msg, topic_exchange));
    shape->head_len = to->len - key.len;
    size_t before = to->len;
    SL_TRY(stomp_escape(to, sub->prefix));
    shape->prefix_len = to->len - before;
    shape->head_len += shape->prefix_len;
    SL_TRY(stomp_properties_write(to, message_properties(msg)));
    SL_TRY(sl_buffer_append(to, SL_BYTES_LITERAL("content-length:")));
    shape->key_len = key.len;
    return SL_OK;
}

static enum sl_err write_head(struct sl_buffer *to, const struct stomp_subscription *sub,
                              const struct message *msg, const char *topic_exchange)
{
    SL_TRY(sl_buffer_append(to, SL_BYTES_LITERAL("MESSAGE\n")));
    if (sub->id.at != NULL) {
        SL_TRY(sl_buffer_append(to, SL_BYTES_LITERAL("subscription:")));
        SL_TRY(stomp_escape(to, sub->id));
        SL_TRY(sl_buffer_append(to, SL_BYTES_LITERAL("\n")));
    }
    SL_TRY(sl_buffer_append(to, SL_BYTES_LITERAL("destination:")));
    SL_TRY(stomp_destination_write(to, message_exchange(msg), message_key(msg), topic_exchange));
    return sl_buffer_append(to, SL_BYTES_LITERAL("\nmessage-id:"));
}
