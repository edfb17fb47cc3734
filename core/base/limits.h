/*
 * limits.h - every bound in the broker, with the reason for its size.
 *
 * Those that an operator may change are defaults here; gateway/config_table.c has the settings.
 */
#ifndef SLUICE_CORE_BASE_LIMITS_H
#define SLUICE_CORE_BASE_LIMITS_H

/* names */
#define SL_NAME_BYTES_MAX 255u /* AMQP short string; the same for STOMP, so both can say it */

/* cluster queues (SEMANTICS 2) */
#define SL_CLUSTER_QUEUES_MAX 1000u /* of one ClusterID in a virtual host */

/* selectors */
#define SL_SELECTOR_BYTES_MAX 1024u /* of one as it is written: no known client comes near */
#define SL_SELECTOR_DEPTH_MAX 32u   /* parentheses in parentheses */
#define SL_SELECTOR_STACK_MAX 96u   /* values at once, where each depth keeps a few */
#define SL_SELECTOR_LIKE_BYTES_MAX                                                                 \
    4096u /* a longer text is LIKE nothing, as each place of it may be tried against the pattern */
#define SL_SELECTOR_LIKE_STEPS_MAX                                                                 \
    400000u /* of all LIKEs of a selector for one message: half a millisecond under the topology \
               lock, and what sixty patterns take that look for a word in the longest text */

/* messages */
#define SL_MESSAGE_BYTES_MAX (16u * 1024 * 1024)          /* default, as RabbitMQ 4 */
#define SL_MESSAGE_BYTES_MAX_ALLOWED (512u * 1024 * 1024) /* RabbitMQ's own cap of the setting */
#define SL_PROPERTIES_BYTES_MAX (128u * 1024 - 20) /* one AMQP frame holds all, with its own */
#define SL_TABLE_DEPTH_MAX 32u                     /* tables in tables: no known client passes 4 */
#define SL_COPIES_MAX 1024u                        /* keys of CC and BCC: each is routed by */
#define SL_BODY_FIRST_BYTES                                                                        \
    (1024u * 1024) /* a larger announced body grows as bytes arrive, so \
                                              that an empty promise costs at most this */

/* the hand-over from workers to shards */
#define SL_LANE_ITEMS 512u     /* commands in one chunk of a lane: 12 KiB, fits L1 with the rest */
#define SL_RUN_ITEMS_MAX 4096u /* a run is handed over at this size, and at the end of a read */
#define SL_RUN_BYTES_MAX (8u * 1024 * 1024) /* or at this one of its records */

/* deliveries */
#define SL_SESSION_WINDOW_BYTES                                                                    \
    (1024u * 1024)                        /* lent to a session and not yet written to its \
                                                  socket: a slow consumer costs this much */
#define SL_DELIVERIES_FIRST 8u            /* first mail of a shard's run to a session */
#define SL_DELIVERIES_PER_MAIL 256u       /* the following ones */
#define SL_LOANS_PER_CHANNEL_MAX 1000000u /* prefetch 0 means this */
#define SL_LEND_BUDGET 2048u        /* entries a queue lends before the next queue gets its turn */
#define SL_GROUPS_REMEMBERED 65536u /* of a queue: groups of which nothing is out */
#define SL_GROUPS_OVERTAKEN 4096u   /* entries that wait for the consumers of their groups */
#define SL_LEND_ROUNDS                                                                             \
    8u /* in one run: together more than a read brings in, so that one fast \
                             queue does not grow while its consumer could take more */

/* delayed retry (SEMANTICS 4) */
#define SL_RETRY_WAITING_MAX                                                                       \
    65536u /* of a queue, some 180 bytes of memory each; with more it lends nothing */

/* consumer timeout */
#define SL_CONSUMER_TIMEOUT_MS_MAX (1ull << 53) /* longer is never */
#define SL_CONSUMER_TIMEOUT_STEP_MS_MIN 100u    /* between two looks at a consumer */

/* direct replies (amq.rabbitmq.reply-to): what waits for one who reads too slowly */
#define SL_REPLIES_WAITING_MAX 65536
#define SL_REPLIES_WAITING_BYTES_MAX (16 * 1024 * 1024)
/* delayed messages */
#define SL_DELAYED_NEAR_MAX                                                                        \
    65536u /* due within two seconds, in memory: more than are sent on in that time */

/* paging */
#define SL_CHUNK_ENTRIES_MAX 168u /* entries of a queue in one chunk: with its head, 8 KiB */
#define SL_CHUNK_BODY_BYTES                                                                        \
    (256u * 1024) /* a chunk with this much in it is full, so that fetching one takes little */

/* exchanges of type x-recent-history */
#define SL_HISTORY_LENGTH 20u /* as RabbitMQ's plugin */
#define SL_HISTORY_LENGTH_MAX 10000u
#define SL_HISTORY_BYTES_MAX (8u * 1024 * 1024) /* of one */
#define SL_HISTORIES_BYTES_MAX                                                                     \
    (64u * 1024 * 1024) /* of all, a quarter of the smallest budget: nothing ever drains them */

/* transactions (SEMANTICS 7) */
#define SL_TRANSACTION_ACTIONS_MAX 10000u /* publishes and settlements together */
#define SL_TRANSACTION_BYTES_MAX (64u * 1024 * 1024)
/* Copies in queues and loans ended: at most 48 bytes each in the record group, which so stays far
 * below RECORD_BYTES_MAX. */
#define SL_TRANSACTION_PLACES_MAX (2u * 1024 * 1024)

/* deduplication (SEMANTICS 6) */
#define SL_DEDUP_WINDOW_MS (10u * 60 * 1000) /* longer than most connections take to come back */
#define SL_DEDUP_WINDOW_MS_MAX (7u * 24 * 3600 * 1000)
#define SL_DEDUP_IDS                                                                               \
    1000000u /* that a queue remembers: what such a window sees at 1,600 a second */
#define SL_DEDUP_IDS_MAX 100000000u
#define SL_DEDUP_MEMORY_SHARE 10u /* of the memory budget, a part: all ids of the node */

#define SL_SHARD_BUDGET                                                                            \
    8192u /* commands and loans that a shard takes in one run: what one client \
                                 asks for at once must not make all others wait */
#define SL_RANGE_LOANS_MAX 1024u /* settled by one command */

/* prepared messages (SEMANTICS 8), each of a virtual host */
#define SL_PREPARED_MAX 1000000u /* waiting for their outcomes */
#define SL_OUTCOMES_MAX 1000000u /* remembered */
#define SL_OUTCOMES_MS (7ull * 24 * 60 * 60 * 1000)
#define SL_PREPARED_CHECK_MS 6000u
#define SL_PREPARED_CHECK_AGAIN_MS 30000u
#define SL_PREPARED_CHECKS 15u
#define SL_PREPARED_CHECK_SLOW_MS 3600000u
#define SL_PREPARED_HEADERS_BYTES                                                                  \
    (2u * 1024) /* that a check adds to a message's properties; SL_PROPERTIES_BYTES_MAX holds */

/* per worker */
#define SL_READ_BYTES (256u * 1024) /* per connection and turn: fairness */
#define SL_UNREAD_BYTES_MAX                                                                        \
    (256u * 1024)                        /* what a front end may leave unread: an AMQP frame, \
                                               a STOMP header block */
#define SL_OUT_BYTES_HIGH (1024u * 1024) /* stop reading from a peer that does not read us */
#define SL_OUT_BYTES_LOW (256u * 1024)
#define SL_ROUTE_CACHE_ENTRIES 4096u  /* routes a worker remembers by exchange and key */
#define SL_ROUTE_CACHE_TARGETS 65536u /* and queue references in all of them together */

/* memory for bodies (SEMANTICS 10) */
#define SL_MEMORY_BUDGET_BYTES (256ull * 1024 * 1024)
/* bodies that are still coming in */
#define SL_ARRIVAL_BUDGET_SHARE 4u /* they may take this part of the budget again */
#define SL_ARRIVAL_SMALL_BYTES                                                                     \
    (64u * 1024) /* of one session, unfinished: need no room, so that nobody who publishes small \
                    messages waits for those who do not end large ones */
#define SL_ARRIVAL_PERIOD_MS 60000u
#define SL_ARRIVAL_PACE_BYTES                                                                      \
    (64u * 1024) /* per period, of who has room: slower than any link that is alive */

/* AMQP */
#define SL_AMQP_FRAME_BYTES_MAX (128u * 1024) /* what RabbitMQ proposes */
#define SL_AMQP_FRAME_BYTES_MIN 4096u         /* the protocol's own; old clients insist on it */
#define SL_AMQP_CHANNELS_MAX 2047u
#define SL_AMQP_HEARTBEAT_S 60u
#define SL_AMQP_PARKED_BYTES_MAX                                                                   \
    (1024u * 1024)                              /* input of channels that wait for an answer, of \
                                                  one connection */
#define SL_AMQP_UNTUNED_FRAME_BYTES_MAX 16384u  /* before tune-ok: tokens as passwords fit */
#define SL_AMQP_CLOSE_TIMEOUT_MS 3000u          /* for the peer's close-ok */
#define SL_AMQP_LEAVE_TIMEOUT_MS 30000u         /* for what a peer asked for before its close */
#define SL_CONSUMERS_PER_SESSION_MAX (1u << 20) /* the width of a cookie's slot */

/* STOMP */
#define SL_STOMP_COMMAND_BYTES_MAX 32u
#define SL_STOMP_HEADERS_MAX 1000u
#define SL_STOMP_HEADER_LINE_BYTES_MAX (100u * 1024)
#define SL_STOMP_HEADER_BLOCK_BYTES_MAX (200u * 1024)   /* below SL_UNREAD_BYTES_MAX */
#define SL_STOMP_UNAUTHENTICATED_BYTES_MAX (64u * 1024) /* one frame before CONNECTED */
#define SL_STOMP_TRANSACTIONS_MAX 16u                   /* open at once, as RabbitMQ */

/* connections */
#define SL_LOGIN_TIMEOUT_MS 10000u
#define SL_PEER_NAMES_MAX 100u /* alternative names in a client's certificate */
#define SL_PROXY_HEADER_BYTES_MAX                                                                  \
    (16u + 2048u) /* HAProxy's largest, with every option it can add, is below 1 KiB */
#define SL_SHUTDOWN_TIMEOUT_MS 8000u /* leaves two seconds of the ten that are promised */

#endif
