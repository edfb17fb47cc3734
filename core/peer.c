#include "core/peer.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/shard.h"

#include <stdlib.h>

static struct sl_bytes peer_key(const struct peer *p);
static void write_key(uint8_t key[12], struct sl_handle handle);

struct peer *peer_get(struct shard *s, struct sl_handle handle, struct session_window *window)
{
    struct peer *p = peer_find(s, handle);

    if (p != NULL)
        return p;
    p = calloc(1, sizeof *p);
    SL_ASSERT(p != NULL);
    p->handle = handle;
    write_key(p->key, handle);
    p->window = session_window_ref(window);
    list_init(&p->consumers);
    list_init(&p->queues);
    list_init(&p->of_writing);
    enum sl_err err = hash_map_put(&s->peers, peer_key(p), p);
    SL_ASSERT(err == SL_OK);
    return p;
}

struct peer *peer_find(struct shard *s, struct sl_handle handle)
{
    uint8_t key[12];

    write_key(key, handle);
    return hash_map_get(&s->peers, (struct sl_bytes){key, sizeof key});
}

void peer_free(struct shard *s, struct peer *p)
{
    SL_ASSERT(list_is_empty(&p->consumers) && list_is_empty(&p->queues));
    peer_flush(s, p);
    list_remove(&p->of_writing);
    hash_map_remove(&s->peers, peer_key(p));
    session_window_unref(p->window);
    free(p);
}

void peer_flush(struct shard *s, struct peer *p)
{
    if (p->mail != NULL) {
        shard_post(s, &p->mail->mail);
        p->mail = NULL;
    }
    if (p->lent != 0) {
        session_window_lend(p->window, p->lent);
        p->lent = 0;
    }
    p->is_room_known = false;
}

/* The first mail of a run is small, for most runs have little to say to one session. */
struct delivery *peer_delivery(struct shard *s, struct peer *p)
{
    if (p->mail != NULL && p->mail->count == p->mail->room) {
        shard_post(s, &p->mail->mail);
        p->mail = NULL;
        p->mails++;
    }
    if (p->mail == NULL) {
        uint32_t room = p->mails == 0 ? SL_DELIVERIES_FIRST : SL_DELIVERIES_PER_MAIL;
        p->mail = malloc(sizeof *p->mail + room * sizeof p->mail->items[0]);
        SL_ASSERT(p->mail != NULL);
        p->mail->mail.kind = MAIL_DELIVERIES;
        p->mail->mail.to = p->handle;
        p->mail->count = 0;
        p->mail->room = room;
        if (list_is_empty(&p->of_writing))
            list_push(&s->writing, &p->of_writing);
    }
    return &p->mail->items[p->mail->count++];
}

void peer_read_window(struct shard *s, struct peer *p)
{
    if (p->lent != 0) {
        session_window_lend(p->window, p->lent);
        p->lent = 0;
    }
    p->room = session_window_room(p->window, s->index);
    p->is_room_known = true;
    if (list_is_empty(&p->of_writing))
        list_push(&s->writing, &p->of_writing);
}

static struct sl_bytes peer_key(const struct peer *p)
{
    return (struct sl_bytes){p->key, sizeof p->key};
}

static void write_key(uint8_t key[12], struct sl_handle handle)
{
    sl_store_u32(key, handle.slot);
    sl_store_u32(key + 4, handle.generation);
    sl_store_u32(key + 8, handle.worker);
}
