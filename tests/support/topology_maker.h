/*
 * topology_maker.h - a topology for tests, with short words for what is done to it.
 *
 * Each call takes the lock for itself, as one request of a peer would.
 */
#ifndef SLUICE_TESTS_SUPPORT_TOPOLOGY_MAKER_H
#define SLUICE_TESTS_SUPPORT_TOPOLOGY_MAKER_H

#include "core/topology.h"
#include "tests/support/unit.h"

struct topology_maker {
    struct topology *t;
    struct vhost *v;
    struct sl_handle who;
    char reason[1024]; /* of the last call */
    bool created;
    struct topology_queue *queue; /* of the last declare */
};

static inline void topology_maker_init(struct topology_maker *m, uint32_t shards)
{
    *m = (struct topology_maker){.t = topology_new(shards), .who = {1, 1, 0}};
    CU_ASSERT_PTR_NOT_NULL_FATAL(m->t);
    m->v = topology_vhost(m->t, SL_BYTES_LITERAL("/"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(m->v);
}

static inline void topology_maker_deinit(struct topology_maker *m)
{
    topology_check(m->t);
    topology_free(m->t);
}

static inline enum sl_err declare_queue(struct topology_maker *m, struct queue_declaration d)
{
    struct text reason = text_on(m->reason, sizeof m->reason);

    topology_lock(m->t);
    enum sl_err err =
        topology_declare_queue(m->t, m->v, m->who, &d, &m->queue, &m->created, &reason);
    topology_unlock(m->t);
    return err;
}

static inline enum sl_err declare_exchange(struct topology_maker *m, struct exchange_declaration d)
{
    struct text reason = text_on(m->reason, sizeof m->reason);

    topology_lock(m->t);
    enum sl_err err = topology_declare_exchange(m->t, m->v, &d, &reason);
    topology_unlock(m->t);
    return err;
}

static inline enum sl_err delete_exchange(struct topology_maker *m, const char *name,
                                          bool if_unused)
{
    struct text reason = text_on(m->reason, sizeof m->reason);

    topology_lock(m->t);
    enum sl_err err = topology_delete_exchange(m->t, m->v, sl_bytes_of(name), if_unused, &reason);
    topology_unlock(m->t);
    return err;
}

static inline void remove_queue(struct topology_maker *m, const char *name)
{
    topology_lock(m->t);
    topology_remove_queue(m->t, topology_queue(m->v, sl_bytes_of(name)));
    topology_unlock(m->t);
}

static inline enum sl_err bind(struct topology_maker *m, struct binding_request r)
{
    struct text reason = text_on(m->reason, sizeof m->reason);

    topology_lock(m->t);
    enum sl_err err = topology_bind(m->t, m->v, m->who, &r, &reason);
    topology_unlock(m->t);
    return err;
}

static inline enum sl_err unbind(struct topology_maker *m, struct binding_request r)
{
    struct text reason = text_on(m->reason, sizeof m->reason);

    topology_lock(m->t);
    enum sl_err err = topology_unbind(m->t, m->v, m->who, &r, &reason);
    topology_unlock(m->t);
    return err;
}

/* The usual ones, by C strings. */
static inline void make_queue(struct topology_maker *m, const char *name)
{
    struct queue_declaration d = {.name = sl_bytes_of(name), .is_durable = true};

    CU_ASSERT_EQUAL_FATAL(declare_queue(m, d), SL_OK);
}

static inline void make_exchange(struct topology_maker *m, const char *name, const char *type)
{
    struct exchange_declaration d = {.name = sl_bytes_of(name), .type = sl_bytes_of(type)};

    CU_ASSERT_EQUAL_FATAL(declare_exchange(m, d), SL_OK);
}

static inline struct binding_request to_queue(const char *source, const char *queue,
                                              const char *key)
{
    return (struct binding_request){
        .source = sl_bytes_of(source), .destination = sl_bytes_of(queue), .key = sl_bytes_of(key)};
}

static inline struct binding_request to_exchange(const char *source, const char *exchange,
                                                 const char *key)
{
    struct binding_request r = to_queue(source, exchange, key);

    r.to_exchange = true;
    return r;
}

static inline bool has_exchange(struct topology_maker *m, const char *name)
{
    return topology_exchange(m->v, sl_bytes_of(name)) != NULL;
}

#endif
