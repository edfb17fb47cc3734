#include "gateway/ctl/prepared.h"

#include "gateway/ctl/api.h"

#include <stdio.h>

#define PATH_BYTES_MAX 4096 /* three names, all of it percent-encoded */
#define NAME_BYTES_MAX 256

static enum sl_err find_user(const struct prepared_decision *d, char user[NAME_BYTES_MAX],
                             struct text *why);

enum sl_err prepared_decide(const struct prepared_decision *d, struct text *why)
{
    char room[PATH_BYTES_MAX];
    struct text path = text_on(room, sizeof room);
    char user[NAME_BYTES_MAX];

    if (strlen(d->id) >= NAME_BYTES_MAX || strlen(d->vhost) >= NAME_BYTES_MAX ||
        (d->user != NULL && strlen(d->user) >= NAME_BYTES_MAX)) {
        text_add(why, "a name is longer than 255 bytes");
        return SL_ENOENT;
    }
    if (d->user == NULL)
        SL_TRY(find_user(d, user, why));
    text_add(&path, "/api/prepared");
    api_add_segment(&path, d->vhost);
    api_add_segment(&path, d->user != NULL ? d->user : user);
    api_add_segment(&path, d->id);
    api_add_segment(&path, d->outcome);
    return api_post(d->socket, room, why);
}

static enum sl_err find_user(const struct prepared_decision *d, char user[NAME_BYTES_MAX],
                             struct text *why)
{
    char room[PATH_BYTES_MAX];
    struct text path = text_on(room, sizeof room);
    size_t found = 0;
    size_t i;
    json_t *rows;
    json_t *row;

    text_add(&path, "/api/prepared");
    api_add_segment(&path, d->vhost);
    text_add(&path, "?columns=name,user");
    SL_TRY(api_get(d->socket, room, &rows, why));
    json_array_foreach(rows, i, row)
    {
        const char *id = json_string_value(json_object_get(row, "name"));
        const char *whose = json_string_value(json_object_get(row, "user"));
        if (id == NULL || whose == NULL || strcmp(id, d->id) != 0)
            continue;
        snprintf(user, NAME_BYTES_MAX, "%s", whose);
        found++;
    }
    json_decref(rows);
    if (found == 1)
        return SL_OK;
    text_add(why,
             found == 0 ? "no prepared message '%s' waits in vhost '%s'"
                        : "several users have prepared a message '%s' in vhost '%s': --user "
                          "says whose is meant",
             d->id, d->vhost);
    return found == 0 ? SL_ENOENT : SL_EPRECOND;
}
