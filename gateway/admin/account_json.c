#include "gateway/admin/account_json.h"

static const struct {
    const char *name;
    enum account_limit limit;
    bool of_user;
    bool of_vhost;
} LIMITS[] = {
    {"max-connections", LIMIT_CONNECTIONS, true, true},
    {"max-channels", LIMIT_CHANNELS, true, false},
    {"max-queues", LIMIT_QUEUES, false, true},
    {"max-message-bytes", LIMIT_MESSAGE_BYTES, true, false},
    {"publish-rate", LIMIT_MESSAGE_RATE, true, false},
    {"publish-byte-rate", LIMIT_BYTE_RATE, true, false},
};

#define LIMITS_COUNT (sizeof LIMITS / sizeof LIMITS[0])

static bool read_text(struct change *c, const json_t *o, const char *name, struct sl_bytes *out);
static bool read_tags(struct change *c, const json_t *tags, struct sl_bytes *out);
static enum sl_err read_password(const json_t *o, struct account_change *out, struct text *why);
static struct sl_bytes bytes_of(const json_t *text);
static json_t *list_of_tags(struct sl_bytes tags);
static const char *limit_name(enum account_limit limit);

enum sl_err account_read_user(struct change *c, const json_t *o, struct account_change *out,
                              struct text *why)
{
    const json_t *tags = json_object_get(o, "tags");

    out->kind = RECORD_USER;
    out->keeps_tags = tags == NULL;
    out->keeps_cluster = json_object_get(o, "cluster_id") == NULL;
    if (!read_text(c, o, "cluster_id", &out->cluster_id)) {
        text_add(why, "cluster_id is a text");
        return SL_ESYNTAX;
    }
    if (tags != NULL && !read_tags(c, tags, &out->tags)) {
        text_add(why, "tags is a list of texts, or one text with commas between them");
        return SL_ESYNTAX;
    }
    return read_password(o, out, why);
}

enum sl_err account_read_permission(struct change *c, const json_t *o, struct account_change *out,
                                    struct text *why)
{
    static const char *const NAMES[] = {
        [PERMISSION_CONFIGURE] = "configure",
        [PERMISSION_WRITE] = "write",
        [PERMISSION_READ] = "read",
    };

    out->kind = RECORD_PERMISSION;
    for (int i = 0; i < PERMISSIONS; i++)
        if (!json_is_string(json_object_get(o, NAMES[i])) ||
            !read_text(c, o, NAMES[i], &out->texts[i])) {
            text_add(why, "%s is a regular expression, and needed", NAMES[i]);
            return SL_ESYNTAX;
        }
    return SL_OK;
}

enum sl_err account_read_topic(struct change *c, const json_t *o, struct account_change *out,
                               struct text *why)
{
    out->kind = RECORD_TOPIC_PERMISSION;
    if (!json_is_string(json_object_get(o, "exchange")) ||
        !json_is_string(json_object_get(o, "write")) ||
        !json_is_string(json_object_get(o, "read")) ||
        !read_text(c, o, "exchange", &out->exchange) ||
        !read_text(c, o, "write", &out->texts[PERMISSION_WRITE]) ||
        !read_text(c, o, "read", &out->texts[PERMISSION_READ])) {
        text_add(why, "exchange, write and read are texts, and needed");
        return SL_ESYNTAX;
    }
    return SL_OK;
}

enum sl_err account_read_vhost(struct change *c, const json_t *o, struct account_change *out,
                               struct text *why)
{
    const json_t *metadata = json_object_get(o, "metadata");
    const json_t *tags = json_object_get(o, "tags");

    out->kind = RECORD_VHOST;
    if (tags == NULL)
        tags = json_object_get(metadata, "tags");
    if (!read_text(c, json_object_get(o, "description") != NULL ? o : metadata, "description",
                   &out->description) ||
        !read_text(c, json_object_get(o, "default_queue_type") != NULL ? o : metadata,
                   "default_queue_type", &out->queue_type) ||
        (tags != NULL && !read_tags(c, tags, &out->tags))) {
        text_add(why, "description, default_queue_type and tags are texts");
        return SL_ESYNTAX;
    }
    return SL_OK;
}

bool account_limit_parse(struct sl_bytes name, bool of_vhost, enum account_limit *out)
{
    for (size_t i = 0; i < LIMITS_COUNT; i++) {
        if (!(of_vhost ? LIMITS[i].of_vhost : LIMITS[i].of_user) ||
            !sl_bytes_are(name, LIMITS[i].name))
            continue;
        *out = LIMITS[i].limit;
        return true;
    }
    return false;
}

bool account_limit_value(const json_t *value, uint64_t *out)
{
    *out = LIMIT_NONE;
    if (!json_is_integer(value))
        return false;
    if (json_integer_value(value) >= 0)
        *out = (uint64_t)json_integer_value(value);
    return true;
}

json_t *account_json_user(const struct user *u)
{
    char hash[PASSWORD_TEXT_BYTES_MAX];
    json_t *o = json_object();

    password_hash_export(&u->password, hash);
    json_put(o, "name", json_of_bytes(u->name));
    if (u->password.form == PASSWORD_SCRYPT) { /* RabbitMQ would refuse it */
        json_put(o, "scrypt_hash", json_string(hash));
    } else {
        json_put(o, "password_hash", json_string(hash));
        json_put(o, "hashing_algorithm", json_string(password_algorithm(&u->password)));
    }
    json_put(o, "tags", list_of_tags(u->tags));
    json_put(o, "limits", account_json_user_limits(u));
    if (*u->cluster_id != '\0')
        json_put(o, "cluster_id", json_string(u->cluster_id));
    return o;
}

json_t *account_json_permission(const struct grant *g)
{
    json_t *o = json_object();

    json_put(o, "user", json_of_bytes(g->user));
    json_put(o, "vhost", json_of_bytes(g->vhost));
    json_put(o, "configure", json_of_bytes(g->texts[PERMISSION_CONFIGURE]));
    json_put(o, "write", json_of_bytes(g->texts[PERMISSION_WRITE]));
    json_put(o, "read", json_of_bytes(g->texts[PERMISSION_READ]));
    return o;
}

json_t *account_json_topic(const struct grant *g, const struct topic_grant *t)
{
    json_t *o = json_object();

    json_put(o, "user", json_of_bytes(g->user));
    json_put(o, "vhost", json_of_bytes(g->vhost));
    json_put(o, "exchange", json_of_bytes(t->exchange));
    json_put(o, "write", json_of_bytes(t->texts[PERMISSION_WRITE]));
    json_put(o, "read", json_of_bytes(t->texts[PERMISSION_READ]));
    return o;
}

json_t *account_json_user_limits(const struct user *u)
{
    json_t *o = json_object();

    for (int i = 0; i < ACCOUNT_LIMITS; i++)
        if (u->limits[i] != LIMIT_NONE)
            json_put(o, limit_name((enum account_limit)i), json_of_number(u->limits[i]));
    return o;
}

json_t *account_json_vhost_limits(const struct vhost *v)
{
    json_t *o = json_object();

    if (v->connections_max != LIMIT_NONE)
        json_put(o, limit_name(LIMIT_CONNECTIONS), json_of_number(v->connections_max));
    if (v->queues_max != LIMIT_NONE)
        json_put(o, limit_name(LIMIT_QUEUES), json_of_number(v->queues_max));
    return o;
}

void account_put_vhost(json_t *o, const struct vhost *v)
{
    json_t *metadata = json_object();

    json_put(metadata, "description", json_of_bytes(v->description));
    json_put(metadata, "tags", list_of_tags(v->tags));
    if (v->queue_type.len != 0)
        json_put(metadata, "default_queue_type", json_of_bytes(v->queue_type));
    json_put(o, "description", json_of_bytes(v->description));
    json_put(o, "tags", list_of_tags(v->tags));
    json_put(o, "default_queue_type",
             v->queue_type.len == 0 ? json_string("classic") : json_of_bytes(v->queue_type));
    json_put(o, "metadata", metadata);
}

/* Absent is empty. */
static bool read_text(struct change *c, const json_t *o, const char *name, struct sl_bytes *out)
{
    const json_t *value = json_object_get(o, name);

    *out = (struct sl_bytes){NULL, 0};
    if (value == NULL || json_is_null(value))
        return true;
    if (!json_is_string(value))
        return false;
    *out = change_keep(c, bytes_of(value));
    return true;
}

static bool read_tags(struct change *c, const json_t *tags, struct sl_bytes *out)
{
    char room[ACCOUNT_TEXT_BYTES_MAX];
    struct text text = text_on(room, sizeof room);

    if (json_is_string(tags)) {
        *out = change_keep(c, bytes_of(tags));
        return true;
    }
    for (size_t i = 0; i < json_array_size(tags); i++) {
        const json_t *one = json_array_get(tags, i);
        if (!json_is_string(one))
            return false;
        text_add(&text, "%s%s", i == 0 ? "" : ",", json_string_value(one));
    }
    *out = change_keep(c, (struct sl_bytes){(const uint8_t *)room, text.len});
    return json_is_array(tags);
}

/* A password, or a hash of it, or neither: then a new user has none. */
static enum sl_err read_password(const json_t *o, struct account_change *out, struct text *why)
{
    const json_t *password = json_object_get(o, "password");
    const json_t *hash = json_object_get(o, "password_hash");
    const json_t *algorithm = json_object_get(o, "hashing_algorithm");
    const json_t *scrypt = json_object_get(o, "scrypt_hash");

    if (json_is_string(scrypt))
        return password_hash_import(&out->password, SL_BYTES_LITERAL("scrypt"), bytes_of(scrypt),
                                    why) == SL_OK
                   ? SL_OK
                   : SL_ESYNTAX;
    out->keeps_password = password == NULL && hash == NULL;
    if (hash != NULL && json_is_string(hash))
        return password_hash_import(&out->password, bytes_of(algorithm), bytes_of(hash), why) ==
                       SL_OK
                   ? SL_OK
                   : SL_ESYNTAX;
    if (out->keeps_password)
        return SL_OK;
    if (!json_is_string(password) || json_string_length(password) > PASSWORD_BYTES_MAX) {
        text_add(why, "a password is a text of at most %u bytes", PASSWORD_BYTES_MAX);
        return SL_ESYNTAX;
    }
    password_hash_make(&out->password, PASSWORD_SCRYPT, bytes_of(password));
    return SL_OK;
}

/* {NULL, 0} where it is no text. */
static struct sl_bytes bytes_of(const json_t *text)
{
    return json_is_string(text) ? (struct sl_bytes){(const uint8_t *)json_string_value(text),
                                                    json_string_length(text)}
                                : (struct sl_bytes){NULL, 0};
}

static json_t *list_of_tags(struct sl_bytes tags)
{
    json_t *list = json_array();

    while (tags.len != 0) {
        const uint8_t *comma = memchr(tags.at, ',', tags.len);
        struct sl_bytes one = {tags.at, comma == NULL ? tags.len : (size_t)(comma - tags.at)};
        tags = sl_bytes_skip(tags, one.len + 1);
        while (one.len != 0 && *one.at == ' ')
            one = sl_bytes_skip(one, 1);
        if (one.len != 0)
            (void)json_array_append_new(list, json_of_bytes(one));
    }
    return list;
}

static const char *limit_name(enum account_limit limit)
{
    size_t i = 0;

    while (LIMITS[i].limit != limit)
        i++;
    return LIMITS[i].name;
}
